import { seriesNames, type Figures, type SeriesName } from './series.ts';

/** Samples of ten minutes, one a second. */
export const samplesMax = 600;
/** Seconds without an odd value after which a fault is over. */
const calmSeconds = 10;
/** Time between two samples, in milliseconds. */
export const sampleMs = 1_000;

/** The samples as a stream's first event has them: the newest is last. */
export interface HistoryEvent {
  /** Time of the newest sample, in Unix milliseconds. */
  readonly at: number;
  readonly series: Readonly<Partial<Record<SeriesName, readonly (number | null)[]>>>;
}

/**
 * The last ten minutes of every series that a process has: a ring of `samplesMax` samples. A series takes 2.4 kB, from
 * its first value on.
 */
export class History {
  readonly #rings = new Map<SeriesName, Float32Array>();
  #next = 0;
  #count = 0;
  #at = 0;

  /** Time of the newest sample, in Unix milliseconds; 0 before the first. */
  get at(): number {
    return this.#at;
  }

  /** Number of samples. */
  get length(): number {
    return this.#count;
  }

  /** @param at Unix milliseconds */
  add(at: number, figures: Figures): void {
    for (const name of seriesNames) {
      const value = figures[name];
      let ring = this.#rings.get(name);
      if (ring === undefined && value !== undefined) this.#rings.set(name, (ring = new Float32Array(samplesMax).fill(NaN)));
      if (ring !== undefined) ring[this.#next] = value ?? NaN;
    }
    this.#next = (this.#next + 1) % samplesMax;
    this.#count = Math.min(samplesMax, this.#count + 1);
    this.#at = at;
  }

  /** Takes the samples of an event in place of its own. */
  replace({ at, series }: HistoryEvent): void {
    this.#rings.clear();
    this.#count = Math.min(samplesMax, Math.max(0, ...Object.values(series).map((values) => values.length)));
    this.#next = this.#count % samplesMax;
    this.#at = at;
    for (const name of seriesNames) {
      const values = series[name];
      if (values === undefined) continue;
      const ring = new Float32Array(samplesMax).fill(NaN);
      for (const [index, value] of values.slice(-samplesMax).entries())
        ring[index + this.#count - Math.min(values.length, samplesMax)] = value ?? NaN;
      this.#rings.set(name, ring);
    }
  }

  /** Values of one series, the newest last; NaN where there is none. */
  values(name: SeriesName): Float32Array {
    const ring = this.#rings.get(name);
    if (ring === undefined) return new Float32Array(0);
    const values = new Float32Array(this.#count);
    const first = (this.#next - this.#count + samplesMax) % samplesMax;
    for (let index = 0; index < this.#count; index++) values[index] = ring[(first + index) % samplesMax] ?? NaN;
    return values;
  }

  /** The mean of a series over the last seconds; `undefined` without a value. */
  recent(name: SeriesName, seconds: number): number | undefined {
    const ring = this.#rings.get(name);
    if (ring === undefined) return undefined;
    let [sum, count] = [0, 0];
    for (let back = 1; back <= Math.min(seconds, this.#count); back++) {
      const value = ring[(this.#next - back + samplesMax) % samplesMax] ?? NaN;
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return count === 0 ? undefined : sum / count;
  }

  /** The least value of a series over the last seconds; `undefined` without that many samples. */
  least(name: SeriesName, seconds: number): number | undefined {
    const values = this.values(name).slice(-seconds);
    return values.length < seconds ? undefined : Math.min(...values.filter((value) => !Number.isNaN(value)));
  }

  /**
   * For how long a series has been odd, in seconds: back to its first odd value that no ten seconds without one
   * follow. 0: it is not.
   */
  lasting(name: SeriesName, isOdd: (value: number) => boolean): number {
    const values = this.values(name);
    let [first, calm] = [0, 0];
    for (let back = 1; back <= values.length && calm < calmSeconds; back++) {
      if (isOdd(values[values.length - back] ?? NaN)) [first, calm] = [back, 0];
      else calm++;
    }
    return first;
  }

  toEvent(): HistoryEvent {
    const series: Partial<Record<SeriesName, readonly (number | null)[]>> = {};
    for (const name of this.#rings.keys()) series[name] = Array.from(this.values(name), rounded);
    return { at: this.#at, series };
  }
}

/** Five digits are more than a sparkline shows; whole numbers stay exact. */
export function rounded(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  return Number.isInteger(value) ? value : Number(value.toPrecision(5));
}
