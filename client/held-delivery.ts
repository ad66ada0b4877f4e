import type { Position } from '../core/publication.ts';
import type { Told } from './cursor.ts';
import { DelayedDelivery } from './delayed-delivery.ts';
import type { BarrageError } from './errors.ts';
import type { Tombstone } from './recalls.ts';
import type { ServerClock } from './server-clock.ts';
import { Snapshots, type AttemptTimes } from './snapshots.ts';
import { stepOf, type Step } from './step.ts';
import type { SubscribeOptions } from './subscription-api.ts';
import type { ReceivedBatch } from './wire.ts';

export interface HeldDeliveryOptions extends Pick<SubscribeOptions, 'delay' | 'getState'> {
  readonly times: AttemptTimes;
  readonly serverClock: ServerClock;
  /** The position up to which everything has arrived. */
  readonly arrivedAt: () => Position | undefined;
  readonly deliver: (step: Step) => void;
  /** Called with tombstones as they arrive: a recall holds at once, also for what is held back. */
  readonly recall: (epoch: string, tombstones: readonly Tombstone[]) => void;
  /** So many publications were delivered before their time. */
  readonly onEarly: (count: number) => void;
  readonly onError: (error: BarrageError) => void;
}

/**
 * What the options `getState` and `delay` make of a subscription's delivery: it waits for the application's own state,
 * and then for its time.
 */
export class HeldDelivery {
  readonly #options: HeldDeliveryOptions;
  readonly #snapshots: Snapshots<ReceivedBatch> | undefined;
  readonly #delayed: DelayedDelivery | undefined;

  constructor(options: HeldDeliveryOptions) {
    const { delay, getState, times, serverClock, arrivedAt, deliver, onEarly, onError } = options;
    this.#options = options;
    if (getState !== undefined)
      this.#snapshots = new Snapshots<ReceivedBatch>({
        getState,
        times,
        position: arrivedAt,
        onSnapshot: (position, state) => this.#handOut([{ kind: 'snapshot', position, state }]),
        onError,
        tell: (told) => this.#handOut(told.map(stepOf)),
      });
    if (delay !== undefined) this.#delayed = new DelayedDelivery({ delay, clock: times.clock, serverClock, deliver, onEarly });
  }

  /** The position up to which everything was delivered. */
  get position(): Position | undefined {
    return this.#delayed?.isEmpty === false ? this.#delayed.position : this.#options.arrivedAt();
  }

  /** Number of publications that are held back for `delay`. */
  get held(): number {
    return this.#delayed?.held ?? 0;
  }

  /** The subscription is in force. */
  joined(): void {
    this.#snapshots?.joined();
  }

  /** Reports of the stream came. */
  arrived(tolds: readonly Told<ReceivedBatch>[]): void {
    if (this.#snapshots === undefined) this.#handOut(tolds.map(stepOf));
    else this.#snapshots.arrived(tolds);
  }

  /** What is held and recalled is never delivered. */
  recall(isRecalled: (offset: number) => boolean): void {
    this.#delayed?.recall(isRecalled);
  }

  /** The subscription is over: what is held is delivered now, or never. */
  end(held: 'hand-out' | 'discard'): void {
    this.#snapshots?.end();
    this.#delayed?.end(held);
  }

  #handOut(steps: readonly Step[]): void {
    const { deliver, recall } = this.#options;
    for (const step of steps) {
      const batch = step.kind === 'batch' ? step.batch : undefined;
      // A state that is held back may have what is recalled: then it is told once more, behind it.
      const isToldAgain = batch?.tombstones !== undefined && this.#delayed?.holdsSnapshot === true;
      if (batch?.tombstones !== undefined) recall(batch.epoch, batch.tombstones);
      if (this.#delayed === undefined) deliver(step);
      else this.#delayed.add([isToldAgain ? { kind: 'batch', batch: { ...batch, isToldAgain } } : step]);
    }
  }
}
