import { collectDefaultMetrics, type Registry } from 'prom-client';

/**
 * Gauges of the library whose names end like a counter's. `promtool check metrics` refuses them, and the gauges without
 * the ending say the same by type.
 */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Registers the metrics of the process and of Node: `process_*` and `nodejs_*`. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
}
