import { limits } from '../../core/limits.ts';
import type { PlacedPublication } from '../../core/publication.ts';

export interface Conflated {
  readonly kept: readonly PlacedPublication[];
  readonly leftOut: readonly PlacedPublication[];
}

const none: readonly PlacedPublication[] = [];

/** The result for all publications with one key. */
interface Winner {
  offset: number;
  count: number;
  parts: number[];
}

/**
 * Keeps only the newest publication of each conflation key within one merge window, at the newest's offset. With mode
 * `Sum` it carries the sum of the counts, and the parts of that sum. Sums from an earlier conflation are added up
 * further.
 *
 * Backends and clients have separate keys: a client can neither replace a backend's publication nor carry its count.
 * Priorities have separate keys too: no publication is replaced by one that may be left out before it.
 * @param canSum `false` keeps `Sum` publications as they are, for members that can't be told a count
 */
export function conflate(window: readonly PlacedPublication[], canSum: boolean): Conflated {
  if (!window.some((placed) => keyOf(placed, canSum) !== undefined)) return { kept: window, leftOut: none };
  const winners = new Map<string, Winner>();
  for (const placed of window) {
    const key = keyOf(placed, canSum);
    if (key === undefined) continue;
    let winner = winners.get(key);
    if (winner === undefined) winners.set(key, (winner = { offset: 0, count: 0, parts: [] }));
    add(winner, placed);
  }
  const kept: PlacedPublication[] = [];
  const leftOut: PlacedPublication[] = [];
  for (const placed of window) {
    const key = keyOf(placed, canSum);
    const winner = key === undefined ? undefined : winners.get(key);
    if (winner === undefined) kept.push(placed);
    else if (winner.offset !== placed.offset) leftOut.push(placed);
    else kept.push(placed.publication.conflation?.mode === 'Sum' ? summed(placed, winner) : placed);
  }
  return { kept, leftOut };
}

function add(winner: Winner, { offset, count, parts, publication: { conflation } }: PlacedPublication): void {
  winner.offset = offset;
  if (conflation?.mode !== 'Sum') return;
  const added = count ?? conflation.count;
  winner.count += added;
  if (parts === undefined) winner.parts.push(offset, added);
  else for (const part of parts) winner.parts.push(part);
  if (winner.parts.length > 2 * limits.sumPartsMax) winner.parts = coarser(winner.parts);
}

/** Merges each two neighbours, at the later one's offset. */
function coarser(parts: readonly number[]): number[] {
  const half: number[] = [];
  for (let index = 0; index < parts.length; index += 4) {
    half.push(parts[index + 2] ?? parts[index] ?? 0, (parts[index + 1] ?? 0) + (parts[index + 3] ?? 0));
  }
  return half;
}

function summed({ offset, publication }: PlacedPublication, { count, parts }: Winner): PlacedPublication {
  // A single publication needs no parts: its offset identifies it.
  return parts.length === 2 ? { offset, publication, count } : { offset, publication, count, parts };
}

function keyOf({ publication: { conflation, sender, priority } }: PlacedPublication, canSum: boolean): string | undefined {
  if (conflation === undefined || (conflation.mode === 'Sum' && !canSum)) return undefined;
  return `${sender === undefined ? 'backend' : 'client'}:${priority}:${conflation.mode}:${conflation.key}`;
}
