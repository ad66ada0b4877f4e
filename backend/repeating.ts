import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../core/backoff.ts';
import type { CallSignal } from './api.ts';
import { Ending } from './ending.ts';
import { BarrageBackendError } from './errors.ts';

/** The wait before a repetition that the publisher gave no time for. The floor keeps a draw from a hot loop. */
const backoff = { baseMs: 200, capMs: 5_000, floorMs: 50 };
/** A `Retry-After` is stretched by up to this part of itself, so that a crowd does not come back at once. */
const retryAfterSpread = 0.5;

/** What one request came to. `partly`: it may be repeated for the rest; `result` is what there is. */
export type Attempt<T> =
  | { readonly kind: 'done'; readonly result: T }
  | { readonly kind: 'partly'; readonly result: T; readonly error: BarrageBackendError }
  | { readonly kind: 'failed'; readonly error: BarrageBackendError };

/**
 * The wait before the next request, in milliseconds.
 * @param failures requests of the call that failed, without the last one
 * @param random in [0, 1)
 */
export function waitMs({ retryAfterMs }: Pick<BarrageBackendError, 'retryAfterMs'>, failures: number, random: () => number): number {
  const own = backoffMs(failures, backoff, random);
  return retryAfterMs === undefined ? own : Math.max(own, retryAfterMs * (1 + retryAfterSpread * random()));
}

/** Whether a call may be repeated after a failure. @param isRepeatable whether twice is the same as once */
export function mayRepeat({ retry, published }: BarrageBackendError, isRepeatable: boolean): boolean {
  return retry && (isRepeatable || published === 'no');
}

/** The bounds of one call with its repetitions. */
export interface Repeating {
  readonly isRepeatable: boolean;
  /** End of the call, on the clock of `performance.now`. */
  readonly endsAt: number;
  readonly signal: CallSignal | undefined;
}

/**
 * Makes requests until one succeeds, or none may follow before the call's end.
 * @throws BarrageBackendError of the last request, which says what is known of all of them
 * @throws the signal's reason
 */
export async function repeat<T>({ isRepeatable, endsAt, signal }: Repeating, attempt: () => Promise<Attempt<T>>): Promise<T> {
  let mayBeDone = false;
  for (let failures = 0; ; failures++) {
    const tried = await attempt();
    if (tried.kind === 'done') return tried.result;
    const { error } = tried;
    mayBeDone ||= error.published === 'unknown';
    const pauseMs = waitMs(error, failures, Math.random);
    if (!mayRepeat(error, isRepeatable) || performance.now() + pauseMs >= endsAt) {
      if (tried.kind === 'partly') return tried.result;
      throw afterAll(error, failures + 1, mayBeDone);
    }
    await pause(pauseMs, signal);
  }
}

function afterAll(error: BarrageBackendError, attempts: number, mayBeDone: boolean): BarrageBackendError {
  if (attempts === 1) return error;
  const { message, code, retry, status, retryAfterMs } = error;
  const published = mayBeDone ? 'unknown' : 'no';
  const fields = { code, retry, status, retryAfterMs, attempts, published, cause: error } as const;
  return new BarrageBackendError(`${message} (the last of ${attempts} requests)`, fields);
}

async function pause(ms: number, caller: CallSignal | undefined): Promise<void> {
  const ending = new Ending(caller);
  try {
    await sleep(ms, undefined, { signal: ending.signal });
  } catch {
    throw ending.signal.reason;
  } finally {
    ending.forget();
  }
}
