import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { RedisNames } from '../../core/redis/keys.ts';
import { slotOf } from '../../core/redis/slots.ts';
import { gatewayPool, Surroundings } from '../kubernetes/conditions/observation.ts';
import { Certificates } from '../support/certificates.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { askRedis } from '../support/redis-command.ts';
import { joinCluster, moveSlot, ownerOf, type ClusterNode } from '../support/redis-slots.ts';
import { NumberedStream, Viewer } from './numbered-stream.ts';
import { OperatedPool } from './operated-pool.ts';
import { openServer, startRedisPod } from './redis-pod.ts';

const password = 'the nodes’ password';
const ports = [7001, 7002, 7003];

let pool: OperatedPool;
let at: Surroundings;
let certificates: Certificates;
let nodes: readonly ClusterNode[];

beforeAll(async () => {
  certificates = await Certificates.make('DNS:nodes');
  pool = await OperatedPool.open('redis-cluster', { redis: false });
  at = new Surroundings(pool.cluster, pool.namespace);
  nodes = await startNodes();
  await startRedisPod(pool.cluster, pool.namespace, { name: 'single', containers: [{ name: 'redis', port: 6379, args: openServer }] });
  await pool.kubectl(['create', 'secret', 'generic', 'login', `--from-literal=password=${password}`]);
  await pool.startOperator();
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
  await certificates?.dispose();
});

/** Three masters that speak TLS only, and announce the name that their certificate is for. */
async function startNodes(): Promise<readonly ClusterNode[]> {
  const { certificateFile, keyFile, caFile } = certificates;
  const secretFiles = [certificateFile, keyFile, caFile].map((file) => `--from-file=${file}`);
  await pool.kubectl(['create', 'secret', 'generic', 'nodes', ...secretFiles]);
  const tls = ['cert-file', 'server.crt', 'key-file', 'server.key', 'ca-cert-file', 'ca.crt'];
  const encrypted = ['--tls-auth-clients', 'no', '--tls-cluster', 'yes'].concat(
    tls.map((word, index) => (index % 2 === 0 ? `--tls-${word}` : `/secret/${word}`)),
  );
  const guarded = ['--requirepass', password, '--masterauth', password];
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-announce-ip', '$(POD_IP)'];
  const args = [...openServer, ...encrypted, ...guarded, ...cluster, '--cluster-announce-hostname', 'nodes'];
  const host = await startRedisPod(pool.cluster, pool.namespace, {
    name: 'nodes',
    containers: ports.map((port) => ({ name: `node-${port}`, port, args: [...args, '--cluster-config-file', `nodes-${port}.conf`] })),
    secret: 'nodes',
  });
  const door = { host, password, tls: { ca: await certificates.ca(), servername: 'nodes' } };
  const made = ports.map((port) => ({
    host,
    port,
    clusterPort: port + 10_000,
    command: (...words: string[]) => askRedis({ ...door, port }, words),
  }));
  await joinCluster(made);
  return made;
}

function poolOn(name: string, redis: object): object {
  return gatewayPool(name, { replicas: 1, bus: { type: 'Redis', redis }, publisher: { minReplicas: 1 } });
}

test('a pool that takes one server for a Cluster is told so, and is ready when it is corrected', async () => {
  await at.apply(poolOn('mistaken', { mode: 'Cluster', addresses: ['single:6379'] }));
  await at.untilMessage(
    'gwp/mistaken',
    'Ready',
    /the server is no node of a Redis Cluster.* Set spec\.bus\.redis\.mode to Standalone or Sentinel/,
  );
  await at.apply(poolOn('mistaken', { mode: 'Standalone', addresses: ['single:6379'] }));
  await at.untilReason('gwp/mistaken', 'Ready', 'Ready');
  await at.kubectl('delete', 'gwp/mistaken', '--wait=false');
}, 120_000);

test('a pool delivers the channels of every master of a Cluster by TLS; a slot that moves takes its channel along, and clients are neither disconnected nor lose anything', async () => {
  await at.kubectl('create', 'secret', 'generic', 'authority', `--from-file=ca.crt=${certificates.caFile}`);
  const access = { credentialsSecret: { name: 'login' }, tls: { caSecret: { name: 'authority' } } };
  await at.apply(poolOn('main', { mode: 'Cluster', addresses: ports.map((port) => `nodes:${port}`), ...access }));
  await at.untilReason('gwp/main', 'Ready', 'Ready');

  const names = new RedisNames(`${pool.namespace}/main`);
  const channels = Array.from({ length: 6 }, (_, index) => `video:${index}`);
  const owners = await Promise.all(channels.map((channel) => ownerOf(nodes, slotOf(names.log(channel)))));
  expect(new Set(owners.map((owner) => owner?.port)).size).toBe(3);
  const url = await pool.clientsUrl();
  const viewers = channels.map((channel) => new Viewer(url, channel));
  onTestFinished(() => viewers.forEach(({ client }) => client.close()));
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 20_000 }).toBe(true);
  for (const channel of channels.slice(1)) expect((await pool.publish(channel, '7')).E).toBeNull();
  await expect.poll(() => viewers.slice(1).map(({ numbers }) => numbers), { timeout: 15_000 }).toEqual(channels.slice(1).map(() => [7]));

  const [moving] = viewers;
  const [from] = owners;
  const to = nodes.find((node) => node !== from);
  if (moving === undefined || from === undefined || to === undefined) throw new Error('the slot of the first channel has no master');
  const stream = new NumberedStream(pool, 'video:0');
  onTestFinished(() => stream.stop());
  await expect.poll(() => moving.last, { timeout: 20_000 }).toBeGreaterThan(5);
  const slot = slotOf(names.log('video:0'));
  await moveSlot(slot, { from, to }, { password });
  const movedAt = performance.now();
  const reached = stream.next;
  await expect.poll(() => moving.last, { timeout: 20_000, interval: 20 }).toBeGreaterThan(reached);
  const heardMs = Math.round(performance.now() - movedAt);
  expect(await ownerOf(nodes, slot)).toBe(to);
  await stream.stop();
  await expect.poll(() => moving.last, { timeout: 20_000 }).toBe(stream.next - 1);
  process.stdout.write(
    `what was published after the move came ${heardMs} ms after it; ${stream.next} publications, ${stream.failures.length} not taken; ${JSON.stringify(moving.account)}\n`,
  );
  expect(stream.missedBy(moving).length).toBeLessThanOrEqual(moving.account.named);
  expect(viewers.map(({ disconnects }) => disconnects)).toEqual(viewers.map(() => 0));
}, 180_000);
