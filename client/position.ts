import type { Position } from '../core/publication.ts';

/** The offsets `(after, upto]` of one epoch that a batch or a gap notice accounts for. */
export interface Span {
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
}

/**
 * Compares a span with its receiver's position. Without a position nothing was promised, so any span goes on from it.
 * Offsets of another epoch can't be compared: that is always a gap. A position from before an epoch's first publication
 * has only the beginning of the epoch's name. That epoch continues it. So may a span that another gateway sent before.
 * @returns the offset above which the span is new. `covered`: all of it is known already. `gap`: the offsets between
 * the position and the span never came; the span itself is new.
 */
export function follow(position: Position | undefined, { epoch, after, upto }: Span): number | 'covered' | 'gap' {
  if (position === undefined) return after;
  if (!isSameOrder(position, { epoch, offset: after })) return 'gap';
  if (upto <= position.offset) return 'covered';
  return after > position.offset ? 'gap' : position.offset;
}

/** Whether an epoch is the order of a position. */
export function isOrderOf(position: Position, epoch: string): boolean {
  return epoch.startsWith(position.epoch);
}

/** Whether two positions are of one order, of which one may have only the beginning of its epoch's name. */
export function isSameOrder(one: Position, other: Position): boolean {
  return isOrderOf(one, other.epoch) || (other.epoch !== '' && isOrderOf(other, one.epoch));
}

/** The name of an order that two positions are of, as far as it is known. */
export function orderOf(one: Position, other: Position): string {
  return one.epoch.length > other.epoch.length ? one.epoch : other.epoch;
}
