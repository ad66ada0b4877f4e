import type { Position } from '../core/publication.ts';
import { follow, isOrderOf, isSameOrder, orderOf, type Span } from './position.ts';

/**
 * The reason why publications are missing. `missed`: they were lost on the way to the gateway or to this client.
 * `slow`: the gateway skipped them because this client reads too slowly. `epoch`: the channel's order was begun anew.
 * `reconnect`: they came while this client had no connection.
 */
export type GapReason = 'missed' | 'slow' | 'epoch' | 'reconnect';

/** Publications after `from` and up to `to` that this client does not get. */
export interface GapSpan {
  readonly from: Position | undefined;
  readonly to: Position;
  readonly reason: GapReason;
}

/** A gateway's notice that a span does not come. */
export interface GapNotice extends Span {
  readonly reason: 'slow' | 'bus';
}

/** A report to the subscriber: a gap, or a batch of which only the offsets above `deliverAfter` are new. */
export type Told<B extends Span> =
  | { readonly kind: 'batch'; readonly batch: B; readonly deliverAfter: number }
  | ({ readonly kind: 'gap' } & GapSpan);

/** Orders before the present one that a cursor remembers. */
const earlierMax = 8;

/**
 * One channel's position on the receiving side. No publication is reported twice, and each one that is not delivered is
 * reported missing.
 */
export class Cursor<B extends Span> {
  #position: Position | undefined;
  /**
   * Orders that the position has come from without a loss, the newest first: their offsets up to these mean the same
   * publications in its order. A gateway that lags behind another one still speaks of them.
   */
  #earlier: readonly Position[] = [];

  get position(): Position | undefined {
    return this.#position;
  }

  /** A batch arrived. */
  batch(arrived: B): readonly Told<B>[] {
    const batch = this.#inOwnOrder(arrived);
    const from = this.#position;
    const followed = follow(from, batch);
    if (followed === 'covered') return [];
    const { epoch, after, upto } = batch;
    this.#position = this.#goneOnTo({ epoch, offset: upto });
    if (followed !== 'gap') return [{ kind: 'batch', batch, deliverAfter: followed }];
    return [
      { kind: 'gap', from, to: { epoch, offset: after }, reason: lossTo(from, epoch) },
      { kind: 'batch', batch, deliverAfter: after },
    ];
  }

  /** A gateway's gap notice arrived. */
  gap(told: GapNotice): readonly Told<B>[] {
    const notice = this.#inOwnOrder(told);
    if (follow(this.#position, notice) === 'covered') return [];
    return this.#leap({ epoch: notice.epoch, offset: notice.upto }, notice.reason === 'slow' ? 'slow' : 'missed');
  }

  /** The channel goes on in another epoch, where the offsets up to that of `before` mean the same. */
  continued(epoch: string, before: Position): void {
    const own = this.#position;
    if (own !== undefined && isOrderOf(own, before.epoch) && own.offset <= before.offset) this.#goOnIn(epoch, before);
  }

  /**
   * A subscription is in force whose batches continue at `position`. A lower position than this client's is no gap: the
   * new gateway's room lags behind the old one's, and repeats publications that are known.
   */
  subscribed(position: Position, recovered: boolean): readonly Told<B>[] {
    if (this.reached(position)) return [];
    const own = this.#position;
    if (recovered && own !== undefined && !isSameOrder(own, position)) {
      this.#goOnIn(position.epoch, own);
      return [];
    }
    if (own === undefined || recovered) {
      this.#position = this.#goneOnTo(position);
      return [];
    }
    return this.#leap(position, 'reconnect');
  }

  /** Gives up the offsets from here to `position`, and goes on there. */
  skip(position: Position): readonly Told<B>[] {
    if (this.reached(position)) return [];
    return this.#leap(position, lossTo(this.#position, position.epoch));
  }

  /** Whether everything up to `position` is accounted for. */
  reached({ epoch, offset }: Position): boolean {
    const own = this.#position;
    if (own === undefined || own.offset < offset) return false;
    return isOrderOf({ epoch, offset }, own.epoch) || this.#isOfEarlier(epoch, offset);
  }

  #goOnIn(epoch: string, before: Position): void {
    const offset = this.#position?.offset ?? before.offset;
    this.#earlier = [before, ...this.#earlier].slice(0, earlierMax);
    this.#position = { epoch, offset };
  }

  /** Whether an offset of another epoch means the same publication in this order. */
  #isOfEarlier(epoch: string, offset: number): boolean {
    const at = this.#earlier.findIndex((earlier) => earlier.epoch === epoch);
    return at >= 0 && this.#earlier.slice(0, at + 1).every((earlier) => offset <= earlier.offset);
  }

  /** A span of an earlier order, in the present one. */
  #inOwnOrder<S extends Span>(span: S): S {
    const own = this.#position;
    if (this.#earlier.length === 0 || own === undefined || !this.#isOfEarlier(span.epoch, span.upto)) return span;
    return { ...span, epoch: own.epoch };
  }

  /** A position of this order has the whole name of its epoch, where it is known. */
  #goneOnTo(to: Position): Position {
    const own = this.#position;
    if (own !== undefined && isSameOrder(own, to)) return { epoch: orderOf(own, to), offset: to.offset };
    this.#earlier = [];
    return to;
  }

  #leap(to: Position, reason: GapReason): readonly Told<B>[] {
    const from = this.#position;
    this.#position = this.#goneOnTo(to);
    return [{ kind: 'gap', from, to, reason }];
  }
}

/** The reason why the way from a position into an epoch has a gap. */
function lossTo(from: Position | undefined, epoch: string): GapReason {
  return from !== undefined && isOrderOf(from, epoch) ? 'missed' : 'epoch';
}
