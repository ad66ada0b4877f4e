import type { Position } from '../core/publication.ts';
import type { Cursor, GapNotice, Told } from './cursor.ts';
import { isSameOrder, type Span } from './position.ts';

/** A batch whose `publications` are held back during a move, and count against the move's bound. */
export interface HeldBatch extends Span {
  readonly type: 'batch';
  readonly publications: readonly unknown[];
}

/** A message about a channel's order, on either connection. */
export type MovedMessage<B> =
  | B
  | (GapNotice & { readonly type: 'gap' })
  /** The channel goes on in another epoch. */
  | { readonly type: 'epoch'; readonly epoch: string; readonly before: Position };

/**
 * One channel's move from an old connection to a new one, without history: both deliver for a while.
 *
 *   old ──▶ told at once ──────────────────▶ position reaches the new subscription's: the old one can be left
 *   new ──▶ subscribed at T, held back ────▶ told from T on; what the old one covered is discarded
 *
 * When the old connection never gets there (it closed, or took too long: `giveUp`), the difference is a gap. No
 * publication is reported twice.
 */
export class ChannelMove<B extends HeldBatch> {
  readonly #cursor: Cursor<B>;
  readonly #heldPublicationsMax: number;
  /** What is asked for on the new connection. */
  readonly #since: Position | undefined;
  #target: Position | undefined;
  #held: MovedMessage<B>[] = [];
  #heldPublications = 0;
  #done = false;

  /** The cursor stays the subscription's; the move advances it. The new connection is asked for what follows it now. */
  constructor(cursor: Cursor<B>, heldPublicationsMax = 5000) {
    this.#cursor = cursor;
    this.#since = cursor.position;
    this.#heldPublicationsMax = heldPublicationsMax;
  }

  /** Whether the move is done: the new connection alone is read, and this channel needs the old one no longer. */
  get done(): boolean {
    return this.#done;
  }

  /** Whether the subscription on the new connection is in force. */
  get subscribed(): boolean {
    return this.#target !== undefined;
  }

  /** The new connection's subscription is in force and continues at `position`. */
  targetAt(position: Position, recovered: boolean): readonly Told<B>[] {
    this.#target = position;
    // Without a position, or with the gateway's `recovered`, there is nothing to wait for. `recovered` is about the
    // position at the time of asking. In another epoch it proves nothing once the old connection has gone on.
    const own = this.#cursor.position;
    const isWhereAsked = own !== undefined && own.epoch === this.#since?.epoch && own.offset === this.#since.offset;
    if (own === undefined || (recovered && (isWhereAsked || isSameOrder(own, position))))
      return [...this.#cursor.subscribed(position, true), ...this.#finish()];
    return this.#advance([]);
  }

  /** A batch or notice arrived on the old connection. */
  fromOld(message: MovedMessage<B>): readonly Told<B>[] {
    return this.#done ? [] : this.#advance(this.#tell(message));
  }

  /** A batch or notice arrived on the new connection. More publications than may be held end the wait with a gap. */
  fromNew(message: MovedMessage<B>): readonly Told<B>[] {
    if (this.#done) return this.#tell(message);
    if (this.#target === undefined) return [];
    this.#held.push(message);
    if (message.type === 'batch') this.#heldPublications += message.publications.length;
    const over = this.#heldPublications > this.#heldPublicationsMax || this.#held.length > this.#heldPublicationsMax;
    return over ? this.giveUp() : this.#advance([]);
  }

  /**
   * The old connection is gone or too late. Before a subscription on the new one, the move waits for it, and reports
   * nothing yet.
   */
  giveUp(): readonly Told<B>[] {
    if (this.#done || this.#target === undefined) return [];
    return [...this.#cursor.skip(this.#target), ...this.#finish()];
  }

  #advance(told: readonly Told<B>[]): readonly Told<B>[] {
    if (this.#target === undefined) return told;
    if (this.#cursor.reached(this.#target)) return [...told, ...this.#finish()];
    // The old connection went on to another epoch first. The new one will too. Until then it only repeats the old
    // epoch.
    const epoch = this.#cursor.position?.epoch;
    const joint = this.#held.findIndex((held) => held.epoch === epoch);
    if (epoch === this.#target.epoch || joint < 0) return told;
    this.#held.splice(0, joint);
    return [...told, ...this.#finish()];
  }

  #finish(): readonly Told<B>[] {
    this.#done = true;
    const held = this.#held;
    this.#held = [];
    return held.flatMap((message) => this.#tell(message));
  }

  #tell(message: MovedMessage<B>): readonly Told<B>[] {
    if (message.type === 'batch') return this.#cursor.batch(message);
    if (message.type === 'gap') return this.#cursor.gap(message);
    this.#cursor.continued(message.epoch, message.before);
    return [];
  }
}
