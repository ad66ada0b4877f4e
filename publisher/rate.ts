/** Whether a publication may go, or after how many milliseconds one may. */
export type RateDecision = { readonly kind: 'taken' } | { readonly kind: 'wait'; readonly afterMs: number };

/** What one publication costs. Credit rises by the rate each millisecond, so that it stays an integer and nothing is rounded. */
const cost = 1000;

interface Bucket {
  credit: number;
  refilledAt: number;
}

/**
 * A token bucket for each channel that has a rate: it holds one second's worth, so that the rate may come in one burst.
 *
 * A full bucket is the same as none. So the channel that was quiet longest is the one to forget where the table is full.
 */
export class ChannelRates {
  readonly #channelsMax: number;
  /** In the order of use, the one that was quiet longest first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: { readonly channelsMax: number }) {
    this.#channelsMax = options.channelsMax;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one publication out of the channel's `perSecond`; `now` in milliseconds. */
  take(channel: string, perSecond: number, now: number): RateDecision {
    const bucket = this.#buckets.get(channel) ?? { credit: perSecond * cost, refilledAt: now };
    // A clock that was set back adds nothing; without the bound it would stop the channel until the old time is reached again.
    const elapsedMs = Math.max(0, now - bucket.refilledAt);
    bucket.credit = Math.min(perSecond * cost, bucket.credit + elapsedMs * perSecond);
    bucket.refilledAt = now;
    this.#buckets.delete(channel);
    this.#buckets.set(channel, bucket);
    if (this.#buckets.size > this.#channelsMax) this.#forgetQuietest();
    if (bucket.credit < cost) return { kind: 'wait', afterMs: Math.ceil((cost - bucket.credit) / perSecond) };
    bucket.credit -= cost;
    return { kind: 'taken' };
  }

  #forgetQuietest(): void {
    for (const channel of this.#buckets.keys()) {
      this.#buckets.delete(channel);
      return;
    }
  }
}
