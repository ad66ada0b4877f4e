import { priorities, type PlacedPublication } from '../../core/publication.ts';

export interface Sample {
  readonly kept: readonly PlacedPublication[];
  readonly leftOut: readonly PlacedPublication[];
}

const none: readonly PlacedPublication[] = [];

/**
 * Keeps at most `budget` publications: all of a higher priority before any of a lower one, and of the priority at which
 * the budget ends an evenly spaced choice, so that a burst of one sender at the end does not crowd out the others. The
 * order stays.
 */
export function sample(candidates: readonly PlacedPublication[], budget: number): Sample {
  if (candidates.length <= budget) return { kept: candidates, leftOut: none };
  const keep = new Set<PlacedPublication>();
  let left = Math.max(0, budget);
  for (const priority of priorities) {
    const group = candidates.filter(({ publication }) => publication.priority === priority);
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
