import type { Registry } from 'prom-client';
import type { Distributed } from './view/readings.ts';

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/** Reads single metrics of a registry, as a scrape would, without making the text of all of them. */
export class RegistryReader {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** The sum of a metric's samples with these labels; `undefined` for a metric that the process does not have. */
  async sum(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const samples = await this.#samples(name);
    if (samples === undefined) return undefined;
    const wanted = Object.entries(labels);
    let sum = 0;
    for (const sample of samples) if (wanted.every(([label, value]) => sample.labels[label] === value)) sum += sample.value;
    return sum;
  }

  /** The sums of a metric's samples by the values of one label; empty for a metric that the process does not have. */
  async sumsBy(name: string, label: string): Promise<Readonly<Record<string, number>>> {
    const sums: Record<string, number> = {};
    for (const { labels, value } of (await this.#samples(name)) ?? []) {
      const key = String(labels[label] ?? '');
      sums[key] = (sums[key] ?? 0) + value;
    }
    return sums;
  }

  /** A histogram with these labels; `undefined` for one that the process does not have. */
  async distribution(name: string, labels: Readonly<Record<string, string>> = {}): Promise<Distributed | undefined> {
    const samples = await this.#samples(name);
    if (samples === undefined) return undefined;
    const cumulated = new Map<number, number>();
    let sum = 0;
    const wanted = Object.entries(labels);
    for (const { labels: own, value, metricName } of samples) {
      if (!wanted.every(([label, each]) => own[label] === each)) continue;
      if (metricName === `${name}_sum`) sum += value;
      else if (metricName === `${name}_bucket`) {
        const bound = own['le'] === '+Inf' ? Infinity : Number(own['le']);
        cumulated.set(bound, (cumulated.get(bound) ?? 0) + value);
      }
    }
    const bounds = [...cumulated.keys()].toSorted((one, other) => one - other);
    const counts = bounds.map((bound, index) => (cumulated.get(bound) ?? 0) - (cumulated.get(bounds[index - 1] ?? NaN) ?? 0));
    return { bounds: bounds.filter(Number.isFinite), counts, sum };
  }

  async #samples(name: string): Promise<readonly Sample[] | undefined> {
    const metric = this.#registry.getSingleMetric(name);
    return metric === undefined ? undefined : ((await metric.get()).values as readonly Sample[]);
  }
}
