import { TokenBucket } from '../../core/token-bucket.ts';

export interface RateLimitOptions {
  readonly ratePerSecond: number;
  readonly burst: number;
}

/**
 * A rate that is kept by waiting: who comes when nothing is left goes into debt, and waits until it has flowed in.
 * First come, first served.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #bucket: TokenBucket;

  constructor(options: RateLimitOptions, now: number) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.burst, now);
  }

  /** Takes the next place; how long to wait for it, in milliseconds. */
  reserve(now: number): number {
    const { ratePerSecond, burst } = this.#options;
    this.#bucket.available(now, ratePerSecond, burst);
    const left = this.#bucket.take(1);
    return left >= 0 ? 0 : (-left / ratePerSecond) * 1000;
  }

  /** Takes a place only where there is no wait for it. */
  tryTake(now: number): boolean {
    return this.#bucket.tryTake(now, this.#options.ratePerSecond, this.#options.burst);
  }
}
