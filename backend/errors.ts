/** Codes of the publish API (docs/publish-api.md, "Errors"). */
export type ApiErrorCode = 101 | 301 | 401 | 500 | 501 | 502 | 503 | 504 | 505 | 506 | 507 | 508 | 509;

/**
 * The code of a failure: one of the publish API's, or one of this client's own. `network`: no connection, or it broke
 * before the answer. `timeout`: no answer in time. `http`: an answer that is not the publish API's, such as a proxy's.
 * `too_many_calls`: this client has as many calls as it may; nothing was sent.
 */
export type BarrageBackendErrorCode = ApiErrorCode | 'network' | 'timeout' | 'http' | 'too_many_calls';

export interface BarrageBackendErrorFields {
  readonly code: BarrageBackendErrorCode;
  readonly retry: boolean;
  readonly published: 'no' | 'unknown';
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly attempts?: number;
  readonly cause?: unknown;
}

/** Every failure of a call but one: a call that its signal ends is rejected with the signal's reason. */
export class BarrageBackendError extends Error {
  override readonly name = 'BarrageBackendError';
  readonly code: BarrageBackendErrorCode;
  /** Whether the same call may succeed later. */
  readonly retry: boolean;
  /**
   * `no`: nothing was published, sent or carried out. `unknown`: it may have been. Then repeat it with the same
   * idempotency key only.
   */
  readonly published: 'no' | 'unknown';
  /** HTTP status of the last answer. */
  readonly status: number | undefined;
  /** Wait that the last answer asked for (`Retry-After`), in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Requests that were made for the call. */
  readonly attempts: number;

  constructor(message: string, fields: BarrageBackendErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = fields.code;
    this.retry = fields.retry;
    this.published = fields.published;
    this.status = fields.status;
    this.retryAfterMs = fields.retryAfterMs;
    this.attempts = fields.attempts ?? 1;
  }
}
