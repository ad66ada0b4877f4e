import assert from 'node:assert/strict';
import type { Position } from '../publication.ts';
import type { AppendResult } from './bus.ts';

/**
 * The result of an append with keys.
 * @param added the result of what was appended; `undefined`: all were known
 * @param known places of publications whose keys were remembered, by index
 */
export function resultOf(added: AppendResult | undefined, known: ReadonlyMap<number, Position>): AppendResult {
  if (added !== undefined) return known.size === 0 ? added : { ...added, known };
  const [first] = known.values();
  assert(first !== undefined, 'an append has a publication');
  return { epoch: first.epoch, firstOffset: first.offset, lastOffset: first.offset, known };
}

/** The place of one publication of an append, by its index. */
export function placeOf({ epoch, firstOffset, known }: AppendResult, index: number): Position {
  const place = known?.get(index);
  if (place !== undefined) return place;
  let before = 0;
  for (const other of known?.keys() ?? []) if (other < index) before++;
  return { epoch, offset: firstOffset + index - before };
}
