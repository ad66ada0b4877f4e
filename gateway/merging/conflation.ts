import type { PlacedPublication } from '../encoding/batch.ts';

export interface Conflated {
  readonly kept: readonly PlacedPublication[];
  readonly leftOut: readonly PlacedPublication[];
}

/**
 * Within one merge window keeps, for each conflation key, only the newest publication, at the newest's offset. With mode `Sum` it carries the
 * sum of the counts. Backends and clients have keys of their own, and so has each priority: a client can't replace what a backend says, or speak with
 * its count, and nothing is replaced by what is left out before it. `sums: 'separate'` leaves `Sum` publications alone: for the plain protocol, in which a count can't be said.
 */
export function conflate(window: readonly PlacedPublication[], sums: 'together' | 'separate'): Conflated {
  if (!window.some(({ publication }) => publication.conflation !== undefined)) return { kept: window, leftOut: [] };
  const newest = new Map<string, { offset: number; count: number }>();
  for (const placed of window) {
    const key = keyOf(placed, sums);
    if (key === undefined) continue;
    const before = newest.get(key)?.count ?? 0;
    newest.set(key, { offset: placed.offset, count: before + (placed.publication.conflation?.count ?? 1) });
  }
  const kept: PlacedPublication[] = [];
  const leftOut: PlacedPublication[] = [];
  for (const placed of window) {
    const key = keyOf(placed, sums);
    const winner = key === undefined ? undefined : newest.get(key);
    if (winner === undefined) kept.push(placed);
    else if (winner.offset !== placed.offset) leftOut.push(placed);
    else kept.push(placed.publication.conflation?.mode === 'Sum' ? { ...placed, count: winner.count } : placed);
  }
  return { kept, leftOut };
}

function keyOf({ publication: { conflation, sender, priority } }: PlacedPublication, sums: 'together' | 'separate'): string | undefined {
  if (conflation === undefined || (conflation.mode === 'Sum' && sums === 'separate')) return undefined;
  return `${sender === undefined ? 'backend' : 'client'}:${priority}:${conflation.mode}:${conflation.key}`;
}
