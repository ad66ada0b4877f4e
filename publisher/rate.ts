import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../core/bounded-cache.ts';
import { TokenBucket } from '../core/token-bucket.ts';

/** Whether publications may pass, or the milliseconds until they may. */
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

  /**
   * Takes publications from the channel's rate `perSecond`, all or none; `now` in milliseconds.
   * @param count at most `perSecond`: more never come at once
   */
  take(channel: string, perSecond: number, now: number, count = 1): RateDecision {
    let bucket = this.#buckets.get(channel);
    if (bucket === undefined) this.#buckets.set(channel, (bucket = new TokenBucket(perSecond, now)));
    if (bucket.tryTake(now, perSecond, perSecond, count)) return { kind: 'taken' };
    return { kind: 'wait', afterMs: bucket.waitMs(perSecond, count) };
  }
}
