import { BarrageBackendError, type ApiErrorCode } from './errors.ts';

/** An answer by HTTP. */
export interface HttpAnswer {
  readonly status: number;
  /** The header `Retry-After`. */
  readonly retryAfter: string | null;
  readonly contentType: string | null;
  readonly text: string;
}

/** The `E` of an answer. */
export interface ApiFault {
  readonly c: ApiErrorCode;
  readonly m: string;
  readonly published?: 'no' | 'unknown';
}

const notNow = new Set<ApiErrorCode>([502, 503]);
/** Codes after which nothing tells that the request was not carried out. */
const unclear = new Set<ApiErrorCode>([500, 503]);
/** Statuses with which a proxy says that the request itself is not to blame. */
const proxyTrouble = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Statuses with which a proxy says that it passed nothing on. */
const notPassedOn = new Set([425, 429]);
/** Codes of Node and of its `fetch` for a connection that was never made. */
const neverConnected = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Reads an answer of the publish API.
 * @param now Unix milliseconds, for a `Retry-After` that is a date
 * @returns the `r` of a success, or the failure
 */
export function readAnswer(
  answer: HttpAnswer,
  now: number,
): { readonly result: Readonly<Record<string, unknown>> } | { readonly error: BarrageBackendError } {
  const { status } = answer;
  const retryAfterMs = retryAfterOf(answer.retryAfter, now);
  const body = bodyOf(answer.text);
  if (body?.E === null && body.r !== undefined) return { result: body.r };
  if (body?.E !== undefined && body.E !== null) return { error: apiError(body.E, { status, retryAfterMs }) };
  const kind = answer.contentType ?? 'no content type';
  const remedy = proxyTrouble.has(status) ? '' : ': check the url, and what stands before the publisher';
  const message = `an answer that is not the publish API's: status ${status}, ${kind}${remedy}`;
  const retry = proxyTrouble.has(status);
  const published = status >= 500 || (status >= 200 && status < 300) || (retry && !notPassedOn.has(status)) ? 'unknown' : 'no';
  return { error: new BarrageBackendError(message, { code: 'http', status, retry, published, retryAfterMs }) };
}

/** The error of the API's `E`. */
export function apiError(
  { c, m, published }: ApiFault,
  more: { readonly status?: number; readonly retryAfterMs?: number | undefined } = {},
): BarrageBackendError {
  const retry = notNow.has(c) || c === 500;
  return new BarrageBackendError(m, { code: c, retry, published: published ?? (unclear.has(c) ? 'unknown' : 'no'), ...more });
}

/** The error of a `fetch` that gave no answer. */
export function networkError(error: unknown): BarrageBackendError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = codeOf(cause);
  const published = code !== undefined && neverConnected.has(code) ? 'no' : 'unknown';
  const words = cause instanceof Error && cause.message !== '' ? cause.message : (code ?? 'it gave no reason');
  const what = published === 'no' ? 'the publisher cannot be reached' : 'the connection to the publisher broke before the answer';
  return new BarrageBackendError(`${what}: ${words}`, { code: 'network', retry: true, published, cause: error });
}

/** The code of a failed connection; of one that was tried at several addresses, the first one's. */
function codeOf(cause: unknown): string | undefined {
  if (cause instanceof AggregateError) return codeOf(cause.errors[0]);
  return cause instanceof Error ? (cause as { readonly code?: string }).code : undefined;
}

interface AnswerBody {
  readonly E?: ApiFault | null;
  readonly r?: Readonly<Record<string, unknown>>;
}

function bodyOf(text: string): AnswerBody | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds of a `Retry-After`: seconds, or a date. `undefined`: none that can be read. */
function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
