import { Counter, type Registry } from 'prom-client';
import { noTracer } from '../trace.ts';
import type { SamplerName } from '../trace-sampling.ts';
import { processJournal } from './log-lines.ts';
import type { RecordingOptions, TraceCounts, Tracing } from './open-telemetry.ts';
import type { Settings } from './settings.ts';
import { isTracing, samplingFrom } from './trace-settings.ts';

export interface TracingOptions extends Omit<RecordingOptions, 'sampling' | 'counts'> {
  readonly settings: Settings;
  /** Sampler where the settings name none. */
  readonly sampler: SamplerName;
  readonly registry: Registry;
}

/**
 * Begins to record traces if the settings name a collector. Otherwise nothing is loaded, and every question to the
 * tracer costs a call that returns at once. The metrics are there either way, at zero.
 */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const { settings, logger } = options;
  const counts = exportTraceCounts(options.registry);
  if (!isTracing(settings)) return { tracer: noTracer, close: async () => undefined };
  const { startOpenTelemetry } = await import('./open-telemetry.ts');
  const { name, sampling } = samplingFrom(settings, options.sampler);
  processJournal(logger).write('traces-recorded', { sampler: name, ratio: sampling.ratio });
  return startOpenTelemetry({ ...options, sampling, counts });
}

/** Registers the metrics of traces: once in a registry. */
export function exportTraceCounts(registry: Registry): TraceCounts {
  const registers = [registry];
  const spans = new Counter({
    name: 'barrage_trace_spans_total',
    help: 'Spans by result: `exported`, `failed` (the collector did not take them), `dropped` (more than 2,048 waited for it).',
    labelNames: ['result'],
    registers,
  });
  const skipped = new Counter({
    name: 'barrage_traces_skipped_total',
    help: 'Sampled traces and publications without spans, by reason: `queue_full` (2,048 spans wait for the collector), `client_rate` (clients asked for more than ten traces a second), `flush_full` (more than eight publications in one flush).',
    labelNames: ['reason'],
    registers,
  });
  for (const result of ['exported', 'failed', 'dropped']) spans.inc({ result }, 0);
  for (const reason of ['queue_full', 'client_rate', 'flush_full']) skipped.inc({ reason }, 0);
  return {
    spans: (result, count) => spans.inc({ result }, count),
    skipped: (reason, count) => skipped.inc({ reason }, count),
  };
}
