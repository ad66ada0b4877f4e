import type { Registry } from 'prom-client';
import { Durations, readDurations } from '../core/process/durations.ts';
import type { ReadMetric } from '../core/process/read-metrics.ts';

/** An operation of the publish API, by either transport. */
export type Operation = (typeof operations)[number];

/** An operation that both transports have. */
export type MeshOperation = Exclude<Operation, 'history' | 'publish' | 'recall' | 'clear'>;

const operations = ['mesh.publish', 'mesh.send', 'conn.call', 'publish', 'history', 'recall', 'clear'] as const;

/** A histogram of seconds by operation. */
export class OperationSeconds {
  readonly #times = new Map<Operation, Durations>(operations.map((operation) => [operation, new Durations()]));

  /** Registers the histogram. */
  constructor(registry: Registry, metric: ReadMetric) {
    readDurations(registry, { ...metric, label: 'operation' }, () => this.#times);
  }

  observe(operation: Operation, seconds: number): void {
    this.#times.get(operation)?.observe(seconds);
  }
}
