import type { ResponseContext } from '@kubernetes/client-node';
import { ApiError } from '../runtime/api-error.ts';
import type { Clock } from '../../core/clock.ts';
import { noTracer, type Tracer } from '../../core/trace.ts';
import { pause, TimeOver, within } from '../runtime/deadline.ts';
import { RateLimit, type RateLimitOptions } from '../runtime/rate-limit.ts';
import { Reachability } from '../runtime/reachability.ts';
import { isRead, retryDelayMs, type Verb } from '../runtime/retry.ts';
import type { ClientMetrics } from './client-metrics.ts';
import type { KubeConnection } from './connection.ts';

const methods = { get: 'GET', list: 'GET', watch: 'GET', create: 'POST', update: 'PUT', apply: 'PATCH', delete: 'DELETE' } as const;
const defaultRate: RateLimitOptions = { ratePerSecond: 20, burst: 30 };
const defaultTimeoutMs = 30_000;
/** Longest line of a watch, in characters. The API server has no object this large. */
const lineBytesMax = 16 << 20;

export interface KubeClientOptions {
  readonly connection: KubeConnection;
  readonly clock: Clock;
  readonly metrics: ClientMetrics;
  readonly random: () => number;
  /** Absent: 20 requests a second, in bursts of 30. */
  readonly rate?: RateLimitOptions;
  /** Time limit of one request. Absent: 30 s. */
  readonly timeoutMs?: number;
  /**
   * Whether this process may write now; absent: always. It is asked right before each write, so a leader that was
   * paused for long writes nothing.
   */
  readonly mayWrite?: () => boolean;
  /** Shared by all clients of a process. Absent: the client has its own. */
  readonly reachability?: Reachability;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
}

export interface KubeRequest {
  readonly verb: Verb;
  /** Path and query. */
  readonly path: string;
  /** Value that is sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** Wanted form of the answer. Absent: `application/json`. */
  readonly accept?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends requests to the API server at a bounded rate, and repeats them where that is harmless. Answers are plain JSON:
 * times stay strings.
 */
export class KubeClient {
  readonly #options: KubeClientOptions;
  readonly #rate: RateLimit;
  readonly reachability: Reachability;

  constructor(options: KubeClientOptions) {
    this.#options = options;
    this.#rate = new RateLimit(options.rate ?? defaultRate, options.clock.monotonic());
    this.reachability = options.reachability ?? new Reachability(options.clock);
  }

  /**
   * @returns the answer's body
   * @throws ApiError
   */
  async request(request: KubeRequest): Promise<unknown> {
    const { tracer = noTracer } = this.#options;
    if (!tracer.isOn || request.verb === 'watch') return await this.#request(request);
    const attributes = { 'http.request.method': methods[request.verb], 'url.path': withoutQuery(request.path) };
    return await tracer.within(`kube ${request.verb}`, { attributes }, async (span) => {
      try {
        const answer = await this.#request(request);
        span?.set({ 'barrage.result': 'done' });
        return answer;
      } catch (error) {
        if (error instanceof ApiError) span?.set({ 'http.response.status_code': error.status, 'barrage.result': error.reason });
        throw error;
      }
    });
  }

  async #request(request: KubeRequest): Promise<unknown> {
    const { clock, random, timeoutMs = defaultTimeoutMs } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#awaitTurn(request);
        return await within({ clock, ms: timeoutMs, outer: request.signal }, async (signal) => {
          const response = await this.#send(request, signal);
          return JSON.parse(await readText(response, request)) as unknown;
        });
      } catch (error) {
        const failure = asApiError(error, request);
        const delayMs = request.signal?.aborted === true ? undefined : retryDelayMs(request.verb, attempt, failure, random);
        if (delayMs === undefined) throw failure;
        await pause(clock, delayMs, request.signal);
      }
    }
  }

  /**
   * Yields the lines of a watch, parsed, until the server ends it. `alive` is called for every chunk that arrives.
   * @throws ApiError
   */
  async *watch(path: string, signal: AbortSignal, alive: () => void, accept?: string): AsyncGenerator<unknown, void> {
    const request: KubeRequest = { verb: 'watch', path, accept, signal };
    try {
      await this.#awaitTurn(request);
      const response = await this.#send(request, signal);
      alive();
      for await (const line of lines(response.body.stream(), alive)) yield JSON.parse(line) as unknown;
    } catch (error) {
      throw asApiError(error, request);
    }
  }

  async #awaitTurn({ verb, signal }: KubeRequest): Promise<void> {
    const { clock, metrics, mayWrite } = this.#options;
    const waitMs = this.#rate.reserve(clock.monotonic());
    metrics.waited(verb, waitMs);
    if (waitMs > 0) await pause(clock, waitMs, signal);
    signal?.throwIfAborted();
    if (!isRead(verb) && mayWrite?.() === false)
      throw new ApiError('this process does not lead: it may not write', { status: 0, reason: 'NotLeading' });
  }

  /** Sends the request once and judges the status. */
  async #send(request: KubeRequest, signal: AbortSignal): Promise<ResponseContext> {
    const { connection, clock, metrics } = this.#options;
    const { verb, path, body, accept, contentType = 'application/json' } = request;
    const method = methods[verb];
    const sentAt = clock.monotonic();
    let response: ResponseContext;
    try {
      response = await connection.send({
        method,
        path,
        signal,
        ...(accept === undefined ? {} : { accept }),
        ...(body === undefined ? {} : { body: JSON.stringify(body), contentType }),
      });
    } catch (error) {
      metrics.answered(verb, method, '<error>', clock.monotonic() - sentAt);
      // A request that its caller ended says nothing about the server.
      if (request.signal?.aborted !== true) this.reachability.missed();
      throw error;
    }
    // A server whose own store is away answers as well, but is of no use.
    if (response.httpStatusCode >= 500) this.reachability.missed();
    else this.reachability.answered();
    metrics.answered(verb, method, response.httpStatusCode, clock.monotonic() - sentAt);
    if (response.httpStatusCode >= 200 && response.httpStatusCode < 300) return response;
    throw refusal(response, await readText(response, request), request);
  }
}

async function readText(response: ResponseContext, request: KubeRequest): Promise<string> {
  try {
    return await response.body.text();
  } catch (error) {
    throw asApiError(error, request);
  }
}

/** The lines of a body as they arrive. */
async function* lines(body: ReadableStream<Uint8Array> | null, alive: () => void): AsyncGenerator<string, void> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    alive();
    const text = decoder.decode(chunk, { stream: true });
    const parts = (text.includes('\n') ? rest + text : '').split('\n');
    if (parts.length === 1) rest += text;
    else {
      rest = parts.pop() ?? '';
      for (const part of parts) if (part.trim() !== '') yield part;
    }
    if (rest.length > lineBytesMax) throw new Error('the API server sent a line without an end');
  }
}

interface Status {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly retryAfterSeconds?: number; readonly causes?: readonly { readonly field?: string }[] };
}

function refusal(response: ResponseContext, text: string, { verb, path }: KubeRequest): ApiError {
  const { httpStatusCode, headers } = response;
  const said = parseStatus(text);
  // The server answers 500 to an apply with an unknown field or a wrong type. The fault is the object's.
  const isMalformed = httpStatusCode === 500 && /failed to create typed patch object/.test(said.message ?? '');
  const status = isMalformed ? 422 : httpStatusCode;
  const reason = isMalformed
    ? 'Invalid'
    : (said.reason ?? (status === 410 ? 'Expired' : status === 429 ? 'TooManyRequests' : `Status${status}`));
  const seconds = Number(headers['retry-after'] ?? said.details?.retryAfterSeconds ?? NaN);
  // A message about an invalid Secret may quote its contents. A refusal for want of rights or quota does not.
  const message = isSecret(path) && status !== 403 ? reason : (said.message ?? reason);
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
  const fields = (said.details?.causes ?? []).flatMap(({ field }) => field ?? []);
  return new ApiError(`${verb} ${withoutQuery(path)}: ${message}`, { status, reason, retryAfterMs, fields });
}

function parseStatus(text: string): Status {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Status) : {};
  } catch {
    return {};
  }
}

function asApiError(error: unknown, { verb, path }: KubeRequest): ApiError {
  if (error instanceof ApiError) return error;
  const root = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = root instanceof TimeOver ? 'no answer in time' : root instanceof Error ? root.message : String(root);
  return new ApiError(`${verb} ${withoutQuery(path)}: ${why}`, { status: 0, reason: 'Unreachable', cause: error });
}

function isSecret(path: string): boolean {
  return /\/secrets(?:\/|\?|$)/.test(path);
}

function withoutQuery(path: string): string {
  return path.split('?', 1)[0] ?? path;
}
