/** Bounds of a back-off, in milliseconds. */
export interface BackoffBounds {
  /** Ceiling of the first wait. */
  readonly baseMs: number;
  /** Ceiling of every wait. */
  readonly capMs: number;
  /**
   * The least wait; default 0. With 0 (full jitter) a crowd spreads best. Above 0 a draw near zero can't become a
   * hot loop. A ceiling below the floor lowers the floor.
   */
  readonly floorMs?: number;
}

/** Largest exponent: at it every base, however small, is at its cap. It keeps the power finite. */
const doublingsMax = 52;

/**
 * The ceiling of one wait: min(cap, base × 2^failures) milliseconds. For waits without jitter, and for documentation.
 * @param failures failed attempts in a row before this wait, so 0 for the first wait
 */
export function backoffCeilingMs(failures: number, { baseMs, capMs }: BackoffBounds): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures, doublingsMax));
}

/**
 * The only back-off of this repository: a random time in [floor, ceiling) milliseconds, evenly spread. The ceiling
 * doubles with each failure up to the cap. This is exponential back-off with jitter; with floor 0 it is the "full
 * jitter" of the AWS Architecture Blog (2015).
 * @param failures failed attempts in a row before this wait, so 0 for the first wait
 * @param random a number in [0, 1), like `Math.random`
 */
export function backoffMs(failures: number, bounds: BackoffBounds, random: () => number): number {
  const ceilingMs = backoffCeilingMs(failures, bounds);
  const floorMs = Math.min(bounds.floorMs ?? 0, ceilingMs);
  return floorMs + random() * (ceilingMs - floorMs);
}
