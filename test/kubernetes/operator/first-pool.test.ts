import { beforeAll, expect, test } from 'vitest';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { GrantedRelease } from './granted-release.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
}, clusterTimeoutMs);

async function poolsOf(namespace: string, path = '.metadata.name'): Promise<string> {
  return cluster.kubectl(['-n', namespace, 'get', 'gatewaypools', '-o', `jsonpath={range .items[*]}{${path}} {end}`]);
}

async function passwordOf(namespace: string): Promise<string> {
  return cluster.kubectl(['-n', namespace, 'get', 'secret', 'barrage-quickstart', '-o', 'jsonpath={.data.password}']);
}

const quickstart = (spec: object = {}): object => ({ quickstart: { enabled: true, pool: { name: 'live', spec } } });

test(
  'the quickstart brings a pool by the rights of the chart; what is changed by hand stays until the values change; it goes with the release, and no other pool does',
  { timeout: 180_000 },
  async () => {
    const [home, shows] = [await cluster.createNamespace('home'), await cluster.createNamespace('shows')];
    const mine = { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', metadata: { name: 'mine' }, spec: { replicas: 0 } };
    await cluster.kubectl(['-n', shows, 'apply', '-f', '-'], JSON.stringify(mine));
    const release = await GrantedRelease.install(cluster, home, [shows], quickstart());
    const first = { BARRAGE_OPERATOR_FIRST_POOL: `${shows}/barrage-quickstart` };
    const { operator } = await release.startOperator(first);
    await expect.poll(() => poolsOf(shows), { timeout: 60_000 }).toBe('live mine ');
    const redis = '.spec.bus.redis';
    expect(await poolsOf(shows, `${redis}.addresses[0]`)).toBe('barrage-quickstart:6379  ');
    expect(await poolsOf(shows, `${redis}.credentialsSecret.name`)).toBe('barrage-quickstart  ');
    const password = await passwordOf(shows);
    expect(Buffer.from(password, 'base64').toString()).toMatch(/^[A-Za-z0-9]{32}$/);

    await cluster.kubectl(['-n', shows, 'scale', 'gwp/live', '--replicas=3']);
    await cluster.kubectl(['-n', shows, 'delete', 'gwp/mine', '--wait=false']);
    await expect.poll(() => poolsOf(shows), { timeout: 60_000 }).toBe('live ');
    await cluster.kubectl(['-n', shows, 'apply', '-f', '-'], JSON.stringify(mine));
    expect(await poolsOf(shows, '.spec.replicas')).toBe('3 0 ');

    await release.apply('upgrade', quickstart({ replicas: 1 }));
    expect(await passwordOf(shows)).toBe(password);
    await operator.close();
    const { operator: next } = await release.startOperator(first);
    await expect.poll(() => poolsOf(shows, '.spec.replicas'), { timeout: 60_000 }).toBe('1 0 ');

    // Deleted by hand, it is made again: the release still asks for it.
    await cluster.kubectl(['-n', shows, 'delete', 'gwp/live', '--wait=false']);
    const isMade = async (): Promise<boolean> => {
      const age = await cluster.kubectl(['-n', shows, 'get', 'gwp/live', '--ignore-not-found', '-o', 'jsonpath={.metadata.generation}']);
      return age === '1';
    };
    await expect.poll(isMade, { timeout: 60_000 }).toBe(true);

    // Nobody runs an operator: the API server's own collector takes the pool along.
    await next.close();
    await release.apply('upgrade');
    await expect.poll(() => poolsOf(shows), { timeout: 60_000 }).toBe('mine ');
    await release.apply('upgrade', quickstart());
    await release.startOperator(first);
    await expect.poll(() => poolsOf(shows), { timeout: 60_000 }).toBe('live mine ');
    await release.uninstall();
    await expect.poll(() => poolsOf(shows), { timeout: 60_000 }).toBe('mine ');
  },
);

test("a pool of that name that is not the release's refuses the quickstart, and stays as it is", { timeout: 120_000 }, async () => {
  const [home, shows] = [await cluster.createNamespace('home'), await cluster.createNamespace('taken')];
  const foreign = { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', metadata: { name: 'live' }, spec: { replicas: 0 } };
  const release = await GrantedRelease.install(cluster, home, [shows]);
  await cluster.kubectl(['-n', shows, 'apply', '-f', '-'], JSON.stringify(foreign));
  await expect(release.apply('upgrade', quickstart())).rejects.toThrow(
    `quickstart: GatewayPool ${shows}/live exists already, and is not this release's. It stays as it is. Choose another name by quickstart.pool.name`,
  );
  // A pool that comes between the look and the installation is left alone by the operator, too.
  await release.apply('upgrade', { quickstart: { enabled: true, pool: { name: 'other', spec: {} } } });
  const request = { metadata: { name: 'live' }, spec: { replicas: 7 } };
  const data = JSON.stringify({ data: { 'pool.json': JSON.stringify(request) } });
  await cluster.kubectl(['-n', shows, 'patch', 'configmap', 'barrage-quickstart', '--type=merge', '-p', data]);
  const { metric } = await release.startOperator({ BARRAGE_OPERATOR_FIRST_POOL: `${shows}/barrage-quickstart` });
  const reconciled = 'controller_runtime_reconcile_total{controller="firstpool",result="success"}';
  await expect.poll(async () => Number(await metric(reconciled)), { timeout: 60_000 }).toBeGreaterThan(0);
  expect(await poolsOf(shows, '.spec.replicas')).toBe('0 ');
});
