/**
 * A rate with a burst: `ratePerSecond` tokens flow in, at most `burst` are kept. Starts full.
 * Time is given by the caller, in milliseconds, and must not run backwards (if it does, no tokens flow).
 */
export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(burst: number, now: number) {
    this.#tokens = burst;
    this.#at = now;
  }

  /** Whole tokens that could be taken now. */
  available(now: number, ratePerSecond: number, burst: number): number {
    if (now > this.#at) {
      this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * ratePerSecond) / 1000);
      this.#at = now;
    }
    return Math.max(0, Math.floor(this.#tokens + 1e-9));
  }

  /** Takes tokens, also ones that are not there: the debt must flow in before others are available. Returns what is left. */
  take(count: number): number {
    this.#tokens -= count;
    return this.#tokens;
  }
}
