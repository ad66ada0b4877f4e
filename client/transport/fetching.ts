import type { ClientClock } from '../client-clock.ts';

/** Longest wait for an answer, in milliseconds. */
const answerMsMax = 10_000;
/** Most requests of one client that are under way at once; others wait. */
const underWayMax = 6;

/** A whole answer. */
export interface Fetched {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON of the body; `undefined` where it has none. */
  readonly document: unknown;
}

/** The URL of a path on the origin of a gateway, whose own is a WebSocket URL. */
export function pathOf(gatewayUrl: string, path: string): string {
  const url = new URL(path, gatewayUrl);
  url.protocol = url.protocol === 'wss:' || url.protocol === 'https:' ? 'https:' : 'http:';
  return url.href;
}

/** Requests of one connection by HTTP: bounded in number and time, and all ended with it. */
export class Fetching {
  readonly #clock: ClientClock;
  readonly #end = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#end.signal.aborted;
  }

  /** @throws an error without an answer, also after `close` */
  async fetch(url: string, init: RequestInit = {}): Promise<Fetched> {
    // Whoever waits is given the place of one that ends.
    if (this.#underWay >= underWayMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#underWay++;
    const abort = new AbortController();
    const cancelTimer = this.#clock.after(answerMsMax, () => abort.abort(new Error(`no answer in ${answerMsMax} ms`)));
    const end = (): void => abort.abort();
    this.#end.signal.addEventListener('abort', end);
    try {
      if (this.isClosed) throw new Error('closed');
      const response = await fetch(url, { ...init, credentials: 'omit', signal: abort.signal });
      const text = await response.text();
      return { status: response.status, headers: response.headers, document: jsonOf(text) };
    } finally {
      cancelTimer();
      this.#end.signal.removeEventListener('abort', end);
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay--;
      else next();
    }
  }

  /** Ends all requests. */
  close(): void {
    this.#end.abort();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
