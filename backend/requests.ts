import type { BarrageBackendOptions, CallOptions } from './api.ts';
import { Ending } from './ending.ts';
import { BarrageBackendError } from './errors.ts';
import { networkError, readAnswer } from './failures.ts';
import { repeat, type Attempt } from './repeating.ts';
import { Turns } from './turns.ts';

/** Most calls at one time, with those that wait for a turn or for a repetition. */
export const callsMax = 10_000;
/** Most bytes of the bodies of all calls at one time. */
export const bodyBytesMax = 128 * 1_048_576;
const msMax = 600_000;
const requestsMaxMax = 1_000;

type Result = Readonly<Record<string, unknown>>;

/** A request of the publish API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** Without a `/` in front; parts of it are percent-encoded already. */
  readonly path: string;
  readonly body?: object;
  /** Header `Idempotency-Key`. */
  readonly key?: string | undefined;
  /** Whether twice is the same as once. */
  readonly isRepeatable: boolean;
  /** Milliseconds that the answer may take besides. */
  readonly waitMs?: number;
  /** The failure of a part of a success, after which a repetition would do the rest. */
  readonly unfinished?: (result: Result) => BarrageBackendError | undefined;
}

/** The requests of one client: bounded in number and in bytes, repeated as long as that may help. */
export class Requests {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #requestTimeoutMs: number;
  readonly #turns: Turns;
  #calls = 0;
  #bodyBytes = 0;

  /** @throws TypeError or RangeError for an option that can't be used */
  constructor(options: BarrageBackendOptions) {
    this.#base = baseOf(options.url);
    this.#headers = headersOf(options.apiKey);
    this.#timeoutMs = within('timeoutMs', options.timeoutMs ?? 30_000, msMax);
    this.#requestTimeoutMs = within('requestTimeoutMs', options.requestTimeoutMs ?? 15_000, msMax);
    this.#turns = new Turns(within('requestsMax', options.requestsMax ?? 64, requestsMaxMax));
  }

  /**
   * Makes a request, and repeats it.
   * @returns the `r` of the answer
   * @throws BarrageBackendError, or the reason of the caller's signal
   */
  async run(request: ApiRequest, { signal, timeoutMs, traceparent }: CallOptions): Promise<Result> {
    const endsAt = performance.now() + (timeoutMs === undefined ? this.#timeoutMs : within('timeoutMs', timeoutMs, msMax));
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const bytes = body === undefined ? 0 : Buffer.byteLength(body);
    if (this.#calls >= callsMax || this.#bodyBytes + bytes > bodyBytesMax) throw tooManyCalls();
    // A header that can't be sent is a TypeError of the caller's, and no failure of the network.
    const headers = new Headers(this.#headersFor(request, traceparent));
    const init = { method: request.method, headers, ...(body === undefined ? {} : { body }) };
    this.#calls++;
    this.#bodyBytes += bytes;
    try {
      return await repeat({ isRepeatable: request.isRepeatable, endsAt, signal }, async () => {
        const ending = new Ending(signal);
        try {
          return await this.#attempt(request, init, { ending, endsAt });
        } catch (error) {
          if (signal?.aborted === true) throw signal.reason;
          return { kind: 'failed', error: error instanceof BarrageBackendError ? error : networkError(error) };
        } finally {
          ending.forget();
        }
      });
    } finally {
      this.#calls--;
      this.#bodyBytes -= bytes;
    }
  }

  async #attempt(
    { path, waitMs = 0, unfinished }: ApiRequest,
    init: { readonly method: string; readonly headers: Headers; readonly body?: string },
    { ending, endsAt }: { readonly ending: Ending; readonly endsAt: number },
  ): Promise<Attempt<Result>> {
    ending.after(endsAt - performance.now(), noTurn);
    return await this.#turns.run(async () => {
      const leftMs = Math.min(endsAt - performance.now(), this.#requestTimeoutMs + waitMs);
      ending.after(leftMs, () => noAnswer(leftMs));
      // A redirect is not followed: it would take the key to an address that nobody chose.
      const response = await fetch(`${this.#base}/${path}`, { ...init, redirect: 'manual', signal: ending.signal });
      const { status, headers } = response;
      const answer = { status, retryAfter: headers.get('retry-after'), contentType: headers.get('content-type') };
      const read = readAnswer({ ...answer, text: await response.text() }, Date.now());
      if ('error' in read) return { kind: 'failed', error: read.error };
      const error = unfinished?.(read.result);
      return error === undefined ? { kind: 'done', result: read.result } : { kind: 'partly', result: read.result, error };
    }, ending.signal);
  }

  #headersFor({ body, key }: ApiRequest, traceparent: string | undefined): Record<string, string> {
    return {
      ...this.#headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': `"${key.replaceAll(/["\\]/g, '\\$&')}"` }),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }
}

function baseOf(url: BarrageBackendOptions['url']): string {
  const text = typeof url === 'object' ? url.href : url;
  if (!URL.canParse(text)) throw new TypeError('url: must be the address of a publisher, such as http://localhost:6789');
  const { protocol, username, password, origin, pathname, search, hash } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(`url: must begin with http:// or https://, not ${protocol}`);
  if (username !== '' || password !== '') throw new TypeError('url: must hold no user and no password: give the key as apiKey');
  if (search !== '' || hash !== '') throw new TypeError('url: must have no query and no fragment');
  return origin + pathname.replace(/\/+$/, '');
}

function headersOf(apiKey: string | undefined): Readonly<Record<string, string>> {
  if (apiKey === undefined) return {};
  if (!/^[\x21-\x7e]{16,256}$/.test(apiKey)) throw new TypeError('apiKey: must be 16 to 256 printable ASCII characters, without spaces');
  return { authorization: `Bearer ${apiKey}` };
}

function within(name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 1 || value > max) throw new RangeError(`${name}: must be a whole number from 1 to ${max}`);
  return value;
}

function tooManyCalls(): BarrageBackendError {
  const message = `too many calls at one time: ${callsMax} calls and ${bodyBytesMax} bytes may wait. Wait for some of them`;
  return new BarrageBackendError(message, { code: 'too_many_calls', retry: true, published: 'no' });
}

function noTurn(): BarrageBackendError {
  const message = 'too many requests were under way for the whole time of this call: wait for some of them, or raise requestsMax';
  return new BarrageBackendError(message, { code: 'timeout', retry: true, published: 'no' });
}

function noAnswer(ms: number): BarrageBackendError {
  return new BarrageBackendError(`no answer within ${Math.round(ms)} ms`, { code: 'timeout', retry: true, published: 'unknown' });
}
