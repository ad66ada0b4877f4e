import { join } from 'node:path';
import { goModuleFolder } from './go-module.ts';

const prometheusOperator = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';

/** The kinds of prometheus-operator that the chart makes. */
export const monitoringKinds = ['servicemonitors', 'podmonitors', 'prometheusrules'] as const;

/**
 * The real definitions of ServiceMonitor, PodMonitor and PrometheusRule: paths of YAML files.
 * @throws Error with Go's own words
 */
export async function monitoringDefinitions(): Promise<readonly string[]> {
  const folder = await goModuleFolder(prometheusOperator);
  return monitoringKinds.map((kind) => join(folder, `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`));
}
