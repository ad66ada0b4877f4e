import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { readAdminStatus, type AdminStatus } from '../../core/pool/admin-status.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { NumberedStream, Viewer } from './numbered-stream.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';

let pool: OperatedPool;

beforeAll(async () => {
  pool = await OperatedPool.open('absence');
  await pool.startOperator();
  await pool.apply(poolMain('  replicas: 2\n'));
  await pool.apply(channel('Backend'));
  await pool.untilCondition('gwp/main', 'Ready');
  await pool.untilCondition('bch/open', 'InForce');
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

function channel(publish: string): string {
  return `apiVersion: barrage.dev/v1alpha1
kind: BarrageChannel
metadata: {name: open}
spec: {poolRef: {name: main}, channel: 'video:*', access: {publish: ${publish}}}
`;
}

const publishers = 'app.kubernetes.io/component=publisher';
const ofPool = 'barrage.dev/pool=main';
/** Whatever may carry a pool's label. */
const kinds = 'pods,services,endpointslices,configmaps,secrets,deployments,replicasets,hpa,pdb,networkpolicies';

async function adminStatus(address: string): Promise<AdminStatus | undefined> {
  return readAdminStatus(await (await fetch(`http://${address}:6780/admin/v1/status`)).text());
}

test('without an operator clients stay, publishing works, and a publisher that starts finds its policies in the ConfigMap; a new operator mends the rest', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(2);
  const url = await pool.clientsUrl();
  const viewers = Array.from({ length: 4 }, () => new Viewer(url, 'video:1'));
  onTestFinished(() => viewers.forEach(({ client }) => client.close()));
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 20_000 }).toBe(true);
  const stream = new NumberedStream(pool, 'video:1');
  onTestFinished(() => stream.stop());
  await expect.poll(() => viewers.every(({ last }) => last > 0), { timeout: 20_000 }).toBe(true);

  await pool.stopOperator();
  const [lost = ''] = watch.ready;
  await pool.kubectl(['delete', 'pod', lost, '--wait=false']);
  await expect.poll(() => watch.pods.size, { timeout: 60_000 }).toBe(1);
  const reached = stream.next;
  await expect.poll(() => viewers.every(({ last }) => last > reached), { timeout: 20_000 }).toBe(true);

  const pods = ['-l', publishers, '-o', 'jsonpath={.items[*].metadata.name}'];
  const before = (await pool.kubectl(['get', 'pods', ...pods])).split(' ');
  await pool.kubectl(['delete', 'pod', '-l', publishers, '--wait=true', '--timeout=60s']);
  await pool.kubectl(['rollout', 'status', 'deployment', '-l', publishers, '--timeout=60s']);
  const after = (await pool.kubectl(['get', 'pods', ...pods])).split(' ');
  expect(after.filter((name) => before.includes(name))).toEqual([]);
  // What they have, they have from the ConfigMap: the same as the gateway that is still there.
  const addresses = await pool.kubectl(['get', 'pods', '-l', publishers, '-o', 'jsonpath={.items[*].status.podIP}']);
  const [gateway] = [...watch.pods.values()];
  const statuses = await Promise.all([...addresses.split(' '), gateway?.status?.podIP ?? ''].map((address) => adminStatus(address)));
  expect(statuses.map((status) => status?.policiesHash)).toEqual(statuses.map(() => expect.stringMatching(/^[0-9a-f]{64}$/)));
  expect(new Set(statuses.map((status) => `${status?.poolEpoch} ${status?.policiesHash}`)).size).toBe(1);
  expect((await pool.publish('video:2', 'by a publisher that no operator has told anything')).E).toBeNull();
  const resumed = stream.next;
  await expect.poll(() => viewers.every(({ last }) => last > resumed), { timeout: 20_000 }).toBe(true);

  await pool.startOperator();
  await expect.poll(() => watch.ready.length, { timeout: 60_000 }).toBe(2);
  await pool.untilCondition('gwp/main', 'Ready');
  await stream.stop();
  const told = viewers.map(({ account }) => account);
  process.stdout.write(
    `${stream.next} publications, ${stream.failures.length} not taken while no publisher was there; ${JSON.stringify(told)}\n`,
  );
  expect(told.map(({ disordered }) => disordered)).toEqual(viewers.map(() => 0));
  expect(Math.max(...told.map(({ unnamed }) => unnamed))).toBeLessThanOrEqual(stream.failures.length);
}, 180_000);

test('children that are deleted by hand come back, and a pool that is deleted leaves nothing', async () => {
  await pool.kubectl(['delete', 'service', 'main', '--wait=true']);
  await pool.kubectl(['delete', 'deployment', '-l', publishers, '--wait=true']);
  await expect
    .poll(() => pool.kubectl(['get', 'service,deployment', '-l', ofPool, '-o', 'name']), { timeout: 20_000 })
    .toContain('service/main\n');
  await pool.kubectl(['rollout', 'status', 'deployment', '-l', publishers, '--timeout=60s']);
  await pool.untilCondition('gwp/main', 'Ready');
  await pool.kubectl(['delete', 'gwp', 'main', '--wait=true', '--timeout=60s']);
  await expect.poll(() => pool.kubectl(['get', kinds, '-l', ofPool, '-o', 'name']), { timeout: 120_000, interval: 500 }).toBe('');
  await pool.untilCondition('bch/open', 'Accepted', 'False');
  expect(await pool.field('bch/open', '.status.conditions[?(@.type=="Accepted")].reason')).toBe('PoolNotFound');
}, 240_000);

test('a namespace with a pool is deleted while no operator runs', async () => {
  const other = await OperatedPool.open('abandoned');
  await other.startOperator();
  await other.apply(poolMain('  replicas: 1\n'));
  await other.apply(channel('Public'));
  await other.untilCondition('gwp/main', 'Ready');
  await other.stopOperator();
  await other.cluster.kubectl(['delete', 'namespace', other.namespace, '--wait=true', '--timeout=120s']);
}, 240_000);
