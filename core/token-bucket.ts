/** Tolerated rounding error, in tokens: sums of thousandths are not exact. */
const tolerance = 1e-9;

/**
 * A rate with a burst: `ratePerSecond` tokens flow in, and at most `burst` are kept. Starts full. The caller gives the
 * time in milliseconds. No tokens flow while it runs backwards.
 */
export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(burst: number, now: number) {
    this.#tokens = burst;
    this.#at = now;
  }

  /** Whole tokens that are available now. */
  available(now: number, ratePerSecond: number, burst: number): number {
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, now - this.#at) * ratePerSecond) / 1000);
    this.#at = now;
    return Math.max(0, Math.floor(this.#tokens + tolerance));
  }

  /**
   * Takes tokens and returns the rest, which may be negative: a debt must flow in before tokens are available again.
   */
  take(count: number): number {
    this.#tokens -= count;
    return this.#tokens;
  }

  /** Takes tokens if as many are available. */
  tryTake(now: number, ratePerSecond: number, burst: number, count = 1): boolean {
    if (this.available(now, ratePerSecond, burst) < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Whole milliseconds from the last `available` or `tryTake` until tokens are available. */
  waitMs(ratePerSecond: number, count = 1): number {
    return Math.max(0, Math.ceil(((count - tolerance - this.#tokens) * 1000) / ratePerSecond));
  }
}
