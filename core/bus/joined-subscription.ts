import type { LogBatch, Position } from '../publication.ts';
import { isOrderOf } from '../publication.ts';
import type { LogSubscriber } from './bus.ts';

/** One bus's part of a subscription. */
class Part implements LogSubscriber {
  readonly #subscription: JoinedSubscription;
  readonly #subscriber: LogSubscriber;
  /** End of the log on this bus, as far as it is known here. */
  #epoch = '';
  #offset = -1;
  /** The last batch that the subscriber got from this bus. */
  #deliveredEpoch = '';
  #deliveredOffset = 0;
  isClosed = false;

  constructor(subscription: JoinedSubscription, subscriber: LogSubscriber) {
    this.#subscription = subscription;
    this.#subscriber = subscriber;
  }

  /** Batches after the position may have come before it. */
  enter({ epoch, offset }: Position): void {
    if (this.#offset >= 0) return;
    this.#epoch = epoch;
    this.#offset = offset;
  }

  hasDelivered(epoch: string, offset: number): boolean {
    return this.#deliveredEpoch === epoch && this.#deliveredOffset >= offset;
  }

  onBatch(batch: LogBatch): void {
    if (this.isClosed) return;
    const { epoch, firstOffset, publications } = batch;
    const lastOffset = firstOffset + publications.length - 1;
    this.#epoch = epoch;
    this.#offset = lastOffset;
    if (this.#subscription.hasDelivered(epoch, lastOffset, this)) return;
    this.#deliveredEpoch = epoch;
    this.#deliveredOffset = lastOffset;
    this.#subscriber.onBatch(batch);
  }

  /** The subscriber is told only where something may be missing: most interruptions concern a bus without traffic. */
  onResubscribed(position: Position): void {
    if (this.isClosed) return;
    const known = { epoch: this.#epoch, offset: this.#offset };
    this.#epoch = position.epoch;
    this.#offset = position.offset;
    if (!isOrderOf(known, position.epoch) || position.offset > known.offset) this.#subscriber.onResubscribed(position);
  }
}

/**
 * One channel's subscription on all buses of a process. Batches of every bus reach the same subscriber. Two ids may
 * stand for the same server: a batch that one bus has delivered is not delivered again for another.
 */
export class JoinedSubscription {
  readonly channel: string;
  readonly subscriber: LogSubscriber;
  readonly #isAlone: boolean;
  readonly #parts = new Map<object, Part>();
  readonly #entered = new Map<object, Position>();
  /** The part of the bus that was closed last: what it has delivered may still come from another bus. */
  #last: Part | undefined;
  /** Whether it was resolved: from then on a bus that comes into force comes late. */
  isOpened = false;
  isEnded = false;

  /** @param isAlone whether the process has one bus only: batches then go to the subscriber without a look */
  constructor(channel: string, subscriber: LogSubscriber, isAlone: boolean) {
    this.channel = channel;
    this.subscriber = subscriber;
    this.#isAlone = isAlone;
  }

  /** The subscriber to give to a bus. Each bus gets one, however often it is tried. */
  partOf(bus: object): LogSubscriber {
    if (this.#isAlone) return this.subscriber;
    let part = this.#parts.get(bus);
    if (part === undefined) this.#parts.set(bus, (part = new Part(this, this.subscriber)));
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

  /** Ends the part of a bus that is closed. */
  leave(bus: object): void {
    this.#entered.delete(bus);
    const part = this.#parts.get(bus);
    if (part === undefined) return;
    part.isClosed = true;
    this.#parts.delete(bus);
    this.#last = part;
  }

  /** Whether another bus than this part's has delivered up to here in this order. */
  hasDelivered(epoch: string, offset: number, asking: object): boolean {
    for (const part of this.#parts.values()) if (part !== asking && part.hasDelivered(epoch, offset)) return true;
    return this.#last !== undefined && this.#last.hasDelivered(epoch, offset);
  }
}
