/** How a reconcile of one key ended. */
export type Outcome =
  | { readonly kind: 'done' }
  /** All is well so far; look again then. */
  | { readonly kind: 'retry-after'; readonly afterMs: number }
  /** The world failed: try again, later each time. */
  | { readonly kind: 'back-off'; readonly cause: unknown };

/**
 * Brings one object nearer to what it should be. It is given a name only and reads the rest, so that it may run at any
 * time, any number of times. The signal ends it: by then the time for one reconcile is over, or the process is leaving.
 */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;
