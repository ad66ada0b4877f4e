import { backoffMs, type BackoffBounds } from '../core/backoff.ts';

/** Bounds before the first word of a gateway, in milliseconds. */
export const defaultBackoff: BackoffBounds = { baseMs: 500, capMs: 20_000 };

/** How long a connection must have been open to count as a success, in milliseconds. */
const lastingMs = 10_000;

/**
 * How long to wait before each new attempt. A connection resets it only by having lasted: one that is accepted and
 * dropped is a failed attempt, however friendly its hello was.
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

  /** An attempt failed, or the connection ended, at `now`: how long to wait before the next, in milliseconds. */
  failed(now: number, random: () => number): number {
    const lasted = this.#openedAt === undefined ? -1 : now - this.#openedAt;
    if (lasted >= Math.min(lastingMs, this.#bounds.capMs)) this.#failures = 0;
    this.#openedAt = undefined;
    this.#wait = { failures: this.#failures++, draw: random() };
    return this.waitMs;
  }

  /** The wait that the last failure was followed by, with the bounds now in force, in milliseconds. */
  get waitMs(): number {
    const { failures, draw } = this.#wait;
    return backoffMs(failures, this.#bounds, () => draw);
  }
}
