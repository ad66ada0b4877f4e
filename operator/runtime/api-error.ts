interface ApiErrorOptions {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly fields?: readonly string[];
  readonly cause?: unknown;
}

/**
 * Why a request to the API server did not do what it asks for: the status code of the answer, or 0 where there was
 * none.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /**
   * The server's word: `NotFound`, `AlreadyExists`, `Conflict`, `Expired`, `Invalid`, `Forbidden`…; `Unreachable` where
   * it did not answer.
   */
  readonly reason: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Paths of the fields that the server finds fault with. */
  readonly fields: readonly string[];

  constructor(message: string, options: ApiErrorOptions) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? [];
  }

  /** The request's resourceVersion or continue token is too old: list anew. */
  get isExpired(): boolean {
    return this.status === 410;
  }

  /** The server did not do it now, and may later: too many requests, its own fault, or no answer. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
