import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, type Registry } from 'prom-client';
import { logLinesLost } from './logging.ts';
import { readCounter } from './read-metrics.ts';

/**
 * Gauges of the library whose names end like a counter's. `promtool check metrics` refuses them, and the gauges without
 * the ending say the same by type.
 */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Registers the metrics of the process and of Node: `process_*`, `nodejs_*`, the loop's use, and lost log lines. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  readCounter(
    registry,
    {
      name: 'barrage_loop_active_seconds_total',
      help: "Time that the event loop was busy. Its rate is the loop's utilisation, 0 to 1: near 1 the process is at its limit.",
    },
    () => performance.eventLoopUtilization().active / 1000,
  );
  readCounter(
    registry,
    {
      name: 'barrage_log_lines_lost_total',
      help: 'Lines of the log that were lost: standard error could not be written, as on a full disk, and too many lines waited for it.',
    },
    logLinesLost,
  );
}
