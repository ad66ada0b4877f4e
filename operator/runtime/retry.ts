import { backoffMs } from '../../core/backoff.ts';
import type { ApiError } from './api-error.ts';

/** The API server's verbs. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'apply' | 'delete';

/** Most attempts of one request. */
const attemptsMax = 5;
/** Longest `Retry-After` that a request waits for, in milliseconds. After a longer one the caller decides. */
const retryAfterMsMax = 30_000;
const backoff = { baseMs: 100, capMs: 10_000, floorMs: 100 };

/** Whether the request changes nothing. */
export function isRead(verb: Verb): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch';
}

/**
 * Wait before the next attempt of a failed request, in milliseconds; `undefined`: no further attempt. A read is
 * repeated whenever that may help. A write is repeated only after 429, which says that nothing was done. After any
 * other failure the write may have been done, and its caller must look. The reflector itself resumes watches.
 */
export function retryDelayMs(verb: Verb, attempt: number, error: ApiError, random: () => number): number | undefined {
  if (attempt >= attemptsMax || verb === 'watch') return undefined;
  const mayHelp = isRead(verb) ? error.isPassing : error.status === 429;
  const askedMs = error.retryAfterMs ?? 0;
  if (!mayHelp || askedMs > retryAfterMsMax) return undefined;
  return askedMs + backoffMs(attempt - 1, backoff, random);
}
