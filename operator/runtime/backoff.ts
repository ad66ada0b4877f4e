/** Bounds of an exponential back-off, in milliseconds. */
export interface BackoffBounds {
  readonly baseMs: number;
  readonly capMs: number;
}

/** min(cap, base × 2^failures) milliseconds; `failures` counts from 0. */
export function exponentialMs(failures: number, { baseMs, capMs }: BackoffBounds): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures, 52));
}

/**
 * A random time in [base, max(base, min(cap, base × 2^failures))) milliseconds. The spread keeps the operators of a fleet from coming back together;
 * the floor keeps a lucky draw from turning into a hot loop.
 */
export function jitteredMs(failures: number, bounds: BackoffBounds, random: () => number): number {
  return bounds.baseMs + random() * (exponentialMs(failures, bounds) - bounds.baseMs);
}
