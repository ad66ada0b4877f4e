import type { Metric, MetricValueWithName, Registry } from 'prom-client';
import type { ReadMetric } from './read-metrics.ts';

/** Upper bounds of the buckets, in seconds. */
export const durationBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/**
 * Counts durations in buckets. The library's histogram looks up its labels by a text made for each value, at a fiftieth
 * of a publication's cost. Here a value is two additions; the rest happens at a scrape.
 */
export class Durations {
  /** Count of each bucket, then of values beyond the last bound. */
  readonly #counts = Array.from({ length: durationBounds.length + 1 }, () => 0);
  #sum = 0;

  observe(seconds: number): void {
    let at = 0;
    while (at < durationBounds.length && seconds > (durationBounds[at] ?? 0)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += seconds;
  }

  /** Both together, as a new object. */
  plus(other: Durations): Durations {
    const both = new Durations();
    for (const at of both.#counts.keys()) both.#counts[at] = (this.#counts[at] ?? 0) + (other.#counts[at] ?? 0);
    both.#sum = this.#sum + other.#sum;
    return both;
  }

  /** Rows of a histogram; none before the first value. */
  rows<Label extends string>(name: string, labels: Readonly<Record<Label, string>>): readonly MetricValueWithName<Label | 'le'>[] {
    let count = 0;
    const buckets = this.#counts.map((more, index) => {
      count += more;
      return { metricName: `${name}_bucket`, labels: { le: durationBounds[index] ?? '+Inf', ...labels }, value: count };
    });
    if (count === 0) return [];
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ] as readonly MetricValueWithName<Label | 'le'>[];
  }
}

/**
 * Registers a histogram of seconds that is read at each scrape.
 * @param read the durations of each value of the label
 */
export function readDurations(
  registry: Registry,
  { name, help, label }: ReadMetric & { readonly label: string },
  read: () => Iterable<readonly [value: string, durations: Durations]>,
): void {
  // A registry only reads a metric's name and values; the library's type demands one of its own classes.
  const described = { name, help, type: 'histogram', labelNames: [label] };
  const get = async (): Promise<object> => {
    const values = Array.from(read(), ([value, durations]) => durations.rows(name, { [label]: value })).flat();
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  };
  registry.registerMetric({ ...described, get } as unknown as Metric);
}
