import assert from 'node:assert/strict';

/** How evenly connections were given up. */
export interface Pace {
  /** From the first to the last. */
  readonly perSecond: number;
  /** In the whole seconds between: the fewest and the most. */
  readonly fewest: number;
  readonly most: number;
}

/** @param microseconds when each went, the first at 0, in order, over more than a second */
export function paceOf(microseconds: readonly number[]): Pace {
  const last = microseconds.at(-1);
  assert(last !== undefined && last >= 1e6, 'too short to tell');
  const counts = Array.from({ length: Math.floor(last / 1e6) }, () => 0);
  for (const at of microseconds) {
    const second = Math.floor(at / 1e6);
    const count = counts[second];
    if (count !== undefined) counts[second] = count + 1;
  }
  return { perSecond: ((microseconds.length - 1) * 1e6) / last, fewest: Math.min(...counts), most: Math.max(...counts) };
}
