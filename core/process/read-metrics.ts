import { Counter, Gauge, type Registry } from 'prom-client';

/** Name and help text of a metric that is read when it is scraped. */
export interface ReadMetric {
  readonly name: string;
  readonly help: string;
}

/** Registers a gauge whose value is read at each scrape. */
export function readGauge(registry: Registry, { name, help }: ReadMetric, read: () => number): void {
  void new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/**
 * Registers a counter whose value is read at each scrape.
 * @param read a sum since the start of the process, which never falls
 */
export function readCounter(registry: Registry, { name, help }: ReadMetric, read: () => number): void {
  void new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}
