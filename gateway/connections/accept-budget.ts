import type { BackoffBounds } from '../../core/backoff.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import { atLeast } from './crowd-backoff.ts';

/** Part of a second's budget that may be taken at once. So no second has more than 1.2 times the budget. */
const burstShare = 0.2;

export interface AcceptBudgetOptions {
  /** New connections that the gateway takes in a second. */
  readonly acceptsPerSecond: number;
  /** Most refused dials that are counted: a flood of dials must not lengthen every client's back-off without end. */
  readonly waitingMax: number;
  /** The bounds of the settings: the shortest that are told. */
  readonly least: BackoffBounds;
}

/**
 * A gateway's budget of new connections, and the back-off of refused clients. It counts the refused dials that are
 * still to come back. Each refusal adds one. They leave at the rate at which they were told to return. `now` is in
 * milliseconds of a monotonic clock.
 */
export class AcceptBudget {
  readonly #options: AcceptBudgetOptions;
  readonly #burst: number;
  readonly #bucket: TokenBucket;
  #waiting = 0;
  #at: number;

  constructor(options: AcceptBudgetOptions, now: number) {
    this.#options = options;
    this.#burst = Math.max(1, options.acceptsPerSecond * burstShare);
    this.#bucket = new TokenBucket(this.#burst, now);
    this.#at = now;
  }

  /** Whether one more connection may be taken now. */
  hasRoom(now: number): boolean {
    return this.#bucket.available(now, this.#options.acceptsPerSecond, this.#burst) >= 1;
  }

  /** A connection was taken. */
  taken(): void {
    this.#bucket.take(1);
  }

  /** A dial was refused, for any reason, and will be repeated. */
  refused(now: number): void {
    this.#waiting = Math.min(this.#options.waitingMax, this.waiting(now) + 1);
  }

  /** Refused dials that are still to come back, by estimate. */
  waiting(now: number): number {
    const { acceptsPerSecond, least } = this.#options;
    let elapsedMs = Math.max(0, now - this.#at);
    this.#at = now;
    // Above this number refused dials return at the rate of the budget. Below it each waits as long as the least base
    // on average.
    const few = (acceptsPerSecond * least.baseMs) / 1000;
    if (this.#waiting > few) {
      const untilFewMs = ((this.#waiting - few) * 1000) / acceptsPerSecond;
      const steadyMs = Math.min(elapsedMs, untilFewMs);
      this.#waiting -= (steadyMs * acceptsPerSecond) / 1000;
      elapsedMs -= steadyMs;
    }
    this.#waiting *= Math.exp(-elapsedMs / least.baseMs);
    return this.#waiting;
  }

  /** Whether a refused client is still to come back. */
  isCrowded(now: number): boolean {
    return this.waiting(now) >= 1;
  }

  /**
   * The back-off for a client whose dial has just failed. After one failure it waits up to twice the base. With that
   * wait the refused clients return at the rate of the budget. While any of them waits, the cap is twice the base too,
   * since the base itself says how many they are.
   */
  backoff(now: number): BackoffBounds {
    const { acceptsPerSecond, least } = this.#options;
    const bounds = atLeast(least, (this.waiting(now) * 1000) / acceptsPerSecond);
    return this.isCrowded(now) ? { baseMs: bounds.baseMs, capMs: 2 * bounds.baseMs } : bounds;
  }
}
