export type Outcome<T> = { readonly kind: 'value'; readonly value: T } | { readonly kind: 'late' };

/** What a promise becomes within `deadlineMs`. After that its outcome, a failure too, is nobody's business any more. */
export async function withDeadline<T>(promise: Promise<T>, deadlineMs: number): Promise<Outcome<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome<T>>((resolve) => {
    timer = setTimeout(() => resolve({ kind: 'late' }), deadlineMs);
  });
  try {
    return await Promise.race([promise.then((value): Outcome<T> => ({ kind: 'value', value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
