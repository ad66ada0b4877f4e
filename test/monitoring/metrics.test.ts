import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listMetrics, type ListedMetric } from '../../monitoring/metrics/list.ts';
import { registriesOfProcesses, type ProcessName } from '../../monitoring/metrics/registries.ts';
import { readExposition } from '../support/exposition.ts';
import { TestProcess } from '../support/process.ts';
import { RedisServer } from '../support/redis-server.ts';
import { policyFile } from '../support/standalone.ts';
import { V1Client } from '../support/websocket.ts';

const metrics = listMetrics(registriesOfProcesses());

/** Expects that a process exports what is listed for it, nothing else, and that Prometheus finds no fault with it. */
async function expectListed(process: ProcessName, port: number): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  expect([process, status, stdout, stderr]).toEqual([process, 0, '', '']);
  const { types, samples } = readExposition(text);
  const listed = metrics.filter(({ processes }) => processes.includes(process));
  const byName = new Map<string, ListedMetric>(listed.map((metric) => [metric.name, metric]));
  expect(Object.fromEntries(types)).toEqual(Object.fromEntries(listed.map(({ name, type }) => [name, type])));
  const strange = samples.filter(({ metric, labels }) => {
    const names = Object.keys(labels).filter((label) => label !== 'le');
    return names.toSorted().join() !== byName.get(metric)?.labels.join();
  });
  expect(strange).toEqual([]);
}

test('gateway and publisher export the listed metrics with the listed labels', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const shared = { BARRAGE_REDIS_URL: redis.url, BARRAGE_POLICY_FILE: await policyFile('channels: []\n'), BARRAGE_DRAIN_MS: '0' };
  const gateway = new TestProcess('gateway/main.ts', { ...shared, BARRAGE_GATEWAY_PORT: '0' });
  const publisher = new TestProcess('publisher/main.ts', { ...shared, BARRAGE_PUBLISHER_PORT: '0' });
  const [gatewayPort, publisherPort] = await Promise.all([gateway.port(), publisher.port()]);
  const client = await V1Client.open(gatewayPort);
  onTestFinished(() => client.socket.terminate());
  await client.subscribe('video:1');
  const published = await fetch(`http://127.0.0.1:${publisherPort}/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ c: 'video:1', d: 'hello' }),
  });
  expect(published.status).toBe(200);
  await expectListed('gateway', gatewayPort);
  await expectListed('publisher', publisherPort);
});

test('the operator exports the listed metrics with the listed labels', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-operator-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // No API server answers: the operator waits for it, and can be scraped meanwhile.
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'none', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'none', context: { cluster: 'none', user: 'none', namespace: 'default' } }],
    users: [{ name: 'none', user: { token: 'none' } }],
    'current-context': 'none',
  };
  await writeFile(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig));
  const operator = new TestProcess('operator/main.ts', {
    KUBECONFIG: join(folder, 'kubeconfig'),
    BARRAGE_OPERATOR_HOST: '127.0.0.1',
    BARRAGE_OPERATOR_PROBE_PORT: '0',
    BARRAGE_OPERATOR_METRICS_PORT: '0',
    BARRAGE_OPERATOR_IMAGE: 'barrage:test',
  });
  await expectListed('operator', await operator.port());
});
