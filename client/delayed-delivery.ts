import type { Position } from '../core/publication.ts';
import type { ClientClock } from './client-clock.ts';
import { Holdback } from './holdback.ts';
import type { ServerClock } from './server-clock.ts';
import type { Step } from './step.ts';
import type { Publication } from './wire.ts';

/** Shortest time between two releases, in milliseconds: a publication is late by at most as much. */
const releaseMsMin = 50;
/** Longest time after which the delay is asked for again while something is held, in milliseconds. */
const lookMsMax = 250;

export interface DelayedDeliveryOptions {
  /** The application's delay in milliseconds. */
  readonly delay: () => number;
  readonly clock: ClientClock;
  readonly serverClock: ServerClock;
  readonly deliver: (step: Step) => void;
  /** So many publications were delivered before their time. */
  readonly onEarly: (count: number) => void;
}

/**
 * Holds back what one subscription is told until it is as old as the application wants it. A publication is held for
 * at most the delay, counted from its arrival, so that no clock that is wrong can hold it for longer.
 */
export class DelayedDelivery {
  readonly #options: DelayedDeliveryOptions;
  readonly #holdback = new Holdback();
  #delayMs = 0;
  #cancelTimer: (() => void) | undefined;
  #isReleasing = false;
  #isOver = false;

  constructor(options: DelayedDeliveryOptions) {
    this.#options = options;
  }

  /** Whether nothing is held. */
  get isEmpty(): boolean {
    return this.#holdback.isEmpty;
  }

  /** The position before the first step that is held; `undefined` where there was none. */
  get position(): Position | undefined {
    return this.#holdback.position;
  }

  /** Number of publications that are held back. */
  get held(): number {
    return this.#holdback.publications;
  }

  /** Whether an application's state is held, which may have what is recalled meanwhile. */
  get holdsSnapshot(): boolean {
    return this.#holdback.hasSnapshot;
  }

  /** What is held and recalled is never delivered. */
  recall(isRecalled: (offset: number) => boolean): void {
    this.#holdback.recall(isRecalled);
  }

  /** Takes further steps of the channel's order. */
  add(steps: readonly Step[]): void {
    const now = this.#options.clock.monotonic();
    const serverNow = this.#options.serverClock.at(now);
    for (const step of steps) this.#holdback.add(step, step.kind === 'batch' ? bornAt(step.batch.publications, now, serverNow) : []);
    this.#release();
  }

  /** The subscription is over: what is held is delivered now, or never. */
  end(held: 'hand-out' | 'discard'): void {
    if (held === 'hand-out') this.#releaseEarly(() => true);
    this.#isOver = true;
    this.#cancelTimer?.();
  }

  #release(): void {
    // A listener may cause further steps, which come after the present ones.
    if (this.#isReleasing || this.#isOver) return;
    this.#isReleasing = true;
    this.#askDelay();
    const { clock, deliver } = this.#options;
    const now = clock.monotonic();
    for (let step = this.#holdback.take(now, this.#delayMs); step !== undefined; step = this.#holdback.take(now, this.#delayMs)) {
      deliver(step);
      if (this.#isOver) return;
    }
    this.#releaseEarly(() => this.#holdback.isOver);
    this.#isReleasing = false;
    if (this.#cancelTimer === undefined && !this.#isOver) this.#arm(now);
  }

  #releaseEarly(goesOn: () => boolean): void {
    let early = 0;
    while (!this.#isOver && goesOn()) {
      const step = this.#holdback.takeFirst();
      if (step === undefined) break;
      if (step.kind === 'batch') early += step.batch.publications.length;
      this.#options.deliver(step);
    }
    if (early > 0 && !this.#isOver) this.#options.onEarly(early);
  }

  #arm(now: number): void {
    const dueAt = this.#holdback.dueAt(this.#delayMs);
    if (dueAt === undefined) return;
    this.#cancelTimer = this.#options.clock.after(Math.min(lookMsMax, Math.max(releaseMsMin, dueAt - now)), () => {
      this.#cancelTimer = undefined;
      this.#release();
    });
  }

  /** Asks the application. An answer that is no amount, such as NaN of a player that has not begun, changes nothing. */
  #askDelay(): void {
    try {
      const delayMs = this.#options.delay();
      if (typeof delayMs === 'number' && delayMs >= 0) this.#delayMs = delayMs;
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** When publications were accepted, by the client's monotonic clock; on arrival, where no time is known. */
function bornAt(publications: readonly Publication[], now: number, serverNow: number | undefined): readonly number[] {
  return publications.map(({ acceptedAt }) =>
    acceptedAt === undefined || serverNow === undefined ? now : now - Math.max(0, serverNow - acceptedAt),
  );
}
