import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { chart, helmDone } from '../kubernetes/chart/helm.ts';
import { clusterTimeoutMs, startNode, type OwnCluster } from '../support/cluster.ts';
import { NumberedStream, Viewer } from './numbered-stream.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';

// A node of its own: the others go on with their API server.
let cluster: OwnCluster;
let pool: OperatedPool;
const system = 'barrage-system';
const operators = 'app.kubernetes.io/name=barrage-operator';
const video = 'video:1';

beforeAll(async () => {
  cluster = await startNode({ network: '10.254' });
  const image = ['--set', 'image.repository=barrage,image.tag=test'];
  await helmDone(['install', 'barrage', chart, '--namespace', system, '--create-namespace', ...image], cluster.kubeconfig);
  await cluster.kubectl(['-n', system, 'rollout', 'status', 'deployment/barrage-operator', '--timeout=120s']);
  pool = await OperatedPool.open('outage', { cluster });
  await pool.apply(poolMain('  replicas: 2\n'));
  await pool.untilCondition('gwp/main', 'Ready');
}, clusterTimeoutMs);
afterAll(async () => {
  await cluster?.stop();
});

/** The process of the cluster's API server, which is one of this machine. */
function apiServerPid(): number {
  const etcd = `unix://${dirname(cluster.kubeconfig)}/etcd.sock`;
  const pids = readdirSync('/proc').filter((name) => {
    try {
      const command = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') : [];
      return command[0]?.endsWith('kube-apiserver') === true && command.includes(etcd);
    } catch {
      return false; // it ended meanwhile
    }
  });
  expect(pids).toHaveLength(1);
  return Number(pids[0]);
}

/**
 * Each container of some pods, with how often it was begun again: equal lists mean that nothing was replaced and
 * nothing ended.
 */
async function containers(namespace: string, selector: string): Promise<string[]> {
  const each = '{.metadata.name} {.metadata.uid} {.status.containerStatuses[0].restartCount}';
  const lines = await cluster.kubectl([
    '-n',
    namespace,
    'get',
    'pods',
    '-l',
    selector,
    '-o',
    `jsonpath={range .items[*]}${each}{"\\n"}{end}`,
  ]);
  return lines.trim().split('\n').toSorted();
}

async function subscribed(count: number): Promise<readonly Viewer[]> {
  const url = await clientsUrl();
  const viewers = Array.from({ length: count }, () => new Viewer(url, video));
  onTestFinished(() => viewers.forEach(({ client }) => client.close()));
  await expect.poll(() => viewers.every(({ isSubscribed, last }) => isSubscribed && last > 0), { timeout: 20_000 }).toBe(true);
  return viewers;
}

/** Asked for once: during the outage there is nobody to ask. */
let address: Promise<string> | undefined;
async function clientsUrl(): Promise<string> {
  return await (address ??= pool.clientsUrl());
}

test('while the API server is away for a minute clients come, stay and miss nothing; afterwards what was asked for meanwhile is done within ten seconds', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(2);
  const stream = new NumberedStream(pool, video);
  onTestFinished(() => stream.stop());
  const early = await subscribed(12);
  const ours = 'barrage.dev/pool=main';
  const before = await containers(pool.namespace, ours);
  const operatorsBefore = await containers(system, operators);
  let darkMs = 0;
  const looking = setInterval(() => (darkMs += watch.ready.length === 0 ? 100 : 0), 100);
  onTestFinished(() => clearInterval(looking));

  const apiServer = apiServerPid();
  onTestFinished(() => void process.kill(apiServer, 'SIGCONT'));
  process.kill(apiServer, 'SIGSTOP');
  await pause(30_000);
  const late = await subscribed(4);
  await pause(28_000);
  // It waits in the API server's socket, as a user's does.
  const wish = pool.kubectl(['scale', 'gwp/main', '--replicas=3']);
  await pause(2000);
  const published = stream.next;
  process.kill(apiServer, 'SIGCONT');
  const backAt = performance.now();
  await expect.poll(() => watch.pods.size, { timeout: 60_000, interval: 20 }).toBe(3);
  const actedMs = performance.now() - backAt;
  await expect.poll(() => watch.ready.length, { timeout: 60_000, interval: 20 }).toBe(3);
  const readyMs = performance.now() - backAt;
  await wish;
  await pool.untilCondition('gwp/main', 'Ready');
  const after = await subscribed(2);

  // Whatever the cluster makes of a node that it has not heard of for a minute, it has made by then.
  await pause(15_000);
  await stream.stop();
  const viewers = [...early, ...late, ...after];
  await expect.poll(() => viewers.every(({ last }) => last === stream.next - 1), { timeout: 20_000 }).toBe(true);
  const operatorsAfter = await containers(system, operators);
  process.stdout.write(
    `acted on ${Math.round(actedMs)} ms, ready ${Math.round(readyMs)} ms after the API server was back; ` +
      `${published} publications until then; for ${darkMs} ms no gateway was ready by Kubernetes' word; operators ${operatorsAfter.join(', ')}\n`,
  );
  const flawless = { named: 0, unnamed: 0, disordered: 0, disconnects: 0 };
  for (const { account } of viewers) expect(account).toMatchObject(flawless);
  expect(stream.failures).toEqual([]);
  expect(await containers(pool.namespace, ours)).toEqual(expect.arrayContaining(before));
  expect(actedMs).toBeLessThan(10_000);
  // The leader ended, for it could not know; nobody else did.
  expect(operatorsAfter.map(podOf)).toEqual(operatorsBefore.map(podOf));
  expect(operatorsAfter.map(restartsOf).toSorted((one, other) => one - other)).toEqual([0, 1]);
}, 300_000);

function podOf(container: string): string {
  return container.split(' ').slice(0, 2).join(' ');
}

function restartsOf(container: string): number {
  return Number(container.split(' ')[2]);
}
