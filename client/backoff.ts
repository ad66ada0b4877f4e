/** Bounds of full-jitter back-off, as the gateway says them in its hello, in milliseconds. */
export interface BackoffBounds {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Bounds before the first hello. */
export const defaultBackoff: BackoffBounds = { baseMs: 500, capMs: 20_000 };

/** A random time in [0, min(cap, base × 2^attempt)) milliseconds; `attempt` counts from 0. */
export function fullJitterMs(attempt: number, bounds: BackoffBounds, random: () => number): number {
  return random() * Math.min(bounds.capMs, bounds.baseMs * 2 ** Math.min(attempt, 52));
}

/**
 * How long to wait before each new attempt. A connection resets it only by having lasted: one that is accepted and dropped is a failed attempt,
 * however friendly its hello was.
 */
export class Backoff {
  #bounds = defaultBackoff;
  #attempt = 0;
  #openedAt: number | undefined;

  /** The bounds now in force. */
  get bounds(): BackoffBounds {
    return this.#bounds;
  }

  /** The gateway said hello at `now` and gave its bounds. */
  opened(bounds: BackoffBounds, now: number): void {
    this.#bounds = bounds;
    this.#openedAt = now;
  }

  /** A gateway gave other bounds. */
  told({ baseMs, capMs }: BackoffBounds): void {
    this.#bounds = { baseMs, capMs };
  }

  /** An attempt failed, or the connection ended, at `now`: how long to wait before the next, in milliseconds. */
  failed(now: number, random: () => number): number {
    const lasted = this.#openedAt === undefined ? -1 : now - this.#openedAt;
    if (lasted >= Math.min(lastingMs, this.#bounds.capMs)) this.#attempt = 0;
    this.#openedAt = undefined;
    return fullJitterMs(this.#attempt++, this.#bounds, random);
  }
}

const lastingMs = 10_000;
