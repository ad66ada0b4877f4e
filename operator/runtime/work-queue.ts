import assert from 'node:assert/strict';
import { backoffCeilingMs, type BackoffBounds } from '../../core/backoff.ts';
import { DueHeap } from './due-heap.ts';
import { RateLimit, type RateLimitOptions } from './rate-limit.ts';

/**
 * Kubernetes' own figures but for the cap: 5 ms, doubled for each failure of a key, and 10 retries a second of all keys
 * together, in bursts of 100. Every change of an object is one attempt, so an outage of the API server soon makes 20
 * failures in a row. With Kubernetes' cap of 1000 s a pool would then rest for a quarter of an hour.
 */
export const defaultRetries: RetryOptions = { backoff: { baseMs: 5, capMs: 10_000 }, overall: { ratePerSecond: 10, burst: 100 } };

export interface RetryOptions {
  readonly backoff: BackoffBounds;
  readonly overall: RateLimitOptions;
}

/** Figures for the queue's metrics; times in milliseconds. */
export interface WorkQueueFigures {
  readonly depth: number;
  readonly adds: number;
  readonly retries: number;
  readonly unfinishedMs: number;
  readonly longestRunningMs: number;
}

/**
 * Keys that wait for a reconcile, first come first served.
 *
 * A key is *dirty* from its add until it is taken, and *processing* from then until it is done. Adding a dirty key
 * changes nothing. A key that is added while it is processing waits until it is done, so no key is processed twice at
 * once. No change after the beginning of a reconcile is missed, and a thousand changes of one object are one reconcile.
 */
export class WorkQueue {
  readonly #retryOptions: RetryOptions;
  readonly #overall: RateLimit;
  /** Dirty keys that can be taken, in order, with the time of their add. */
  readonly #waiting = new Map<string, number>();
  /** Keys that workers process, with the time when they were taken. */
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

  /** Adds the key in `delayMs` milliseconds. Of several delays the earliest counts. */
  addAfter(key: string, delayMs: number, now: number): void {
    if (delayMs <= 0) this.add(key, now);
    else this.#delayed.set(key, now + delayMs);
  }

  /**
   * Adds the key again after a failure.
   * @returns the delay in milliseconds, which grows with each failure until `forget`
   */
  addAfterFailure(key: string, now: number): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#retries += 1;
    const delayMs = Math.max(backoffCeilingMs(failures, this.#retryOptions.backoff), this.#overall.reserve(now));
    this.addAfter(key, delayMs, now);
    return delayMs;
  }

  /** Ends a row of failures: the next one starts with the shortest delay. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Failures of the key in a row. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Takes the next key, with its waiting time in milliseconds. The taker owes a `done`. */
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

  /**
   * Ends the processing of a key.
   * @returns how long it took, in milliseconds
   */
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

  /** When the next key can be taken: `now` or earlier for a waiting key, `undefined` without keys. */
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
