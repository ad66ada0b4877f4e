import type { Clock } from '../../core/clock.ts';

/** Waits `ms` milliseconds, or until the signal. Never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      callOff();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const callOff = clock.after(ms, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** Abort reason of a signal whose time was over. */
export class TimeOver extends Error {
  override readonly name = 'TimeOver';
}

/** Time limit of a task, and an outer signal that also ends it. */
export interface Deadline {
  readonly clock: Clock;
  readonly ms: number;
  readonly outer?: AbortSignal | undefined;
}

/**
 * Runs a task with a signal that ends after `ms` milliseconds or with the outer signal. Nothing stays attached to the
 * outer signal, which may live as long as the process.
 */
export async function within<T>({ clock, ms, outer }: Deadline, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const callOff = clock.after(ms, () => controller.abort(new TimeOver(`not done within ${ms} ms`)));
  const follow = (): void => controller.abort(outer?.reason);
  if (outer?.aborted === true) follow();
  outer?.addEventListener('abort', follow, { once: true });
  try {
    return await run(controller.signal);
  } finally {
    callOff();
    outer?.removeEventListener('abort', follow);
  }
}
