import { backoffMs } from '../../core/backoff.ts';
import type { ApiError } from './api-error.ts';

/** What a request does, in the API server's words. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'apply' | 'delete';

/** Most times that one request is sent. */
const attemptsMax = 5;
/** A server that asks for a longer wait than this is not waited for here: the caller has better things to do. */
const retryAfterMsMax = 30_000;
const backoff = { baseMs: 100, capMs: 10_000, floorMs: 100 };

/** Whether sending it again changes nothing that sending it once would not have. */
export function isRead(verb: Verb): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch';
}

/**
 * How long to wait before a failed request is sent again, in milliseconds; `undefined`: the failure is the caller's. A
 * read is sent again whenever that may help. A write is only where the server said that it did nothing (429): after any
 * other failure it may have been done, and who asked for it must look. A watch is the reflector's to resume.
 */
export function retryDelayMs(verb: Verb, attempt: number, error: ApiError, random: () => number): number | undefined {
  if (attempt >= attemptsMax || verb === 'watch') return undefined;
  const mayHelp = isRead(verb) ? error.isPassing : error.status === 429;
  const askedMs = error.retryAfterMs ?? 0;
  if (!mayHelp || askedMs > retryAfterMsMax) return undefined;
  return askedMs + backoffMs(attempt - 1, backoff, random);
}
