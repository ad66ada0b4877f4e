import { readChunks } from '../../core/process/bounded-read.ts';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/**
 * The publisher's answer. `later`: temporarily unavailable, worth repeating after `afterMs`. `refused`: a repetition is
 * of no use.
 */
export type PublishOutcome =
  | { readonly kind: 'published'; readonly viewers: number; readonly offset: number | undefined }
  | { readonly kind: 'later'; readonly afterMs: number; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

const requestTimeoutMs = 10_000;
const answerBytesMax = 65_536;
const laterMs = { fallback: 1000, maximum: 10_000 };

/** Publishes payloads to one channel through `POST /v1/mesh/publish`, on one kept connection. */
export class PublishTarget {
  readonly #url: URL;
  readonly #channel: string;
  readonly #agent: HttpAgent;
  readonly #key: string | undefined;

  constructor(options: { readonly url: URL; readonly channel: string; readonly key: string | undefined }) {
    this.#url = new URL('v1/mesh/publish', options.url.href.endsWith('/') ? options.url : `${options.url.href}/`);
    this.#channel = options.channel;
    this.#key = options.key;
    const agent = { keepAlive: true, maxSockets: 1 };
    this.#agent = options.url.protocol === 'https:' ? new HttpsAgent(agent) : new HttpAgent(agent);
  }

  async publish(payload: string, signal: AbortSignal): Promise<PublishOutcome> {
    const body = Buffer.from(JSON.stringify({ c: this.#channel, d: payload }));
    try {
      return await this.#post(body, AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]));
    } catch (error) {
      const { name, code, message } = error as NodeJS.ErrnoException;
      const late = name === 'TimeoutError' || (name === 'AbortError' && !signal.aborted);
      return { kind: 'unreachable', reason: late ? `no answer in ${requestTimeoutMs / 1000} s` : (code ?? message) };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #post(body: Buffer, signal: AbortSignal): Promise<PublishOutcome> {
    const response = await this.#send(body, signal);
    const answer = await textOf(response);
    const status = response.statusCode ?? 0;
    const { error, viewers, offset } = readAnswer(answer);
    if (status === 200 && error === undefined && viewers !== undefined) return { kind: 'published', viewers, offset };
    const reason = `HTTP ${status}${error === undefined ? '' : `: ${error}`}`;
    if (status === 503 || status === 429) return { kind: 'later', afterMs: retryAfterMs(response.headers['retry-after']), reason };
    return { kind: 'refused', reason: status === 200 ? `${reason} (not the answer of a Barrage publisher)` : reason };
  }

  #send(body: Buffer, signal: AbortSignal): Promise<IncomingMessage> {
    const headers: Record<string, string | number> = { 'content-type': 'application/json', 'content-length': body.length };
    if (this.#key !== undefined) headers['authorization'] = `Bearer ${this.#key}`;
    const options: RequestOptions = { method: 'POST', agent: this.#agent, headers, signal };
    const send = this.#url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      send(this.#url, options, resolve).once('error', reject).end(body);
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const read = await readChunks(response as AsyncIterable<Buffer>, answerBytesMax);
  if (read.kind === 'too-large') throw new Error('an answer far longer than a publisher gives');
  return read.bytes.toString();
}

interface Answer {
  readonly error: string | undefined;
  readonly viewers: number | undefined;
  readonly offset: number | undefined;
}

function readAnswer(text: string): Answer {
  let answer: { E?: { m?: unknown } | null; r?: { s?: unknown; offset?: unknown } } | null;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    answer = null;
  }
  const error = answer?.E?.m;
  const [viewers, offset] = [answer?.r?.s, answer?.r?.offset].map((value) => (typeof value === 'number' ? value : undefined));
  return { error: typeof error === 'string' ? error : undefined, viewers, offset };
}

/** `Retry-After` in milliseconds, bounded. It is read as seconds, the publishers' form; a date counts as absent. */
export function retryAfterMs(header: string | undefined): number {
  const seconds = header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
  return seconds === undefined ? laterMs.fallback : Math.min(seconds * 1000, laterMs.maximum);
}
