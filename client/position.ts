import type { Position } from '../core/publication.ts';

/** The offsets `(after, upto]` of one epoch that a batch or a gap notice accounts for. */
export interface Span {
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
}

/**
 * Relation of a span to a position. `next`: the span continues there. `covered`: all of it is known already. `overlap`:
 * the offsets above `deliverAfter` are new. `gap`: the offsets from `from` to `to` never came; the span itself is new.
 */
export type Follow =
  | { readonly kind: 'next' }
  | { readonly kind: 'covered' }
  | { readonly kind: 'overlap'; readonly deliverAfter: number }
  | { readonly kind: 'gap'; readonly from: Position; readonly to: Position };

/**
 * Compares a span with its receiver's position. Without a position nothing was promised, so any span is `next`. Offsets
 * of another epoch can't be compared: that is always a gap. A position from before an epoch's first publication has
 * only the beginning of the epoch's name. That epoch continues it. So may a span that another gateway sent before.
 */
export function follow(position: Position | undefined, span: Span): Follow {
  if (position === undefined) return { kind: 'next' };
  const start = { epoch: span.epoch, offset: span.after };
  if (!isSameOrder(position, start)) return { kind: 'gap', from: position, to: start };
  if (span.upto <= position.offset) return { kind: 'covered' };
  if (span.after > position.offset) return { kind: 'gap', from: position, to: start };
  return span.after < position.offset ? { kind: 'overlap', deliverAfter: position.offset } : { kind: 'next' };
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
