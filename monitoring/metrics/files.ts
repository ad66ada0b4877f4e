import { metricsDocument } from './document.ts';
import { listMetrics } from './list.ts';
import { registriesOfProcesses } from './registries.ts';

/** The files that are generated from the registries of all processes: path from the repository's root, and text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const metrics = listMetrics(registriesOfProcesses());
  return new Map([
    ['monitoring/metrics.json', `${JSON.stringify(metrics, undefined, 2)}\n`],
    ['docs/metrics.md', metricsDocument(metrics)],
  ]);
}
