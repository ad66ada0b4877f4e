import type { EarlierEpoch, HistoryBounds, HistoryPage, KeptPublication } from '../../core/history.ts';
import { withoutExpired } from '../../core/history.ts';

/**
 * Offsets of one segment. A change of it is a change of the wire form: caches hold segments by their numbers. Payloads
 * at the default bound of a policy fit in one answer of the bus.
 */
export const segmentOffsets = 50;
/** Highest number of a segment whose offsets are whole numbers that JSON can tell. */
export const segmentNumberMax = Math.floor(Number.MAX_SAFE_INTEGER / segmentOffsets) - 1;
/** Segments that another gateway may know to be closed before this one's head shows it. */
const aheadMax = 20;

/** Offsets `(after, upto]`. */
export interface Span {
  readonly after: number;
  readonly upto: number;
}

/** A channel's order as pull names it: its epoch is whole wherever the order has a publication. */
export interface Order {
  readonly epoch: string;
  /** Its newest offset. */
  readonly offset: number;
  readonly earlier?: EarlierEpoch;
}

/** A part of a segment: its beginning, or what follows a part that was as large as an answer may be. */
export interface SegmentPart {
  readonly epoch: string;
  readonly number: number;
  /** Offset after which it begins. */
  readonly after: number;
}

/** The span of the segment with this number: 0 has the offsets from 1. */
export function segmentSpan(number: number): Span {
  return { after: number * segmentOffsets, upto: (number + 1) * segmentOffsets };
}

/** The offset after which the open segment begins. */
export function openAfter(offset: number): number {
  return offset - (offset % segmentOffsets);
}

/**
 * The order that a page tells. Before a new epoch's first publication the bus knows only the beginning of its name,
 * which no document may be named after. Until then the earlier epoch is the one in force.
 */
export function orderOf({ position, earlier }: HistoryPage): Order {
  if (earlier?.offset === position.offset) return { epoch: earlier.epoch, offset: earlier.offset };
  return earlier === undefined ? position : { ...position, earlier };
}

/**
 * What an order says of a part of a segment.
 *
 * - `closed`: it has all its publications, and no other ones will come.
 * - `open`: publications may still come. `ahead`: that may have happened already, since this order is a second old.
 * - `ended`: the epoch ended before it.
 * - `unknown`: the order is not of this epoch, nor was the one before it.
 */
export type Standing = { readonly kind: 'closed'; readonly span: Span } | { readonly kind: 'open' | 'ahead' | 'ended' | 'unknown' };

/** Judges a part of a segment by an order. */
export function standingOf({ epoch, offset, earlier }: Order, part: SegmentPart): Standing {
  const { upto } = segmentSpan(part.number);
  if (part.epoch === epoch) {
    if (offset >= upto) return { kind: 'closed', span: { after: part.after, upto } };
    return { kind: upto - offset <= aheadMax * segmentOffsets ? 'ahead' : 'open' };
  }
  if (part.epoch !== earlier?.epoch) return { kind: 'unknown' };
  if (part.after >= earlier.offset) return { kind: 'ended' };
  return { kind: 'closed', span: { after: part.after, upto: Math.min(upto, earlier.offset) } };
}

/**
 * The publications of a span from its beginning on, as far as the bus gave them; `undefined` where its first one is not
 * kept any more.
 */
export function fromBeginning(kept: readonly KeptPublication[], { after, upto }: Span): readonly KeptPublication[] | undefined {
  const inside = kept.filter(({ offset }) => offset > after && offset <= upto);
  return inside[0]?.offset === after + 1 ? inside : undefined;
}

/** Time until which a history keeps all of these publications, in Unix milliseconds. */
export function keptUntil(kept: readonly KeptPublication[], { ttlSeconds }: HistoryBounds): number {
  return oldestOf(kept) + ttlSeconds * 1000;
}

/** When the oldest was accepted, in Unix milliseconds: it need not be the first, since publishers' clocks differ. */
export function oldestOf(kept: readonly KeptPublication[]): number {
  return kept.reduce((oldest, { publication }) => Math.min(oldest, publication.acceptedAt), Number.POSITIVE_INFINITY);
}

/**
 * Whether the newest publications that the bus gave leave out a part of the open segment since it is too large for one
 * answer. An answer that is less than half full has left out only what is not kept any more.
 * @param bytesMax most payload bytes of an answer
 */
export function lacksOldest({ offset }: Order, newest: readonly KeptPublication[], bytesMax: number): boolean {
  const first = newest[0]?.offset ?? offset + 1;
  if (first <= openAfter(offset) + 1) return false;
  // What was recalled has no bytes left, but took some of the answer.
  if (newest.some(({ publication }) => publication.isRecalled === true)) return true;
  return newest.reduce((bytes, { publication }) => bytes + publication.payload.length, 0) * 2 >= bytesMax;
}

/**
 * The publications of the open segment: all of them, where they fit in one answer. Where they don't, the oldest of
 * them, so that none is passed over. Where some are not kept any more, those after the last such one.
 * @param oldest the bus's answer for those from the beginning of the open segment; read where `lacksOldest`
 * @param keep with the time: publications that the policy does not keep any more are left out
 */
export function openPart(
  order: Order,
  read: { readonly newest: readonly KeptPublication[]; readonly oldest?: readonly KeptPublication[] | undefined },
  keep: { readonly history: HistoryBounds; readonly now: number },
): readonly KeptPublication[] {
  const span = { after: openAfter(order.offset), upto: order.offset };
  const whole = read.oldest === undefined ? undefined : fromBeginning(read.oldest, span);
  if (whole !== undefined && keptUntil(whole, keep.history) >= keep.now) return whole;
  const kept = withoutExpired(read.newest, keep.history, keep.now);
  let next = order.offset;
  let from = kept.length;
  while (from > 0 && kept[from - 1]?.offset === next && next > span.after) {
    from--;
    next--;
  }
  return kept.slice(from);
}
