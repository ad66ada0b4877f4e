import type { Figures, SeriesName } from './series.ts';

/** Counts of a histogram since the start: of each bucket, not cumulated, and of the values beyond the last bound. */
export interface Distributed {
  /** Upper bounds of the buckets, rising. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** What a process reads of itself at one moment. */
export interface Readings {
  /** Values that hold now. */
  readonly now: Figures;
  /** Sums since the start, from which rates follow. */
  readonly totals: Readonly<Partial<Record<SeriesName, number>>>;
  readonly distributions: Readonly<Partial<Record<DistributionName, Distributed>>>;
}

export type DistributionName = 'merged' | 'window' | 'latency' | 'publish';

/** The figures of the time between two readings. */
export function figuresOf(before: Readings | undefined, readings: Readings, seconds: number): Figures {
  const figures: Partial<Record<SeriesName, number | null>> = { ...readings.now };
  for (const [name, total] of Object.entries(readings.totals) as [SeriesName, number][]) {
    const earlier = before?.totals[name];
    figures[name] = earlier === undefined || seconds <= 0 ? null : Math.max(0, total - earlier) / seconds;
  }
  const of = (name: DistributionName): Distributed | undefined => difference(before?.distributions[name], readings.distributions[name]);
  const { distributions } = readings;
  if (distributions.merged !== undefined) figures.merged = meanOf(of('merged'));
  if (distributions.window !== undefined) figures.window = meanOf(of('window'));
  if (distributions.latency !== undefined) {
    figures.latencyP50 = quantileOf(of('latency'), 0.5);
    figures.latencyP99 = quantileOf(of('latency'), 0.99);
  }
  if (distributions.publish !== undefined) {
    figures.publishP50 = quantileOf(of('publish'), 0.5);
    figures.publishP99 = quantileOf(of('publish'), 0.99);
  }
  return figures;
}

/** The readings of several parts of one process. */
export function joined(...parts: readonly Readings[]): Readings {
  return {
    now: Object.assign({}, ...parts.map(({ now }) => now)) as Readings['now'],
    totals: Object.assign({}, ...parts.map(({ totals }) => totals)) as Readings['totals'],
    distributions: Object.assign({}, ...parts.map(({ distributions }) => distributions)) as Readings['distributions'],
  };
}

function difference(before: Distributed | undefined, after: Distributed | undefined): Distributed | undefined {
  if (before === undefined || after === undefined) return undefined;
  return {
    bounds: after.bounds,
    counts: after.counts.map((count, index) => count - (before.counts[index] ?? 0)),
    sum: after.sum - before.sum,
  };
}

function meanOf(distributed: Distributed | undefined): number | null {
  const count = distributed?.counts.reduce((sum, each) => sum + each, 0) ?? 0;
  return distributed === undefined || count <= 0 ? null : distributed.sum / count;
}

/**
 * A quantile, as Prometheus' `histogram_quantile` estimates it: evenly within its bucket, and the last bound for values
 * beyond it. `null` without a value.
 */
export function quantileOf(distributed: Distributed | undefined, quantile: number): number | null {
  const count = distributed?.counts.reduce((sum, each) => sum + each, 0) ?? 0;
  if (distributed === undefined || count <= 0) return null;
  let rank = quantile * count;
  for (const [index, bound] of distributed.bounds.entries()) {
    const here = distributed.counts[index] ?? 0;
    const from = index === 0 ? 0 : (distributed.bounds[index - 1] ?? 0);
    if (rank <= here) return here === 0 ? from : from + (bound - from) * (rank / here);
    rank -= here;
  }
  return distributed.bounds.at(-1) ?? null;
}
