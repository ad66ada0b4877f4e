/** Number of the newest times that are kept. */
const timesMax = 8;

/**
 * The gateway's clock, in Unix milliseconds, seen from a client. A time that a gateway tells is older on arrival by the
 * way that it took. So the estimate is late by the shortest way among the newest times, and never early.
 */
export class ServerClock {
  /** How far each time was ahead of the client's monotonic clock. */
  #aheadMs: number[] = [];

  /** A new connection's gateway told its time, which arrived at `at` of the monotonic clock. */
  greeted(now: number, at: number): void {
    this.#aheadMs = [now - at];
  }

  /** A further time of a gateway. */
  told(now: number, at: number): void {
    this.#aheadMs = [...this.#aheadMs.slice(1 - timesMax), now - at];
  }

  /** The gateway's time at `at`; `undefined` while no gateway has told one. */
  at(at: number): number | undefined {
    return this.#aheadMs.length === 0 ? undefined : at + Math.max(...this.#aheadMs);
  }
}
