import type { Clock } from '../clock.ts';
import type { LogBatch, Position } from '../publication.ts';
import { isOrderOf } from '../publication.ts';
import type { LogSubscriber } from './bus.ts';

/**
 * Time after a change from one bus's order to another's in which positions of other gateways prove nothing, in
 * milliseconds. It is longer than a batch waits on any gateway.
 */
const doubtfulMs = 5000;
/** Most batches of one channel that wait for their turn. */
const heldMax = 200;

/** One bus's part of a subscription. */
class Part implements LogSubscriber {
  readonly #subscription: JoinedSubscription;
  readonly #bus: object;
  /** End of the log on this bus, as far as it is known here. */
  #epoch = '';
  #offset = -1;
  /** The last batch of this bus that was passed on. */
  #passedEpoch = '';
  #passedOffset = 0;
  isClosed = false;

  constructor(subscription: JoinedSubscription, bus: object) {
    this.#subscription = subscription;
    this.#bus = bus;
  }

  /** Batches after the position may have come before it. */
  enter({ epoch, offset }: Position): void {
    if (this.#offset >= 0) return;
    this.#epoch = epoch;
    this.#offset = offset;
  }

  hasPassed(epoch: string, offset: number): boolean {
    return this.#passedEpoch === epoch && this.#passedOffset >= offset;
  }

  onBatch(batch: LogBatch): void {
    if (this.isClosed) return;
    const { epoch, firstOffset, publications } = batch;
    const lastOffset = firstOffset + publications.length - 1;
    this.#epoch = epoch;
    this.#offset = lastOffset;
    if (this.#subscription.hasPassed(epoch, lastOffset, this)) return;
    this.#passedEpoch = epoch;
    this.#passedOffset = lastOffset;
    this.#subscription.take(batch, this.#bus);
  }

  /** The subscriber is told only where something may be missing: most interruptions concern a bus without traffic. */
  onResubscribed(position: Position): void {
    if (this.isClosed) return;
    const known = { epoch: this.#epoch, offset: this.#offset };
    this.#epoch = position.epoch;
    this.#offset = position.offset;
    if (!isOrderOf(known, position.epoch) || position.offset > known.offset) this.#subscription.tell(position);
  }
}

/**
 * One channel's subscription on all buses of a process. Batches of every bus reach the same subscriber.
 *
 * - Two ids may stand for the same server: a batch that one bus has brought is not passed on again for another.
 * - For a subscriber each change from one bus's order to another's is a gap, and ends a merge window. While some
 *   processes publish to the one bus and some to the other, batches would alternate. So batches of a bus that this
 *   process does not publish to wait until `release`, unless the subscriber is in their order anyway.
 * - The batches of one bus never change places.
 */
export class JoinedSubscription {
  readonly channel: string;
  readonly #subscriber: LogSubscriber;
  readonly #publishing: () => object | undefined;
  readonly #onHeld: (subscription: JoinedSubscription) => void;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #isAlone: boolean;
  readonly #parts = new Map<object, Part>();
  readonly #entered = new Map<object, Position>();
  /** The part of the bus that was closed last: what it has brought may still come from another bus. */
  #last: Part | undefined;
  /** Epoch, or its beginning, in which the subscriber is; `undefined` before its first position. */
  #order: string | undefined;
  #orderChangedAt = Number.NEGATIVE_INFINITY;
  #held: { readonly batch: LogBatch; readonly bus: object }[] = [];
  #isOpened = false;
  #isEnded = false;

  constructor(options: {
    readonly channel: string;
    readonly subscriber: LogSubscriber;
    /** The bus to which this process publishes now. */
    readonly publishing: () => object | undefined;
    /** Called with the first batch that waits; `release` must follow. */
    readonly onHeld: (subscription: JoinedSubscription) => void;
    readonly clock: Pick<Clock, 'monotonic'>;
    /** Whether the process has one bus only: batches then go to the subscriber without a look. */
    readonly isAlone: boolean;
  }) {
    this.channel = options.channel;
    this.#subscriber = options.subscriber;
    this.#publishing = options.publishing;
    this.#onHeld = options.onHeld;
    this.#clock = options.clock;
    this.#isAlone = options.isAlone;
  }

  /** Whether it was resolved: from then on a bus that comes into force comes late. */
  get isOpened(): boolean {
    return this.#isOpened;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The subscriber to give to a bus. Each bus gets one, however often it is tried. */
  partOf(bus: object): LogSubscriber {
    if (this.#isAlone) return this.#subscriber;
    let part = this.#parts.get(bus);
    if (part === undefined) this.#parts.set(bus, (part = new Part(this, bus)));
    return part;
  }

  /** The subscription is in force on this bus. */
  enter(bus: object, position: Position): void {
    this.#entered.set(bus, position);
    this.#parts.get(bus)?.enter(position);
  }

  /** The position at which it came into force on this bus; `undefined` while it is not. */
  positionOn(bus: object): Position | undefined {
    return this.#entered.get(bus);
  }

  /** Resolves the subscription. */
  open({ epoch }: Position): void {
    this.#isOpened = true;
    this.#order ??= epoch;
  }

  end(): void {
    this.#isEnded = true;
    this.#held = [];
  }

  /** Ends the part of a bus that is closed. */
  leave(bus: object): void {
    this.release();
    this.#entered.delete(bus);
    const part = this.#parts.get(bus);
    if (part === undefined) return;
    part.isClosed = true;
    this.#parts.delete(bus);
    this.#last = part;
  }

  /** Whether another bus than this part's has brought everything up to here in this order. */
  hasPassed(epoch: string, offset: number, asking: object): boolean {
    for (const part of this.#parts.values()) if (part !== asking && part.hasPassed(epoch, offset)) return true;
    return this.#last !== undefined && this.#last.hasPassed(epoch, offset);
  }

  take(batch: LogBatch, bus: object): void {
    const isInOrder = this.#order === undefined || batch.epoch.startsWith(this.#order) || bus === this.#publishing();
    if (isInOrder) {
      if (this.#held.some((held) => held.bus === bus)) this.release();
      this.#give(batch);
      return;
    }
    this.#held.push({ batch, bus });
    if (this.#held.length === 1) this.#onHeld(this);
    if (this.#held.length >= heldMax) this.release();
  }

  /** Passes on the batches that wait. */
  release(): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const { batch } of held) this.#give(batch);
  }

  /** Whether the order has changed lately: other gateways may have delivered the same batches in another order. */
  get isDoubtful(): boolean {
    return this.#clock.monotonic() - this.#orderChangedAt < doubtfulMs;
  }

  /** Tells the subscriber of a new position: it may have missed what lies before. */
  tell(position: Position): void {
    if (this.#isEnded) return;
    this.release();
    this.#become(position.epoch);
    this.#subscriber.onResubscribed(position);
  }

  #give(batch: LogBatch): void {
    if (batch.epoch !== this.#order) this.#become(batch.epoch);
    this.#subscriber.onBatch(batch);
  }

  #become(epoch: string): void {
    if (this.#order !== undefined && !epoch.startsWith(this.#order)) this.#orderChangedAt = this.#clock.monotonic();
    this.#order = epoch;
  }
}
