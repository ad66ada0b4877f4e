/** Result of a reconcile of one key. */
export type Outcome =
  | { readonly kind: 'done' }
  /** Nothing failed. Reconcile again after this time. */
  | { readonly kind: 'retry-after'; readonly afterMs: number }
  /** Something failed. Reconcile again, after a longer wait each time. */
  | { readonly kind: 'back-off'; readonly cause: unknown };

/**
 * Brings one object closer to its spec. It gets only the key and reads the rest, so it may run at any time, any number
 * of times. The signal ends when the time for one reconcile is over or the process leaves.
 */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;
