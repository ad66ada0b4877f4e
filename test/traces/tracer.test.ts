import { createLogger } from '../../core/process/logging.ts';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../../core/process/settings.ts';
import type { Tracing } from '../../core/process/open-telemetry.ts';
import { startTracing } from '../../core/process/tracing.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';
import { until } from '../support/websocket.ts';

const registry = new Registry();
let collector: OtlpCollector;
let tracing: Tracing;
beforeAll(async () => {
  collector = await OtlpCollector.start();
  // The library reads the environment of its process.
  Object.assign(process.env, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_TRACES_SAMPLER: 'parentbased_always_on',
  });
  const read = readSettings(process.env);
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const logger = createLogger({ part: 'test', level: 'silent' });
  tracing = await startTracing({ settings: read.settings, part: 'test', instance: 'one', sampler: 'always_off', registry, logger });
});
afterAll(async () => {
  await tracing.close();
  await collector[Symbol.asyncDispose]();
});

const traceparent = (last: string): string => `00-${last.padStart(32, 'a')}-b7ad6b7169203331-01`;

async function skipped(reason: string): Promise<number | undefined> {
  const metric = await registry.getSingleMetric('barrage_traces_skipped_total')?.get();
  return metric?.values.find(({ labels }) => (labels as Record<string, unknown>)['reason'] === reason)?.value;
}

test('clients can make a process record ten traces a second, backends as many as they like', async () => {
  const { tracer } = tracing;
  const spansOf = (origin: 'client' | 'backend', letter: string): number => {
    const spans = Array.from({ length: 15 }, (_, index) => tracer.request('client publish', origin, traceparent(`${letter}${index}`)));
    for (const span of spans) span?.end();
    return spans.filter((span) => span !== undefined).length;
  };
  expect(spansOf('client', 'c')).toBe(10);
  expect(await skipped('client_rate')).toBe(5);
  expect(spansOf('backend', 'd')).toBe(15);
  await until(() => collector.spans.length === 25);
});

test('what is done within a span becomes its child, at any depth; a root begins a trace of its own', async () => {
  const { tracer } = tracing;
  const work = tracer.within('reconcile', { isRoot: true }, async () => {
    await tracer.within('plan', { attributes: { 'barrage.plan.desired': 3 } }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await tracer.within('kube get', {}, async () => {});
    });
    await tracer.within('reconcile', { isRoot: true }, async () => {});
    throw new Error('the API server is away');
  });
  await expect(work).rejects.toThrow('the API server is away');
  const ofNames = () => collector.spans.filter(({ name }) => ['reconcile', 'plan', 'kube get'].includes(name));
  await until(() => ofNames().length === 4);
  const [get, plan, other, reconcile] = ofNames();
  expect([get?.name, plan?.name, other?.name, reconcile?.name]).toEqual(['kube get', 'plan', 'reconcile', 'reconcile']);
  expect([get?.parentSpanId, plan?.parentSpanId]).toEqual([plan?.spanId, reconcile?.spanId]);
  expect([other?.parentSpanId, reconcile?.parentSpanId]).toEqual(['', '']);
  expect(other?.traceId).not.toBe(reconcile?.traceId);
  expect(plan?.attributes).toEqual({ 'barrage.plan.desired': 3 });
  expect([plan?.fault, reconcile?.fault]).toEqual([undefined, 'the API server is away']);
  expect(Math.abs((reconcile?.startedAt ?? 0) - Date.now())).toBeLessThan(60_000);
});
