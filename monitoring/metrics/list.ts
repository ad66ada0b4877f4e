import type { Registry } from 'prom-client';
import { processNames, type ProcessName } from './registries.ts';

/** One metric as its registry describes it. */
export interface ListedMetric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  /** Names of its own labels, sorted; without `le`, and without those that a scrape adds. */
  readonly labels: readonly string[];
  /** Unit of its values; empty for a number of things. */
  readonly unit: 'seconds' | 'bytes' | 'ratio' | '';
  /** Meaning, in Markdown without line breaks. */
  readonly help: string;
  /** Processes that export it. */
  readonly processes: readonly ProcessName[];
}

/** All metrics of all processes, by name. */
export function listMetrics(registries: Readonly<Record<ProcessName, Registry>>): readonly ListedMetric[] {
  const listed = new Map<string, ListedMetric>();
  for (const process of processNames) {
    for (const metric of registries[process].getMetricsAsArray()) {
      // The registry's type leaves out what each of its metrics has.
      const { name, help, type, labelNames } = metric as unknown as Omit<ListedMetric, 'labels'> & { labelNames: readonly string[] };
      const before = listed.get(name);
      const labels = labelNames.filter((label) => label !== 'le').toSorted();
      if (before !== undefined && JSON.stringify([before.type, before.labels, before.help]) !== JSON.stringify([type, labels, help]))
        throw new Error(`${name} of the ${process} differs from that of the ${before.processes.join(', ')}`);
      listed.set(name, { name, type, labels, unit: unitOf(name), help, processes: [...(before?.processes ?? []), process] });
    }
  }
  return [...listed.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The unit, by the conventions of Prometheus: it ends the name, but for `_total`. */
function unitOf(name: string): ListedMetric['unit'] {
  const unit = /_(seconds|bytes|ratio|share)(?:_total)?$/.exec(name)?.[1];
  if (unit === 'seconds' || unit === 'bytes') return unit;
  return unit === undefined ? '' : 'ratio';
}
