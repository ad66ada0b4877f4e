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
  | { readonly kind: 'create'; readonly id: string }
  /** It happened again: write the count. */
  | { readonly kind: 'count'; readonly id: string; readonly count: number }
  /** It happened again, but its count was written a moment ago. */
  | { readonly kind: 'keep' }
  /** Its object has too many different ones. */
  | { readonly kind: 'drop' };

export interface EventSeriesOptions {
  /** A repetition after this long is a new event. */
  readonly windowMs: number;
  /** The least time between two writes of one count. */
  readonly countEveryMs: number;
  /** New events of one object: so many Normal ones, and as many Warnings, which a crowd of Normal ones does not silence. */
  readonly perObject: RateLimitOptions;
  /** Series and objects that are remembered; the oldest are forgotten first. */
  readonly rememberedMax: number;
}

/** Kubernetes' own: a series lasts six minutes; an object may have 25 different events at once, then one in five minutes. */
export const defaultEventSeries: EventSeriesOptions = {
  windowMs: 360_000,
  countEveryMs: 30_000,
  perObject: { ratePerSecond: 1 / 300, burst: 25 },
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
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, RateLimit>();
  #created = 0;

  constructor(options: EventSeriesOptions) {
    this.#options = options;
  }

  /** Takes an occurrence of `now`, in milliseconds. */
  occurred(occurrence: Occurrence, now: number): EventStep {
    const { regarding, type, reason, action, note } = occurrence;
    const key = [regarding.uid, type, reason, action, note].join('\n');
    const series = this.#series.get(key);
    if (series !== undefined && now - series.lastAt <= this.#options.windowMs) return this.#repeated(series, now);
    if (!this.#budget(`${regarding.uid} ${type}`, now).tryTake(now)) return { kind: 'drop' };
    this.#created += 1;
    const id = `${this.#created}`;
    this.#series.delete(key);
    this.#series.set(key, { id, count: 1, lastAt: now, writtenAt: now });
    forgetOldest(this.#series, this.#options.rememberedMax);
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
    const made = new RateLimit(this.#options.perObject, now);
    this.#budgets.set(key, made);
    forgetOldest(this.#budgets, this.#options.rememberedMax);
    return made;
  }
}

function forgetOldest(map: Map<string, unknown>, sizeMax: number): void {
  for (const key of map.keys()) {
    if (map.size <= sizeMax) return;
    map.delete(key);
  }
}
