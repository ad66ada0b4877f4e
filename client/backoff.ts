import { backoffMs, type BackoffBounds } from '../core/backoff.ts';

/** Bounds before a gateway gives any, in milliseconds. */
export const defaultBackoff: BackoffBounds = { baseMs: 500, capMs: 20_000 };

/** Shortest life of a connection that counts as a success, in milliseconds. */
const lastingMs = 10_000;

/**
 * The wait before each new attempt. Only a connection that lasted resets it. A connection that was greeted and dropped
 * soon is a failed attempt.
 */
export class Backoff {
  #bounds = defaultBackoff;
  #failures = 0;
  #openedAt: number | undefined;
  #wait = { failures: 0, draw: 0 };

  /** The bounds now in force. */
  get bounds(): BackoffBounds {
    return this.#bounds;
  }

  /** The gateway said hello at `now` and gave its bounds. */
  opened(bounds: BackoffBounds, now: number): void {
    this.told(bounds);
    this.#openedAt = now;
  }

  /** A gateway gave other bounds: in a `backoff`, or in an answer to `GET /v1/connect`. */
  told({ baseMs, capMs }: BackoffBounds): void {
    this.#bounds = { baseMs, capMs };
  }

  /**
   * An attempt failed, or the connection ended, at `now`. Returns the wait before the next attempt, in milliseconds.
   */
  failed(now: number, random: () => number): number {
    const lasted = this.#openedAt === undefined ? -1 : now - this.#openedAt;
    if (lasted >= Math.min(lastingMs, this.#bounds.capMs)) this.#failures = 0;
    this.#openedAt = undefined;
    this.#wait = { failures: this.#failures++, draw: random() };
    return this.waitMs;
  }

  /** The wait after the last failure, with the bounds now in force, in milliseconds. */
  get waitMs(): number {
    const { failures, draw } = this.#wait;
    return backoffMs(failures, this.#bounds, () => draw);
  }
}
