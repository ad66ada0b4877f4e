import type { Clock } from '../clock.ts';

export type Outcome<T> = { readonly kind: 'value'; readonly value: T } | { readonly kind: 'late' };

/** Settles as the promise does within `deadlineMs`. A later outcome is ignored, a failure too. */
export async function withDeadline<T>(promise: Promise<T>, deadlineMs: number, clock: Pick<Clock, 'after'>): Promise<Outcome<T>> {
  let callOff: () => void = () => undefined;
  const late = new Promise<Outcome<T>>((resolve) => {
    callOff = clock.after(deadlineMs, () => resolve({ kind: 'late' }));
  });
  try {
    return await Promise.race([promise.then((value): Outcome<T> => ({ kind: 'value', value })), late]);
  } finally {
    callOff();
  }
}
