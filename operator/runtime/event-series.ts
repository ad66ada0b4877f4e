import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../../core/bounded-cache.ts';
import { RateLimit, type RateLimitOptions } from './rate-limit.ts';

/** The object that an event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Something that an operator's user should know. */
export interface Occurrence {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  /** Why, in CamelCase: one of a known, small number of words. */
  readonly reason: string;
  /** What was done or tried, in CamelCase. */
  readonly action: string;
  /** The sentence, with its numbers. */
  readonly note: string;
}

/** What to do with an occurrence. `id` tells one series from another; the n-th series of the same words has another. */
export type EventStep =
  /**
   * `isCombined`: there are too many of its reason, so this one stands for others with other words, which are counted
   * with it.
   */
  | { readonly kind: 'create'; readonly id: string; readonly isCombined: boolean }
  /** It happened again: write the count. */
  | { readonly kind: 'count'; readonly id: string; readonly count: number }
  /** It happened again, but its count was written a moment ago. */
  | { readonly kind: 'keep' };

export interface EventSeriesOptions {
  /** A repetition after this long is a new event. */
  readonly windowMs: number;
  /** The least time between two writes of one count. */
  readonly countEveryMs: number;
  /**
   * Events with words of their own, of one object and one reason: what is told of each gateway silences nothing else.
   * Beyond it they are combined.
   */
  readonly perReason: RateLimitOptions;
  /** Series and reasons of objects that are remembered; the longest unused are forgotten first. */
  readonly rememberedMax: number;
}

/**
 * Kubernetes' own, but for each reason: a series lasts six minutes; an object may have 25 different events at once,
 * then one in five minutes.
 */
export const defaultEventSeries: EventSeriesOptions = {
  windowMs: 360_000,
  countEveryMs: 30_000,
  perReason: { ratePerSecond: 1 / 300, burst: 25 },
  rememberedMax: 4096,
};

interface Series {
  readonly id: string;
  count: number;
  lastAt: number;
  writtenAt: number;
}

/** Which occurrences become an event, and which are the same again. */
export class EventSeries {
  readonly #options: EventSeriesOptions;
  readonly #series: LRUCache<string, Series>;
  readonly #budgets: LRUCache<string, RateLimit>;
  #created = 0;

  constructor(options: EventSeriesOptions) {
    this.#options = options;
    this.#series = boundedCache(options.rememberedMax);
    this.#budgets = boundedCache(options.rememberedMax);
  }

  /** Takes an occurrence of `now`, in milliseconds. */
  occurred({ regarding, type, reason, action, note }: Occurrence, now: number): EventStep {
    const ofReason = [regarding.uid, type, reason, action].join('\n');
    const ownKey = `${ofReason}\n${note}`;
    const own = this.#lasting(ownKey, now);
    if (own !== undefined) return this.#repeated(own, now);
    if (this.#budget(ofReason, now).tryTake(now)) return { ...this.#begin(ownKey, now), isCombined: false };
    const others = this.#lasting(ofReason, now);
    return others === undefined ? { ...this.#begin(ofReason, now), isCombined: true } : this.#repeated(others, now);
  }

  #lasting(key: string, now: number): Series | undefined {
    const series = this.#series.get(key);
    return series !== undefined && now - series.lastAt <= this.#options.windowMs ? series : undefined;
  }

  #begin(key: string, now: number): { readonly kind: 'create'; readonly id: string } {
    this.#created += 1;
    const id = `${this.#created}`;
    this.#series.set(key, { id, count: 1, lastAt: now, writtenAt: now });
    return { kind: 'create', id };
  }

  #repeated(series: Series, now: number): EventStep {
    series.count += 1;
    series.lastAt = now;
    if (now - series.writtenAt < this.#options.countEveryMs) return { kind: 'keep' };
    series.writtenAt = now;
    return { kind: 'count', id: series.id, count: series.count };
  }

  #budget(key: string, now: number): RateLimit {
    const known = this.#budgets.get(key);
    if (known !== undefined) return known;
    const made = new RateLimit(this.#options.perReason, now);
    this.#budgets.set(key, made);
    return made;
  }
}
