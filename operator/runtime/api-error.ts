import { withoutCredentials } from '../../core/credentials.ts';

interface ApiErrorOptions {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly fields?: readonly string[];
  readonly subject?: string;
  readonly cause?: unknown;
}

/** A request to the API server that failed. `status` is the answer's status code, or 0 without an answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /**
   * The server's reason: `NotFound`, `AlreadyExists`, `Conflict`, `Expired`, `Invalid`, `Forbidden`…; `Unreachable`
   * without an answer.
   */
  readonly reason: string;
  /** The wait that the server asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Paths of the fields that the server refuses. */
  readonly fields: readonly string[];
  /** The object, as `Secret redis`, where the caller's step has several; `undefined`: the caller knows it. */
  readonly subject: string | undefined;

  /** @param message the refusal; URLs in it lose their credentials, since logs and events quote it */
  constructor(message: string, options: ApiErrorOptions) {
    super(withoutCredentials(message), { cause: options.cause });
    this.status = options.status;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? [];
    this.subject = options.subject;
  }

  /** Whether the request's resourceVersion or continue token is too old: list anew. */
  get isExpired(): boolean {
    return this.status === 410;
  }

  /** Whether a later attempt may succeed: too many requests, a fault of the server, or no answer. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
