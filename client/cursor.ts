import type { Position } from '../core/publication.ts';
import { follow, isOrderOf, type Span } from './position.ts';

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

/**
 * One channel's position on the receiving side. No publication is reported twice, and each one that is not delivered is
 * reported missing.
 */
export class Cursor<B extends Span> {
  #position: Position | undefined;

  get position(): Position | undefined {
    return this.#position;
  }

  /** A batch arrived. */
  batch(batch: B): readonly Told<B>[] {
    const followed = follow(this.#position, batch);
    if (followed.kind === 'covered') return [];
    this.#position = { epoch: batch.epoch, offset: batch.upto };
    if (followed.kind === 'overlap') return [{ kind: 'batch', batch, deliverAfter: followed.deliverAfter }];
    const whole: Told<B> = { kind: 'batch', batch, deliverAfter: batch.after };
    if (followed.kind === 'next') return [whole];
    const { from, to } = followed;
    return [{ kind: 'gap', from, to, reason: isOrderOf(from, to.epoch) ? 'missed' : 'epoch' }, whole];
  }

  /** A gateway's gap notice arrived. */
  gap(notice: GapNotice): readonly Told<B>[] {
    if (follow(this.#position, notice).kind === 'covered') return [];
    return this.#leap({ epoch: notice.epoch, offset: notice.upto }, notice.reason === 'slow' ? 'slow' : 'missed');
  }

  /** The channel goes on in another epoch, where the offsets up to that of `before` mean the same. */
  continued(epoch: string, before: Position): void {
    const own = this.#position;
    if (own !== undefined && isOrderOf(own, before.epoch) && own.offset <= before.offset) this.#position = { epoch, offset: own.offset };
  }

  /**
   * A subscription is in force whose batches continue at `position`. A lower position than this client's is no gap: the
   * new gateway's room lags behind the old one's, and repeats publications that are known.
   */
  subscribed(position: Position, recovered: boolean): readonly Told<B>[] {
    if (this.reached(position)) return [];
    if (this.#position === undefined || recovered) {
      this.#position = position;
      return [];
    }
    return this.#leap(position, 'reconnect');
  }

  /** Gives up the offsets from here to `position`, and goes on there. */
  skip(position: Position): readonly Told<B>[] {
    if (this.reached(position)) return [];
    const own = this.#position;
    return this.#leap(position, own !== undefined && isOrderOf(own, position.epoch) ? 'missed' : 'epoch');
  }

  /** Whether everything up to `position` is accounted for. */
  reached(position: Position): boolean {
    const own = this.#position;
    return own !== undefined && isOrderOf(position, own.epoch) && own.offset >= position.offset;
  }

  #leap(to: Position, reason: GapReason): readonly Told<B>[] {
    const from = this.#position;
    this.#position = to;
    return [{ kind: 'gap', from, to, reason }];
  }
}
