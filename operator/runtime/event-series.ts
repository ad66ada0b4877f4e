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

/** An incident that the operator's user should know of. */
export interface Occurrence {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  /** Why, in CamelCase: one of a small, fixed set. */
  readonly reason: string;
  /** The action that was done or tried, in CamelCase. */
  readonly action: string;
  /** The sentence, with its numbers. */
  readonly note: string;
}

/** Decision about an occurrence. `id` is unique for each series; the next series of the same words has another. */
export type EventStep =
  /** `isCombined`: its reason has exceeded `perReason`, so this event stands for later ones with other words too. */
  | { readonly kind: 'create'; readonly id: string; readonly isCombined: boolean }
  /** A repetition whose count is to be written. */
  | { readonly kind: 'count'; readonly id: string; readonly count: number }
  /** A repetition shortly after its count was written. */
  | { readonly kind: 'keep' };

export interface EventSeriesOptions {
  /** A repetition after this time is a new event, in milliseconds. */
  readonly windowMs: number;
  /** Least time between two writes of one count, in milliseconds. */
  readonly countEveryMs: number;
  /**
   * Rate of distinct events of one object and one reason. One reason never silences another. Beyond the rate events are
   * combined.
   */
  readonly perReason: RateLimitOptions;
  /** Bound of the remembered series and rates; the longest unused are forgotten first. */
  readonly rememberedMax: number;
}

/**
 * Kubernetes' own figures, but for each reason. A series lasts six minutes. An object may have 25 different events at
 * once, then one in five minutes.
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

/** Decides which occurrences become an event and which only raise a count. */
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

  /** @param now monotonic milliseconds */
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
