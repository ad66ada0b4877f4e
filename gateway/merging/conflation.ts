import type { PlacedPublication } from '../../core/publication.ts';

export interface Conflated {
  readonly kept: readonly PlacedPublication[];
  readonly leftOut: readonly PlacedPublication[];
}

const none: readonly PlacedPublication[] = [];

/**
 * Within one merge window keeps, for each conflation key, only the newest publication, at the newest's offset. With mode `Sum` it carries the
 * sum of the counts; what was summed before is summed on. Backends and clients have keys of their own, and so has each priority: a
 * client can't replace what a backend says, or speak with its count, and nothing is replaced by what is left out before it.
 * @param canSum `false` leaves `Sum` publications alone: for members to whom a count can't be said
 */
export function conflate(window: readonly PlacedPublication[], canSum: boolean): Conflated {
  if (!window.some((placed) => keyOf(placed, canSum) !== undefined)) return { kept: window, leftOut: none };
  const newest = new Map<string, { offset: number; count: number }>();
  for (const placed of window) {
    const key = keyOf(placed, canSum);
    if (key === undefined) continue;
    const before = newest.get(key)?.count ?? 0;
    newest.set(key, { offset: placed.offset, count: before + (placed.count ?? placed.publication.conflation?.count ?? 1) });
  }
  const kept: PlacedPublication[] = [];
  const leftOut: PlacedPublication[] = [];
  for (const placed of window) {
    const key = keyOf(placed, canSum);
    const winner = key === undefined ? undefined : newest.get(key);
    if (winner === undefined) kept.push(placed);
    else if (winner.offset !== placed.offset) leftOut.push(placed);
    else kept.push(placed.publication.conflation?.mode === 'Sum' ? { ...placed, count: winner.count } : placed);
  }
  return { kept, leftOut };
}

function keyOf({ publication: { conflation, sender, priority } }: PlacedPublication, canSum: boolean): string | undefined {
  if (conflation === undefined || (conflation.mode === 'Sum' && !canSum)) return undefined;
  return `${sender === undefined ? 'backend' : 'client'}:${priority}:${conflation.mode}:${conflation.key}`;
}
