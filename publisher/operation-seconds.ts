import type { Metric, MetricValueWithName, Registry } from 'prom-client';

/** An operation of the publish API, by either transport. */
export type Operation = (typeof operations)[number];

/** An operation that both transports have. */
export type MeshOperation = Exclude<Operation, 'history'>;

const operations = ['mesh.publish', 'mesh.send', 'conn.call', 'history'] as const;
export const upperBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Times of one operation: the count of each bucket, then of values beyond the last bound, and the sum in seconds. */
interface Times {
  readonly counts: number[];
  sum: number;
}

/**
 * A histogram of seconds by operation. The library's histogram looks up its labels by a text made for each value, at a
 * fiftieth of a publication's cost. Here a value is two additions; the rest happens at a scrape.
 */
export class OperationSeconds {
  readonly #name: string;
  readonly #help: string;
  readonly #times: Readonly<Record<Operation, Times>>;

  /** Registers the histogram. */
  constructor(registry: Registry, { name, help }: { readonly name: string; readonly help: string }) {
    this.#name = name;
    this.#help = help;
    const none = (): Times => ({ counts: Array.from({ length: upperBounds.length + 1 }, () => 0), sum: 0 });
    this.#times = { 'mesh.publish': none(), 'mesh.send': none(), 'conn.call': none(), history: none() };
    // A registry only reads a metric's name and values; the library's type demands one of its own classes.
    const described = { name, help, type: 'histogram', labelNames: ['operation'] };
    registry.registerMetric({ ...described, get: async () => this.#read() } as unknown as Metric);
  }

  observe(operation: Operation, seconds: number): void {
    const times = this.#times[operation];
    let at = 0;
    while (at < upperBounds.length && seconds > (upperBounds[at] ?? 0)) at++;
    times.counts[at] = (times.counts[at] ?? 0) + 1;
    times.sum += seconds;
  }

  #read(): object {
    // Operations without requests have no rows.
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
