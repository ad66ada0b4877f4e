import { priorities, type PlacedPublication } from '../../core/publication.ts';

export interface Sample {
  readonly kept: readonly PlacedPublication[];
  readonly leftOut: readonly PlacedPublication[];
}

const none: readonly PlacedPublication[] = [];

/**
 * Keeps at most `budget` publications, in order. All of a higher priority come before any of a lower one. In the
 * priority at which the budget ends, the choice is evenly spaced. So one sender's burst at the end does not crowd out
 * others. Tombstones are kept, whatever the budget.
 */
export function sample(candidates: readonly PlacedPublication[], budget: number): Sample {
  if (candidates.length <= budget) return { kept: candidates, leftOut: none };
  const keep = new Set<PlacedPublication>();
  for (const placed of candidates) if (placed.publication.recall !== undefined) keep.add(placed);
  let left = Math.max(0, budget);
  for (const priority of priorities) {
    const group = candidates.filter(({ publication }) => publication.priority === priority && publication.recall === undefined);
    const take = Math.min(left, group.length);
    for (let index = 0; index < take; index++) {
      const chosen = group[Math.floor(((index + 0.5) * group.length) / take)];
      if (chosen !== undefined) keep.add(chosen);
    }
    left -= take;
  }
  const kept: PlacedPublication[] = [];
  const leftOut: PlacedPublication[] = [];
  for (const placed of candidates) (keep.has(placed) ? kept : leftOut).push(placed);
  return { kept, leftOut };
}
