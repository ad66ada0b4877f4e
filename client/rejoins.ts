import { backoffMs, type BackoffBounds } from '../core/backoff.ts';
import type { ClientClock } from './client-clock.ts';

interface Retry {
  failures: number;
  cancelTimer: () => void;
}

/** Subscribes that a gateway refused for now. Each is tried again with its own back-off. */
export class Rejoins {
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #bounds: () => BackoffBounds;
  readonly #retries = new Map<object, Retry>();

  constructor(clock: ClientClock, random: () => number, bounds: () => BackoffBounds) {
    this.#clock = clock;
    this.#random = random;
    this.#bounds = bounds;
  }

  /** Calls `again` once, after a wait that grows with each refusal of this subscription. */
  later(subscription: object, again: () => void): void {
    const retry = this.#retries.get(subscription) ?? { failures: 0, cancelTimer: () => {} };
    this.#retries.set(subscription, retry);
    retry.cancelTimer = this.#clock.after(backoffMs(retry.failures++, this.#bounds(), this.#random), again);
  }

  /** The subscription is in force, or not wanted any more. */
  forget(subscription: object): void {
    this.#retries.get(subscription)?.cancelTimer();
    this.#retries.delete(subscription);
  }

  /** The client has another connection. */
  clear(): void {
    for (const { cancelTimer } of this.#retries.values()) cancelTimer();
    this.#retries.clear();
  }
}
