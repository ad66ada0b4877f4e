import type { Metric, MetricValueWithName, Registry } from 'prom-client';

/** What the publish API can be asked to do, by either transport. */
export type Operation = (typeof operations)[number];

const operations = ['mesh.publish', 'mesh.send', 'conn.call'] as const;
export const upperBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/**
 * Of one operation: how many took up to each bound and longer than the one before, the last those beyond all; and the
 * sum of their seconds.
 */
interface Times {
  readonly counts: number[];
  sum: number;
}

/**
 * A histogram of seconds by operation. The library's looks its labels up by a text that it makes for each value, a
 * fiftieth of what a publication costs; here a value is two additions, and the rest is left to a scrape.
 */
export class OperationSeconds {
  readonly #name: string;
  readonly #help: string;
  readonly #times: Readonly<Record<Operation, Times>>;

  /** Registers it. */
  constructor(registry: Registry, { name, help }: { readonly name: string; readonly help: string }) {
    this.#name = name;
    this.#help = help;
    const none = (): Times => ({ counts: Array.from({ length: upperBounds.length + 1 }, () => 0), sum: 0 });
    this.#times = { 'mesh.publish': none(), 'mesh.send': none(), 'conn.call': none() };
    // A registry asks a metric for its name and its values only; the library's type says that it is one of its own
    // classes.
    registry.registerMetric({ name, get: async () => this.#read() } as unknown as Metric);
  }

  observe(operation: Operation, seconds: number): void {
    const times = this.#times[operation];
    let at = 0;
    while (at < upperBounds.length && seconds > (upperBounds[at] ?? 0)) at++;
    times.counts[at] = (times.counts[at] ?? 0) + 1;
    times.sum += seconds;
  }

  #read(): object {
    // Operations that were never asked for have no rows.
    const values = operations.flatMap((operation) => rowsOf(this.#name, operation, this.#times[operation]));
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values };
  }
}

function rowsOf(name: string, operation: Operation, { counts, sum }: Times): readonly MetricValueWithName<'operation' | 'le'>[] {
  let count = 0;
  const buckets = counts.map((more, index) => {
    count += more;
    return { metricName: `${name}_bucket`, labels: { le: upperBounds[index] ?? '+Inf', operation }, value: count };
  });
  if (count === 0) return [];
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: { operation }, value: sum },
    { metricName: `${name}_count`, labels: { operation }, value: count },
  ];
}
