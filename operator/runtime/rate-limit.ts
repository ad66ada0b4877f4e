import { TokenBucket } from '../../core/token-bucket.ts';

export interface RateLimitOptions {
  readonly ratePerSecond: number;
  readonly burst: number;
}

/**
 * A rate that callers keep by waiting, first come first served. A reservation beyond the rate makes a debt; its caller
 * waits until the debt is paid.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #bucket: TokenBucket;

  constructor(options: RateLimitOptions, now: number) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.burst, now);
  }

  /**
   * Takes a token, possibly on debt.
   * @returns milliseconds to wait before using it
   */
  reserve(now: number): number {
    const { ratePerSecond, burst } = this.#options;
    this.#bucket.available(now, ratePerSecond, burst);
    const left = this.#bucket.take(1);
    return left >= 0 ? 0 : (-left / ratePerSecond) * 1000;
  }

  /** Takes a token where one is there at once. */
  tryTake(now: number): boolean {
    return this.#bucket.tryTake(now, this.#options.ratePerSecond, this.#options.burst);
  }
}
