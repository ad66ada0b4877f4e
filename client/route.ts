import type { BackoffBounds } from '../core/backoff.ts';
import { connectAddressOf, questionFor, readDirections, type Address, type Directions } from './addresses.ts';
import { Backoff } from './backoff.ts';
import type { ClientClock } from './client-clock.ts';
import { BarrageError } from './errors.ts';

/** Longest wait for an answer to `GET /v1/connect`, in milliseconds, for all gateways that are asked in turn. */
const askTimeoutMs = 5_000;
/** Most gateways that are asked after one failed dial: the failed one, and others of the client's own addresses. */
const askedMax = 3;
/**
 * Least time between two attempts that a wakeup brings forward, in milliseconds. A page that flickers must not hammer a
 * gateway.
 */
const wakeupIntervalMs = 1_000;

export interface RouteOptions {
  readonly addresses: readonly Address[];
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The channel for which gateways are asked. */
  readonly channel: () => string;
  /** Begins a connection to a gateway. May throw. */
  readonly dial: (url: string) => void;
  /** Called when an attempt begins with a question. */
  readonly onAsk: () => void;
  /** Called when an attempt failed before a connection was begun; the next attempt follows by itself. */
  readonly onError: (error: BarrageError) => void;
  /**
   * Called after a failed dial whose gateway answers requests, and not that it is crowded: the dial's failure then says
   * something about its transport.
   */
  readonly onReached: () => void;
  /** Called when a gateway that takes no more connections names a transport, and no other gateway is left to try. */
  readonly onTransport: (name: string) => void;
}

/** A gateway to try, and the URL to ask if it can't be reached. */
interface Stop {
  readonly url: string;
  readonly askUrl: string;
}

/**
 * Chooses the next gateway to try, and the time. The client's own addresses are tried in turn, each after a wait of
 * full-jitter back-off. After a failed dial, `GET /v1/connect` is asked. A browser can't read why a handshake was
 * refused. And only a living gateway knows how long this crowd has to wait, and which other gateway to try. A
 * connection that was greeted begins the turn anew when it ends.
 */
export class Route {
  readonly #options: RouteOptions;
  readonly #backoff = new Backoff();
  /** The rest of this turn: gateways that an answer named, then the client's own addresses. */
  #stops: Stop[] = [];
  #addresses: Address[] = [];
  /** URLs that were tried in this turn: an answer that repeats them says nothing new. */
  readonly #tried = new Set<string>();
  /** The URL that was asked last and answered anything. */
  #reached: string | undefined;
  #dialled: Stop | undefined;
  #cancelTimer = (): void => {};
  /** Changes with every event that makes a pending answer worthless. */
  #attempt = 0;
  #isWaiting = false;
  #wokenAt = -Infinity;

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  /** The bounds of the back-off now in force. */
  get bounds(): BackoffBounds {
    return this.#backoff.bounds;
  }

  /** A gateway gave its bounds. */
  told(bounds: BackoffBounds): void {
    this.#backoff.told(bounds);
  }

  /** A gateway said hello. */
  greeted(bounds: BackoffBounds): void {
    this.#backoff.opened(bounds, this.#options.clock.monotonic());
    this.#dialled = undefined;
  }

  /** The client has its connection: the next turn begins with the first address. */
  arrived(): void {
    this.#stops = [];
    this.#addresses = [];
  }

  /** Begins an attempt at once. */
  go(): void {
    this.#isWaiting = false;
    this.#cancelTimer();
    this.#attempt++;
    this.#addresses = this.#addresses.filter(({ kind, url }) => kind === 'connect' || !this.#tried.has(url));
    if (this.#stops.length === 0 && this.#addresses.length === 0) {
      this.#addresses = [...this.#options.addresses];
      this.#tried.clear();
    }
    const stop = this.#stops.shift();
    if (stop !== undefined) return this.#dial(stop);
    const address = this.#addresses.shift();
    if (address === undefined) return;
    if (address.kind === 'gateway') return this.#dial({ url: address.url, askUrl: connectAddressOf(address.url) });
    this.#options.onAsk();
    const attempt = this.#attempt;
    void this.#ask([address.url]).then((answer) => {
      if (attempt !== this.#attempt) return;
      if (answer instanceof BarrageError) return this.#fail(answer);
      this.#take(answer, address.url);
      const next = this.#stops.shift();
      if (next === undefined) this.#fail(failure(address.url, 'it named only gateways that were tried just now'));
      else this.#dial(next);
    });
  }

  /** The attempt failed, or its connection ended. The next attempt begins after a wait. */
  ended(): void {
    const { clock, random } = this.#options;
    const since = clock.monotonic();
    this.#backoff.failed(since, random);
    const dialled = this.#dialled;
    this.#dialled = undefined;
    this.#isWaiting = true;
    const attempt = ++this.#attempt;
    const wait = (): void => {
      const left = since + this.#backoff.waitMs - clock.monotonic();
      this.#cancelTimer = clock.after(Math.max(0, left), () => this.go());
    };
    if (dialled === undefined) return wait();
    this.#reached = undefined;
    const others = this.#options.addresses.map(({ kind, url }) => (kind === 'connect' ? url : connectAddressOf(url)));
    void this.#ask([...new Set([dialled.askUrl, ...others])].slice(0, askedMax)).then((answer) => {
      if (attempt !== this.#attempt) return;
      if (this.#reached === dialled.askUrl && (answer instanceof BarrageError || !answer.isCrowded)) this.#options.onReached();
      if (!(answer instanceof BarrageError)) this.#take(answer, dialled.askUrl);
      wait();
    });
  }

  /** The network came back: the wait ends. */
  wake(): void {
    const now = this.#options.clock.monotonic();
    if (!this.#isWaiting || now - this.#wokenAt < wakeupIntervalMs) return;
    this.#wokenAt = now;
    this.go();
  }

  /**
   * The gateways for a client that is told to come back through its own addresses, the first to try first.
   * @throws BarrageError
   */
  async homes(): Promise<readonly string[]> {
    const { addresses } = this.#options;
    const first = addresses.findIndex(({ kind }) => kind === 'gateway');
    const gateways = addresses.filter(({ kind }) => kind === 'gateway').map(({ url }) => url);
    if (first === 0) return gateways;
    // Those that are asked before the first gateway that needs no question.
    const answer = await this.#ask(addresses.slice(0, first < 0 ? askedMax : first).map(({ url }) => url));
    if (!(answer instanceof BarrageError)) return [...answer.urls, ...gateways];
    if (gateways.length === 0) throw answer;
    return gateways;
  }

  /** Ends the route: no attempt begins after this. */
  stop(): void {
    this.#attempt++;
    this.#isWaiting = false;
    this.#cancelTimer();
  }

  #dial(stop: Stop): void {
    this.#dialled = stop;
    this.#tried.add(stop.url);
    try {
      this.#options.dial(stop.url);
    } catch (cause) {
      // No question is possible: the platform does not let this page connect there.
      this.#dialled = undefined;
      this.#fail(new BarrageError('disconnected', `${stop.url} can't be dialled: ${String(cause)}`, true));
    }
  }

  #fail(error: BarrageError): void {
    const attempt = this.#attempt;
    this.#options.onError(error);
    // A listener may have closed the client.
    if (attempt === this.#attempt) this.ended();
  }

  #take({ urls, backoff, transport }: Directions, askUrl: string): void {
    if (backoff !== undefined) this.#backoff.told(backoff);
    this.#stops = urls.filter((url) => !this.#tried.has(url)).map((url) => ({ url, askUrl }));
    if (transport !== undefined && this.#stops.length <= 1) this.#options.onTransport(transport);
  }

  /**
   * Asks the URLs in turn until one gives a good answer. A gateway that does not answer in its share of the time delays
   * the next question, and is still listened to. Does not reject: the result is the last error.
   */
  async #ask(askUrls: readonly string[]): Promise<Directions | BarrageError> {
    // An application subscribes right after it has made its client. Its subscriptions decide which gateway is best.
    await Promise.resolve();
    const { clock } = this.#options;
    const abort = new AbortController();
    const cancel = clock.after(askTimeoutMs, () => abort.abort(new Error(`no answer in ${askTimeoutMs} ms`)));
    let cancelNext = (): void => {};
    const answer = await new Promise<Directions | BarrageError>((resolve) => {
      let asked = 0;
      let open = 0;
      const next = (): void => {
        cancelNext();
        const askUrl = askUrls[asked];
        if (askUrl === undefined || abort.signal.aborted) return;
        asked++;
        open++;
        if (asked < askUrls.length) cancelNext = clock.after(askTimeoutMs / askUrls.length, next);
        void this.#askOne(askUrl, abort.signal).then((given) => {
          open--;
          if (!(given instanceof BarrageError)) return resolve(given);
          next();
          if (open === 0) resolve(given);
        });
      };
      next();
    });
    cancel();
    cancelNext();
    // Answers that come later are not wanted any more.
    abort.abort();
    return answer;
  }

  async #askOne(askUrl: string, signal: AbortSignal): Promise<Directions | BarrageError> {
    try {
      const response = await fetch(questionFor(askUrl, this.#options.channel()), { signal, cache: 'no-store', credentials: 'omit' });
      if (response.status < 500) this.#reached = askUrl;
      const directions = response.ok ? readDirections(await response.json(), askUrl) : undefined;
      return directions ?? failure(askUrl, response.ok ? 'it named no gateway that may be gone to' : `HTTP status ${response.status}`);
    } catch (cause) {
      return failure(askUrl, cause instanceof Error ? cause.message : String(cause));
    }
  }
}

function failure(askUrl: string, why: string): BarrageError {
  return new BarrageError('disconnected', `${askUrl} did not say where to connect: ${why}`, true);
}
