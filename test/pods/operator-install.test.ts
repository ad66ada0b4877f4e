import { afterAll, beforeAll, expect, test } from 'vitest';
import { chart, helmDone } from '../kubernetes/chart/helm.ts';
import { clusterTimeoutMs, startNode, type OwnCluster } from '../support/cluster.ts';
import { field, poolMain, startRedis, untilCondition } from './operated-pool.ts';
import { PodWatch } from './pod-watch.ts';

// A node of its own: this operator looks after the pools of all namespaces, and other tests have operators of their own.
let cluster: OwnCluster;
let watch: PodWatch | undefined;
const system = 'barrage-system';
const restricted = 'pod-security.kubernetes.io/enforce=restricted';

beforeAll(async () => {
  cluster = await startNode({ network: '10.252' });
}, clusterTimeoutMs);
afterAll(async () => {
  watch?.close();
  await cluster?.stop();
});

/** Name of the operator's pod that leads; empty where none does. */
async function leader(): Promise<string> {
  const holder = await field(cluster, system, 'lease/barrage-operator', '.spec.holderIdentity');
  return holder.split('_', 1)[0] ?? '';
}

test('the chart installs two operators, of which one leads; when the leader goes, gracefully or not, the other carries on', async () => {
  await cluster.kubectl(['create', 'namespace', system]);
  await cluster.kubectl(['label', 'namespace', system, restricted]);
  const image = ['--set', 'image.repository=barrage,image.tag=test'];
  await helmDone(['install', 'barrage', chart, '--namespace', system, ...image], cluster.kubeconfig);
  await cluster.kubectl(['-n', system, 'rollout', 'status', 'deployment/barrage-operator', '--timeout=120s']);
  expect(await field(cluster, system, 'deployment/barrage-operator', '.status.readyReplicas')).toBe('2');

  const namespace = await cluster.createNamespace('live', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  await startRedis(cluster, namespace);
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], poolMain('  replicas: 1\n'));
  await untilCondition(cluster, namespace, 'gwp/main', ['Ready', 'True']);
  const ready = await PodWatch.open(cluster, namespace);
  watch = ready;
  await expect.poll(() => ready.ready.length, { timeout: 20_000 }).toBe(1);

  for (const [replicas, how] of [
    [2, ['--wait=false']],
    [1, ['--force', '--grace-period=0', '--wait=false']],
  ] as const) {
    const before = await leader();
    expect(before).toMatch(/^barrage-operator-/);
    await cluster.kubectl(['-n', system, 'delete', 'pod', before, ...how]);
    const goneAt = performance.now();
    await cluster.kubectl(['-n', namespace, 'scale', 'gwp/main', `--replicas=${replicas}`]);
    await expect.poll(() => ready.pods.size === replicas && ready.ready.length === replicas, { timeout: 90_000, interval: 100 }).toBe(true);
    const tookMs = Math.round(performance.now() - goneAt);
    process.stdout.write(`${how.length > 1 ? 'killed' : 'told to go'}: ${replicas} gateways ${tookMs} ms later\n`);
    expect([before, '']).not.toContain(await leader());
  }
  await cluster.kubectl(['-n', system, 'rollout', 'status', 'deployment/barrage-operator', '--timeout=120s']);
}, 300_000);
