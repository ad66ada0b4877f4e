import { Counter, Gauge, type Registry } from 'prom-client';

/** One series of a metric with labels: its labels and its value. */
export type Series<Label extends string> = readonly [labels: Readonly<Record<Label, string>>, value: number];

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

/** A metric with labels that is read when it is scraped. */
export interface ReadSeries<Label extends string> extends ReadMetric {
  readonly labelNames: readonly Label[];
}

/** Registers a gauge whose series are read at each scrape. A series that is not read any more is gone. */
export function readGauges<Label extends string>(registry: Registry, metric: ReadSeries<Label>, read: () => Iterable<Series<Label>>): void {
  void new Gauge<Label>({
    ...metric,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.set(labels, value);
    },
  });
}

/**
 * Registers a counter whose series are read at each scrape. A series that is not read any more is gone.
 * @param read sums since the start of their series, which never fall
 */
export function readCounters<Label extends string>(
  registry: Registry,
  metric: ReadSeries<Label>,
  read: () => Iterable<Series<Label>>,
): void {
  void new Counter<Label>({
    ...metric,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

/** Registers `barrage_bus_up`, once in a registry: a gateway and a publisher in one process share it. */
export function exportBusUp(registry: Registry, isUp: () => boolean): void {
  const help =
    '1 while the bus can be used: the one that the pool publishes to, and while the pool joins the main bus of this process, that one too.';
  readGauge(registry, { name: 'barrage_bus_up', help }, () => (isUp() ? 1 : 0));
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
