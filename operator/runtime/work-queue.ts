import assert from 'node:assert/strict';
import { backoffCeilingMs, type BackoffBounds } from '../../core/backoff.ts';
import { DueHeap } from './due-heap.ts';
import { RateLimit, type RateLimitOptions } from './rate-limit.ts';

/**
 * Kubernetes' own but for the longest delay: 5 ms × 2 for each failure of a key, and no more than 10 retries a second
 * of all keys together, in bursts of 100. Every change of an object is an attempt that can fail, so 20 failures take a
 * few seconds in a bad moment of the API server: with Kubernetes' 1000 s a pool would rest for a quarter of an hour
 * after it.
 */
export const defaultRetries: RetryOptions = { backoff: { baseMs: 5, capMs: 10_000 }, overall: { ratePerSecond: 10, burst: 100 } };

export interface RetryOptions {
  readonly backoff: BackoffBounds;
  readonly overall: RateLimitOptions;
}

/** What the queue's metrics are read from; times in milliseconds. */
export interface WorkQueueFigures {
  readonly depth: number;
  readonly adds: number;
  readonly retries: number;
  readonly unfinishedMs: number;
  readonly longestRunningMs: number;
}

/**
 * The keys that wait for a reconcile, first come first served.
 *
 * A key is *dirty* from its add until it is taken, and *processing* from then until it is done. It never waits twice:
 * an add of a dirty key changes nothing. It is never processed twice at once: an add while it is processing makes it
 * wait when it is done. So nothing that was said after a reconcile began is missed, and a thousand changes of one
 * object are one reconcile.
 */
export class WorkQueue {
  readonly #retryOptions: RetryOptions;
  readonly #overall: RateLimit;
  /** Dirty keys that can be taken, in order, with the time of their add. */
  readonly #waiting = new Map<string, number>();
  /** Keys in a worker's hands, with the time when they were taken. */
  readonly #processing = new Map<string, number>();
  /** Dirty keys that are also processing, with the time of their add. */
  readonly #again = new Map<string, number>();
  readonly #delayed = new DueHeap();
  readonly #failures = new Map<string, number>();
  #adds = 0;
  #retries = 0;

  constructor(options: { readonly retries: RetryOptions; readonly now: number }) {
    this.#retryOptions = options.retries;
    this.#overall = new RateLimit(options.retries.overall, options.now);
  }

  add(key: string, now: number): void {
    if (this.#waiting.has(key) || this.#again.has(key)) return;
    this.#adds += 1;
    (this.#processing.has(key) ? this.#again : this.#waiting).set(key, now);
  }

  /** Adds it in `delayMs` milliseconds; of several such wishes the earliest counts. */
  addAfter(key: string, delayMs: number, now: number): void {
    if (delayMs <= 0) this.add(key, now);
    else this.#delayed.set(key, now + delayMs);
  }

  /**
   * Adds it again after a failure. Returns the delay, in milliseconds, which grows with each failure until `forget`.
   */
  addAfterFailure(key: string, now: number): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#retries += 1;
    const delayMs = Math.max(backoffCeilingMs(failures, this.#retryOptions.backoff), this.#overall.reserve(now));
    this.addAfter(key, delayMs, now);
    return delayMs;
  }

  /** The failures of a key are over: the next one starts with the shortest delay. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often a key failed since it was forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Hands over the next key and how long it waited, in milliseconds. The taker owes a `done`. */
  take(now: number): { readonly key: string; readonly waitedMs: number } | undefined {
    for (let due = this.#delayed.take(now); due !== undefined; due = this.#delayed.take(now)) this.add(due, now);
    const next = this.#waiting.entries().next();
    if (next.done === true) return undefined;
    const [key, addedAt] = next.value;
    this.#waiting.delete(key);
    assert(!this.#processing.has(key), 'a key was to be processed twice at once');
    this.#processing.set(key, now);
    return { key, waitedMs: now - addedAt };
  }

  /** The taker is done with a key. Returns how long it took, in milliseconds. */
  done(key: string, now: number): number {
    const takenAt = this.#processing.get(key);
    assert(takenAt !== undefined, 'done with a key that was not taken');
    this.#processing.delete(key);
    const addedAt = this.#again.get(key);
    if (addedAt !== undefined) {
      this.#again.delete(key);
      this.#waiting.set(key, addedAt);
    }
    return now - takenAt;
  }

  /**
   * When there will be something to take: `now` or earlier where there is already, `undefined` where nothing is known
   * of.
   */
  nextAt(now: number): number | undefined {
    return this.#waiting.size > 0 ? now : this.#delayed.earliest();
  }

  figures(now: number): WorkQueueFigures {
    const running = [...this.#processing.values()].map((takenAt) => now - takenAt);
    return {
      depth: this.#waiting.size + this.#again.size,
      adds: this.#adds,
      retries: this.#retries,
      unfinishedMs: running.reduce((sum, each) => sum + each, 0),
      longestRunningMs: Math.max(0, ...running),
    };
  }
}
