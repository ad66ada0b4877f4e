import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../core/bounded-cache.ts';
import { TokenBucket } from '../core/token-bucket.ts';

/** Whether a publication may go, or after how many milliseconds one may. */
export type RateDecision = { readonly kind: 'taken' } | { readonly kind: 'wait'; readonly afterMs: number };

/**
 * A token bucket for each channel that has a rate: it holds one second's worth, so that the rate may come in one burst.
 *
 * A full bucket is the same as none. So the channel that was quiet longest is the one to forget where the table is
 * full.
 */
export class ChannelRates {
  readonly #buckets: LRUCache<string, TokenBucket>;

  constructor(options: { readonly channelsMax: number }) {
    this.#buckets = boundedCache(options.channelsMax);
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one publication out of the channel's `perSecond`; `now` in milliseconds. */
  take(channel: string, perSecond: number, now: number): RateDecision {
    let bucket = this.#buckets.get(channel);
    if (bucket === undefined) this.#buckets.set(channel, (bucket = new TokenBucket(perSecond, now)));
    if (bucket.tryTake(now, perSecond, perSecond)) return { kind: 'taken' };
    return { kind: 'wait', afterMs: bucket.waitMs(perSecond) };
  }
}
