import assert from 'node:assert/strict';

/** Median, least and greatest of one figure over the rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The spread of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const lower = sorted[(sorted.length - 1) >> 1];
  const upper = sorted[sorted.length >> 1];
  const [min] = sorted;
  const max = sorted.at(-1);
  assert(lower !== undefined && upper !== undefined && min !== undefined && max !== undefined);
  return { median: (lower + upper) / 2, min, max };
}

/**
 * The spread of the ratios of two rows, round by round: what slows the whole machine for a round slows both, and
 * cancels. `undefined` where no round has both.
 */
export function ratioOf(values: readonly (number | undefined)[], floors: readonly (number | undefined)[]): Spread | undefined {
  const ratios: number[] = [];
  for (const [round, value] of values.entries()) {
    const floor = floors[round];
    if (value !== undefined && floor !== undefined) ratios.push(value / floor);
  }
  return ratios.length === 0 ? undefined : spreadOf(ratios);
}
