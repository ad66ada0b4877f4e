import type { BackoffBounds } from '../core/backoff.ts';
import type { Address } from './addresses.ts';
import type { Answer, Stop } from './asking.ts';
import { Backoff } from './backoff.ts';
import type { ClientClock } from './client-clock.ts';
import { BarrageError, ownError } from './errors.ts';
import { withExtraPart } from './extra-part.ts';
import { put, type Question } from './question.ts';

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
  /** Called after a failed dial where the gateway refuses this page; the next attempt follows all the same. */
  readonly onRefused: (error: BarrageError) => void;
  /**
   * Called after a failed dial whose gateway answers requests, and not that it is crowded: the dial's failure then says
   * something about its transport.
   */
  readonly onReached: () => void;
  /** Called when a gateway that takes no more connections names a transport, and no other gateway is left to try. */
  readonly onTransport: (name: string) => void;
}

/**
 * Chooses the next gateway to try, and the time. The client's own addresses are tried in turn, each after a wait of
 * full-jitter back-off. After a failed dial, `GET /v1/connect` is asked. A browser can't read why a handshake was
 * refused. And only a living gateway knows how long this crowd has to wait, and which other gateway to try. A
 * connection that was greeted begins the turn anew when it ends. Questions are the extra part's: without it a failed
 * dial is followed by the wait alone.
 */
export class Route {
  readonly #options: RouteOptions;
  readonly #backoff = new Backoff();
  /** The rest of this turn: gateways that an answer named (they have an `askUrl`), then the client's own addresses. */
  #turn: readonly Stop[] = [];
  /** URLs that were tried in this turn: an answer that repeats them says nothing new. */
  readonly #tried = new Set<string>();
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
    this.#turn = [];
  }

  /** Begins an attempt at once. */
  go(): void {
    this.#isWaiting = false;
    this.#cancelTimer();
    this.#attempt++;
    this.#turn = this.#turn.filter(({ kind, url }) => kind === 'connect' || !this.#tried.has(url));
    if (this.#turn.length === 0) {
      this.#turn = this.#options.addresses;
      this.#tried.clear();
    }
    const [stop, ...others] = this.#turn;
    if (stop === undefined) return;
    this.#turn = others;
    if (stop.kind === 'gateway') return this.#dial(stop);
    this.#options.onAsk();
    // Put at once, beside the loading of the part that reads the answer.
    const abort = new AbortController();
    const response = put(stop.url, this.#options.channel, abort.signal);
    response.catch(() => {});
    const then = (error?: BarrageError): void => (error === undefined ? this.go() : this.#fail(ownError(error)));
    this.#ask(stop, [], then, { response, abort });
  }

  /** The attempt failed, or its connection ended. The next attempt begins after a wait. */
  ended(): void {
    const { clock, random, addresses } = this.#options;
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
    if (dialled === undefined) wait();
    else
      this.#ask(dialled, addresses, (_error, refused) => {
        if (refused !== undefined) this.#options.onRefused(ownError(refused));
        // A listener may have closed the client.
        if (attempt === this.#attempt) wait();
      });
  }

  /** The network came back: the wait ends. */
  wake(): void {
    const now = this.#options.clock.monotonic();
    if (!this.#isWaiting || now - this.#wokenAt < wakeupIntervalMs) return;
    this.#wokenAt = now;
    this.go();
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

  /** Asks about an address, and takes the answer if it is still wanted. */
  #ask(about: Stop, others: readonly Address[], then: (error?: BarrageError, refused?: BarrageError) => void, begun?: Question): void {
    const attempt = this.#attempt;
    const { clock, channel, onReached, onTransport } = this.#options;
    const take = ({ stops, backoff, transport, isReached, error, refused }: Answer): void => {
      if (attempt !== this.#attempt) return;
      if (isReached === true) onReached();
      if (backoff !== undefined) this.#backoff.told(backoff);
      if (stops !== undefined) this.#turn = [...stops, ...this.#turn.filter(({ askUrl }) => askUrl === undefined)];
      if (transport !== undefined) onTransport(transport);
      then(error, refused);
    };
    withExtraPart(
      ({ ask }) => void ask({ about, others, tried: this.#tried, clock, channel, begun }).then(take),
      (error) => {
        begun?.abort.abort();
        take({ error });
      },
    );
  }
}
