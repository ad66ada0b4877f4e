/** Bounds of a back-off, in milliseconds. */
export interface BackoffBounds {
  /** The ceiling of the first wait. */
  readonly baseMs: number;
  /** The ceiling of every wait. */
  readonly capMs: number;
  /**
   * The least wait. 0, the default, is full jitter: it spreads a crowd best. Above 0 a lucky draw never becomes a hot
   * loop. A ceiling below the floor lowers the floor to it.
   */
  readonly floorMs?: number;
}

/**
 * From here on 2^failures says nothing new: every base, however small, is at its cap. Keeps the power a finite number.
 */
const doublingsMax = 52;

/**
 * The ceiling of one wait: min(cap, base × 2^failures) milliseconds. For waits that need no jitter, and for what is
 * documented.
 * @param failures failed attempts in a row before this wait's, so 0 for the first wait
 */
export function backoffCeilingMs(failures: number, { baseMs, capMs }: BackoffBounds): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures, doublingsMax));
}

/**
 * The one back-off of this repository: a random time in [floor, ceiling) milliseconds, evenly spread, where the ceiling
 * doubles with each failure up to the cap (exponential back-off with jitter; with floor 0 "full jitter" as in the AWS
 * Architecture Blog, 2015). Never longer than the cap.
 * @param failures failed attempts in a row before this wait's, so 0 for the first wait
 * @param random a number of [0, 1), as `Math.random` gives it
 */
export function backoffMs(failures: number, bounds: BackoffBounds, random: () => number): number {
  const ceilingMs = backoffCeilingMs(failures, bounds);
  const floorMs = Math.min(bounds.floorMs ?? 0, ceilingMs);
  return floorMs + random() * (ceilingMs - floorMs);
}
