import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../core/bounded-cache.ts';
import { TokenBucket } from '../core/token-bucket.ts';

/** Whether a publication may pass, or the milliseconds until one may. */
export type RateDecision = { readonly kind: 'taken' } | { readonly kind: 'wait'; readonly afterMs: number };

/**
 * A token bucket for each channel with a rate. It holds one second's worth, so the whole rate may come in one burst.
 *
 * A full bucket is the same as none, so a full table forgets the channel that is quiet longest.
 */
export class ChannelRates {
  readonly #buckets: LRUCache<string, TokenBucket>;

  constructor(options: { readonly channelsMax: number }) {
    this.#buckets = boundedCache(options.channelsMax);
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one publication from the channel's rate `perSecond`; `now` in milliseconds. */
  take(channel: string, perSecond: number, now: number): RateDecision {
    let bucket = this.#buckets.get(channel);
    if (bucket === undefined) this.#buckets.set(channel, (bucket = new TokenBucket(perSecond, now)));
    if (bucket.tryTake(now, perSecond, perSecond)) return { kind: 'taken' };
    return { kind: 'wait', afterMs: bucket.waitMs(perSecond) };
  }
}
