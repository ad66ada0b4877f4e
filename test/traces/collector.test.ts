import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { OtlpCollector } from '../support/otlp-collector.ts';
import { TestProcess } from '../support/process.ts';
import { until } from '../support/websocket.ts';
import { freePort } from '../support/free-port.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';

/** All in one process, with a collector. */
async function startAll(endpoint: string, variables: Readonly<Record<string, string>> = {}) {
  const [gatewayPort, publisherPort] = [await freePort(), await freePort()];
  const process = new TestProcess('standalone/main.ts', {
    BARRAGE_GATEWAY_PORT: String(gatewayPort),
    BARRAGE_PUBLISHER_PORT: String(publisherPort),
    BARRAGE_DRAIN_MS: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    ...variables,
  });
  await process.said(/Barrage runs/);
  const publish = async (): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${publisherPort}/v1/mesh/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify({ c: 'video:1', d: 'x' }),
    });
    expect(response.status).toBe(200);
  };
  const metric = async (series: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${gatewayPort}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );
  };
  return { process, publish, metric };
}

test('spans that wait are sent when the process ends; the usual encoding is protobuf', async () => {
  await using collector = await OtlpCollector.start();
  // They would wait for an hour.
  const { process, publish } = await startAll(collector.url, { OTEL_BSP_SCHEDULE_DELAY: '3600000' });
  await publish();
  expect(collector.requests).toEqual([]);
  process.terminate();
  expect(await process.ended()).toBe(0);
  expect(collector.requests.map(({ path, headers }) => [path, headers['content-type']])).toEqual([
    ['/v1/traces', 'application/x-protobuf'],
  ]);
  const body = collector.requests[0]?.body ?? Buffer.alloc(0);
  for (const part of [Buffer.from(traceId, 'hex'), 'POST /v1/mesh/publish', 'append', 'barrage-standalone'])
    expect(body.includes(part)).toBe(true);
});

test('a collector that is away costs a few lines and a counter, never the process or its end', async () => {
  // It takes connections, and never answers.
  const silent = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await once(silent, 'listening');
  const { process, publish, metric } = await startAll(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, {
    OTEL_BSP_SCHEDULE_DELAY: '10',
    OTEL_BSP_MAX_QUEUE_SIZE: '20',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
  });
  // Two spans each, and 20 may wait.
  for (let count = 0; count < 30; count++) await publish();
  expect(await metric('barrage_traces_skipped_total{reason="queue_full"}')).toBeGreaterThan(0);
  await until(async () => (await metric('barrage_trace_spans_total{result="failed"}')) >= 20, 50);
  // What was not taken is forgotten: there is room again.
  const skipped = await metric('barrage_traces_skipped_total{reason="queue_full"}');
  await publish();
  expect(await metric('barrage_traces_skipped_total{reason="queue_full"}')).toBe(skipped);
  expect(process.stderr.split('the collector did not take traces').length - 1).toBeLessThanOrEqual(3);
  const leftAt = performance.now();
  process.terminate();
  expect(await process.ended()).toBe(0);
  expect(performance.now() - leftAt).toBeLessThan(9_000);
  expect(process.stderr).not.toContain('it was cut off');
});

test('without a collector nothing of the library is loaded', async () => {
  const modulesWith = async (endpoint: string): Promise<number> => {
    const process = new TestProcess('test/traces/loaded-modules.ts', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    return Number((await process.said(/^(\d+) modules of OpenTelemetry$/m))[0]);
  };
  expect(await modulesWith('')).toBe(0);
  expect(await modulesWith('http://127.0.0.1:4318')).toBeGreaterThan(50);
});
