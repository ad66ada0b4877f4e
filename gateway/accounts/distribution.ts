import type { Metric, Registry } from 'prom-client';

/** One observation with its trace, in the form of `prom-client`; the timestamp is in Unix seconds. */
interface Exemplar {
  readonly labelSet: { readonly trace_id: string };
  readonly value: number;
  readonly timestamp: number;
}

/**
 * A histogram without labels whose observation only adds to two existing numbers. `prom-client`'s histogram looks up
 * labels and allocates at each observation, and a gateway makes several for every publication.
 */
export class Distribution {
  readonly #buckets: readonly number[];
  /** Count of each bucket, and of the values beyond the last. */
  readonly #counts: Float64Array;
  #sum = 0;
  /** The newest exemplar of each bucket; absent without traces. */
  #exemplars: (Exemplar | undefined)[] | undefined;

  /** @param options.buckets upper bounds, rising */
  constructor(registry: Registry, options: { readonly name: string; readonly help: string; readonly buckets: readonly number[] }) {
    this.#buckets = options.buckets;
    this.#counts = new Float64Array(options.buckets.length + 1);
    const { name, help } = options;
    const metric = {
      name,
      help,
      type: 'histogram',
      labelNames: [],
      aggregator: 'sum',
      get: async () => ({ ...metric, values: this.#values(name) }),
    };
    registry.registerMetric(metric as unknown as Metric);
  }

  observe(value: number): void {
    const bucket = this.#bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  /**
   * Names the trace of an observed value; OpenMetrics shows the newest of each bucket.
   * @param now Unix milliseconds
   */
  exemplify(value: number, traceId: string, now: number): void {
    this.#exemplars ??= [];
    this.#exemplars[this.#bucketOf(value)] = { labelSet: { trace_id: traceId }, value, timestamp: now / 1000 };
  }

  #bucketOf(value: number): number {
    let bucket = 0;
    while (bucket < this.#buckets.length && value > (this.#buckets[bucket] ?? Infinity)) bucket++;
    return bucket;
  }

  #values(name: string): readonly object[] {
    let count = 0;
    const buckets = [...this.#buckets, '+Inf'].map((le, index) => {
      count += this.#counts[index] ?? 0;
      const exemplar = this.#exemplars?.[index];
      return { labels: { le }, value: count, metricName: `${name}_bucket`, ...(exemplar === undefined ? {} : { exemplar }) };
    });
    return [
      ...buckets,
      { labels: {}, value: this.#sum, metricName: `${name}_sum` },
      { labels: {}, value: count, metricName: `${name}_count` },
    ];
  }
}
