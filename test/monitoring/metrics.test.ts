import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { listMetrics, type ListedMetric } from '../../monitoring/metrics/list.ts';
import { registriesOfProcesses, type ProcessName } from '../../monitoring/metrics/registries.ts';
import { Certificates } from '../support/certificates.ts';
import { readExposition } from '../support/exposition.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { TestProcess } from '../support/process.ts';
import { RedisServer } from '../support/redis-server.ts';
import { policyFile } from '../support/standalone.ts';
import { V1Client } from '../support/websocket.ts';

const metrics = listMetrics(registriesOfProcesses());

/** What a process exports only where it ends TLS itself. */
const onlyWithTls = /^barrage_tls_/;

async function ask(url: string, ca?: string, body?: object): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const options = { agent: false, headers, method: body === undefined ? 'GET' : 'POST' };
  const asked = ca === undefined ? httpRequest(url, options) : httpsRequest(url, { ...options, ca });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(asked, 'response');
  expect(response.statusCode).toBe(200);
  return text(response);
}

/**
 * Expects that a process exports what is listed for it, nothing else, and that Prometheus finds no fault with it.
 * @param ca of the certificate where it ends TLS itself
 */
async function expectListed(process: ProcessName, port: number, ca?: string): Promise<void> {
  const exposition = await ask(`${ca === undefined ? 'http' : 'https'}://127.0.0.1:${port}/metrics`, ca);
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: exposition, encoding: 'utf8' });
  expect([process, status, stdout, stderr]).toEqual([process, 0, '', '']);
  const { types, samples } = readExposition(exposition);
  const listed = metrics.filter(({ processes, name }) => processes.includes(process) && (ca !== undefined || !onlyWithTls.test(name)));
  const byName = new Map<string, ListedMetric>(listed.map((metric) => [metric.name, metric]));
  expect(Object.fromEntries(types)).toEqual(Object.fromEntries(listed.map(({ name, type }) => [name, type])));
  const strange = samples.filter(({ metric, labels }) => {
    const names = Object.keys(labels).filter((label) => label !== 'le');
    return names.toSorted().join() !== byName.get(metric)?.labels.join();
  });
  expect(strange).toEqual([]);
}

test.each(['without', 'with'])(
  'gateway and publisher export the listed metrics with the listed labels, %s TLS of their own',
  async (how) => {
    const redis = await RedisServer.start();
    onTestFinished(() => redis.dispose());
    const certificates = how === 'with' ? await Certificates.make() : undefined;
    onTestFinished(() => certificates?.dispose());
    const tls = certificates === undefined ? {} : (await MountedSecret.of(certificates)).settings;
    const ca = await certificates?.ca();
    const policies = await policyFile('channels: []\n');
    const shared = { ...tls, BARRAGE_REDIS_URL: redis.url, BARRAGE_POLICY_FILE: policies, BARRAGE_DRAIN_MS: '0' };
    const gateway = new TestProcess('gateway/main.ts', { ...shared, BARRAGE_GATEWAY_PORT: '0' });
    const publisher = new TestProcess('publisher/main.ts', { ...shared, BARRAGE_PUBLISHER_PORT: '0' });
    const [gatewayPort, publisherPort] = await Promise.all([gateway.port(), publisher.port()]);
    const client = await V1Client.open(gatewayPort, ca === undefined ? {} : { ca });
    onTestFinished(() => client.socket.terminate());
    await client.subscribe('video:1');
    const url = `${ca === undefined ? 'http' : 'https'}://127.0.0.1:${publisherPort}/v1/mesh/publish`;
    await ask(url, ca, { c: 'video:1', d: 'hello' });
    await expectListed('gateway', gatewayPort, ca);
    await expectListed('publisher', publisherPort, ca);
  },
);

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
