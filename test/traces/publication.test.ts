import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { once } from 'node:events';
import { OtlpCollector, type CollectedSpan } from '../support/otlp-collector.ts';
import { TestProcess } from '../support/process.ts';
import { Prometheus } from '../support/prometheus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestClient, until } from '../support/websocket.ts';

const key = 'a-key-of-24-characters-x';
const channel = 'video:secret-name';
const payload = 'a payload that no trace may hold';
const policies = `channels:
  - channel: video:*
    access: { publish: Public }
    merge: { windowMilliseconds: 50 }
`;
const callerSpan = 'b7ad6b7169203331';
const traceIds = {
  http: '0af7651916cd43dd8448eb211c80319c',
  socket: '1bf7651916cd43dd8448eb211c80319c',
  client: '2cf7651916cd43dd8448eb211c80319c',
  unsampled: '3df7651916cd43dd8448eb211c80319c',
};

let folder: string;
let redis: RedisServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'barrage-traces-'));
  await writeFile(join(folder, 'policies.yaml'), policies);
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
  await rm(folder, { recursive: true });
});

function start(part: 'gateway' | 'publisher', collector: OtlpCollector, variables: Readonly<Record<string, string>>): TestProcess {
  return new TestProcess(`${part}/main.ts`, {
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_REDIS_URL: redis.url,
    BARRAGE_POLICY_FILE: join(folder, 'policies.yaml'),
    BARRAGE_API_KEYS: key,
    BARRAGE_DRAIN_MS: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20collector-token',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    // Only what its sender has sampled.
    OTEL_TRACES_SAMPLER: 'parentbased_always_off',
    ...variables,
  });
}

const traceparent = (traceId: string, flags = '01'): string => `00-${traceId}-${callerSpan}-${flags}`;

async function publish(port: number, header: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/mesh/publish?wait=delivered`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key, traceparent: header },
    body: JSON.stringify({ c: channel, d: payload }),
  });
  expect(response.status).toBe(200);
}

/** The spans below one as a tree of names; siblings in the order of their names and processes. */
function treeOf(spans: readonly CollectedSpan[], parent: string): readonly unknown[] {
  const label = ({ name, instance }: CollectedSpan): string => `${name} @${instance}`;
  return spans
    .filter(({ parentSpanId }) => parentSpanId === parent)
    .toSorted((one, other) => label(one).localeCompare(label(other)))
    .map((span) => [label(span), ...treeOf(spans, span.spanId)]);
}

const onGateways = ['one', 'two'].map((name) => [`flush @${name}`, [`write @${name}`]]);
const appended = ['append @publisher', ['bus @publisher'], ...onGateways];

test('a publication is one trace from its request to the writes of two gateways, whichever way it came', async () => {
  await using collector = await OtlpCollector.start();
  const gateways = ['one', 'two'].map((name) => start('gateway', collector, { BARRAGE_GATEWAY_NAME: name }));
  const publisher = start('publisher', collector, { BARRAGE_GATEWAY_NAME: 'publisher' });
  const [ports, publisherPort] = await Promise.all([Promise.all(gateways.map((gateway) => gateway.port())), publisher.port()]);
  const clients = await Promise.all(ports.map((port) => TestClient.open(port, { protocol: 'barrage.v1' })));
  for (const client of clients) {
    await client.next();
    expect(await client.ask({ id: 1, op: 'subscribe', channel })).toContain('"result"');
  }

  await publish(publisherPort, traceparent(traceIds.http));
  await publish(publisherPort, traceparent(traceIds.unsampled, '00'));
  const socket = new WebSocket(`ws://127.0.0.1:${publisherPort}/ws/v1`, { headers: { 'x-api-key': key } });
  await once(socket, 'open');
  socket.send(JSON.stringify({ m: 'mesh.publish', p: { c: channel, d: payload }, i: 1, traceparent: traceparent(traceIds.socket) }));
  await once(socket, 'message');
  socket.terminate();
  clients[0]?.send({ id: 2, op: 'publish', channel, data: payload, traceparent: traceparent(traceIds.client) });

  await until(() => [traceIds.socket, traceIds.client].every((id) => collector.ofTrace(id).length === 7));
  await until(() => collector.ofTrace(traceIds.http).length === 8);
  expect(treeOf(collector.ofTrace(traceIds.http), callerSpan)).toEqual([
    ['POST /v1/mesh/publish @publisher', appended, ['wait @publisher']],
  ]);
  expect(treeOf(collector.ofTrace(traceIds.socket), callerSpan)).toEqual([['mesh.publish @publisher', appended]]);
  expect(treeOf(collector.ofTrace(traceIds.client), callerSpan)).toEqual([
    ['client publish @one', ['append @one', ['bus @one'], ...onGateways]],
  ]);
  expect(collector.ofTrace(traceIds.unsampled)).toEqual([]);

  const spans = collector.ofTrace(traceIds.http);
  const named = (name: string, instance = 'publisher'): CollectedSpan => {
    const span = spans.find((each) => each.name === name && each.instance === instance);
    if (span === undefined) throw new Error(`no span ${name} of ${instance}`);
    return span;
  };
  const request = named('POST /v1/mesh/publish');
  expect(request).toMatchObject({ service: 'barrage-publisher', kind: 2, fault: undefined });
  expect(request.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'barrage.policy': 'video:*',
    'barrage.payload.bytes': payload.length,
    'barrage.offset': 1,
    'barrage.result': 'done',
  });
  expect(named('bus').attributes).toEqual({ 'barrage.batch.publications': 1, 'barrage.batch.bytes': payload.length });
  for (const name of ['one', 'two']) {
    const flush = named('flush', name);
    expect(flush).toMatchObject({ service: 'barrage-gateway', kind: 5 });
    expect(flush.attributes).toMatchObject({
      'barrage.policy': 'video:*',
      'barrage.offset': 1,
      'barrage.members': 1,
      'barrage.flush.publications': 1,
      'barrage.flush.window_ms': 50,
      'barrage.flush.left_out': 0,
    });
    expect(flush.attributes['barrage.flush.bytes']).toBeGreaterThan(payload.length);
    const write = named('write', name);
    expect(write.attributes).toMatchObject({ 'barrage.write.delivered': 1, 'barrage.write.pending': 0 });
    // One machine's clock, read by several processes: half a hundred milliseconds is far more than they differ.
    expect(flush.startedAt).toBeGreaterThan(named('bus').startedAt - 50);
    expect([flush.startedAt, write.startedAt, write.endedAt, flush.endedAt].toSorted((a, b) => a - b)).toEqual([
      flush.startedAt,
      write.startedAt,
      write.endedAt,
      flush.endedAt,
    ]);
  }

  const sent = collector.requests.map(({ body }) => body.toString()).join('\n');
  for (const secret of [payload, channel, key, 'collector-token']) expect(sent).not.toContain(secret);
  expect(sent).toContain('deployment.environment.name');
  expect(collector.requests.map(({ path, headers }) => [path, headers.authorization])).toContainEqual([
    '/v1/traces',
    'Bearer collector-token',
  ]);

  // By its own choice Prometheus reads OpenMetrics, and would take nothing of a text with a fault.
  const targets = [...ports, publisherPort].map((port) => ({ job: 'barrage', address: `127.0.0.1:${port}` }));
  const prometheus = await Prometheus.start({ targets });
  try {
    await until(async () => (await prometheus.scrapeFaults()).length === 0, 100);
    const latency = 'barrage_delivery_latency_seconds_bucket';
    await until(async () => (await prometheus.exemplars(latency)).includes(traceIds.client), 100);
    expect(await prometheus.query('sum(barrage_trace_spans_total{result="exported"}) > 0')).toHaveLength(1);
  } finally {
    await prometheus.stop();
  }

  const before = collector.requests.length;
  for (const process of [...gateways, publisher]) process.terminate();
  expect(await Promise.all([...gateways, publisher].map((process) => process.ended()))).toEqual([0, 0, 0]);
  expect(collector.requests.length).toBeGreaterThanOrEqual(before);
});
