import type { Barrage } from '../barrage.ts';
import { densityMax, densityUnbounded } from './settings.ts';

type Subscription = ReturnType<Barrage['subscribe']>;

/** Longest wait for a subscription that is on its way, in milliseconds. */
const joinMsMax = 3_000;

/** The events of a channel for a watcher. */
export interface Watching {
  readonly batch: (batch: ReceivedBatch) => void;
  readonly gap: () => void;
  /** Publications were recalled: the argument tells which offsets. */
  readonly recall: (isRecalled: (offset: number) => boolean) => void;
  readonly refused: (error: unknown) => void;
  /** How long publications are held back after they were accepted, in milliseconds. */
  readonly delay: () => number;
}

export interface ReceivedBatch {
  readonly leftOut: number;
  readonly publications: readonly {
    readonly offset: number;
    readonly data: string | Uint8Array;
    readonly count?: number | undefined;
    readonly acceptedAt?: number | undefined;
  }[];
}

/**
 * Subscribes to a channel only while somebody watches.
 *
 * A screen that is off or out of sight leaves the channel, so that it costs the gateway nothing. It comes back without
 * the publications that it missed. Changes come in any order and at any pace. Each waits for the earlier one, and only
 * the newest wish is carried out.
 */
export class Watcher {
  readonly #barrage: Barrage;
  readonly #channel: string;
  readonly #watching: Watching;
  #wanted = false;
  #density = densityMax;
  #subscription: Subscription | undefined;
  #step: Promise<void> = Promise.resolve();

  constructor(barrage: Barrage, channel: string, watching: Watching) {
    this.#barrage = barrage;
    this.#channel = channel;
    this.#watching = watching;
  }

  get subscribed(): boolean {
    return this.#subscription !== undefined;
  }

  /** Number of publications that are held back. */
  get held(): number {
    return this.#subscription?.held ?? 0;
  }

  /**
   * Resolves when a subscription that is on its way is in force, or can't be for now. A comment that is sent after it
   * is seen on this page; one that overtakes the subscription is not.
   */
  async joined(): Promise<void> {
    await this.#step;
    const subscription = this.#subscription;
    if (subscription?.state !== 'subscribing' || this.#barrage.state !== 'open') return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => end(), joinMsMax);
      const ends = [subscription.on('state', () => end()), this.#barrage.on('state', () => end())];
      const end = (): void => {
        clearTimeout(timer);
        for (const stop of ends) stop();
        resolve();
      };
    });
  }

  watch(wanted: boolean): void {
    this.#wanted = wanted;
    this.#step = this.#step.then(() => this.#carryOut());
  }

  /** Density to ask the gateway for, in publications a second; `densityMax` for all. */
  setDensity(density: number): void {
    if (density === this.#density) return;
    this.#density = density;
    const subscription = this.#subscription;
    if (subscription?.state === 'failed' || subscription?.state === 'unsubscribed') {
      this.#subscription = undefined;
      return this.watch(this.#wanted);
    }
    if (subscription?.state !== 'subscribed') return;
    subscription.setDensity(asked(density)).catch((error: unknown) => this.#watching.refused(error));
  }

  async #carryOut(): Promise<void> {
    const subscription = this.#subscription;
    if (this.#wanted && subscription === undefined) this.#subscribe();
    if (this.#wanted || subscription === undefined) return;
    this.#subscription = undefined;
    try {
      await subscription.unsubscribe();
    } catch {
      // Without a connection the channel is left all the same, since nothing resubscribes to it.
    }
  }

  #subscribe(): void {
    const density = this.#density;
    const { delay } = this.#watching;
    const subscription = this.#barrage.subscribe(this.#channel, density === densityMax ? { delay } : { density, delay });
    this.#subscription = subscription;
    const current = (): boolean => this.#subscription === subscription;
    subscription.on('batch', (batch) => {
      if (current()) this.#watching.batch(batch);
    });
    subscription.on('gap', () => {
      if (current()) this.#watching.gap();
    });
    subscription.on('recall', ({ offsets = [], upto = 0 }) => {
      if (current()) this.#watching.recall((offset) => offset <= upto || offsets.includes(offset));
    });
    subscription.on('error', (error) => {
      if (current()) this.#watching.refused(error);
    });
    subscription.on('state', () => {
      // The slider may have moved between the wish and its answer.
      if (!current() || subscription.state !== 'subscribed' || this.#density === density) return;
      subscription.setDensity(asked(this.#density)).catch((error: unknown) => this.#watching.refused(error));
    });
  }
}

function asked(density: number): number {
  return density === densityMax ? densityUnbounded : density;
}
