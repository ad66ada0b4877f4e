import { beforeAll, expect, test } from 'vitest';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { GrantedRelease } from './granted-release.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
}, clusterTimeoutMs);

const timeout = 120_000;

async function applyPool(namespace: string, spec: object = {}): Promise<void> {
  const pool = { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', metadata: { name: 'live' }, spec };
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], JSON.stringify(pool));
}

/** Gateways of the pool, and whether its status says anything. */
async function lookedAfter(namespace: string): Promise<readonly [pods: number, observedGeneration: string]> {
  const pods = await cluster.kubectl(['-n', namespace, 'get', 'pods', '-o', 'name', '-l', 'barrage.dev/pool=live']);
  const generation = await cluster.kubectl(['-n', namespace, 'get', 'gwp/live', '-o', 'jsonpath={.status.observedGeneration}']);
  return [pods.split('\n').filter((line) => line !== '').length, generation];
}

test(
  'a namespace whose Role is gone, and one that does not exist, hold no other up; with the Role back it is looked after',
  { timeout },
  async () => {
    const [home, kept, bereft] = [
      await cluster.createNamespace('home'),
      await cluster.createNamespace('kept'),
      await cluster.createNamespace('bereft'),
    ];
    const release = await GrantedRelease.install(cluster, home, [kept, bereft]);
    const role = await cluster.kubectl(['-n', bereft, 'get', 'role', 'barrage-operator', '-o', 'json']);
    await cluster.kubectl(['-n', bereft, 'delete', 'role', 'barrage-operator']);
    await Promise.all([kept, bereft].map((namespace) => applyPool(namespace)));
    const watching = await release.startOperator({ BARRAGE_OPERATOR_WATCH_NAMESPACES: `${kept},${bereft},nowhere-at-all` });
    await expect.poll(() => lookedAfter(kept), { timeout: 30_000 }).toEqual([1, '1']);
    expect(watching.operator.isLeader).toBe(true);
    expect(await watching.ready()).not.toContain('waiting');
    const refused = async (): Promise<readonly (string | undefined)[]> =>
      Promise.all(
        [kept, bereft, 'nowhere-at-all'].map((name) => watching.metric(`barrage_operator_namespace_refused{namespace="${name}"}`)),
      );
    expect(await refused()).toEqual(['0', '1', '1']);
    expect(await lookedAfter(bereft)).toEqual([0, '']);

    // Of its pods alone it knows nothing as long as it may not read all: it would make some that exist.
    const { metadata, rules } = JSON.parse(role) as {
      readonly metadata: { readonly name: string };
      readonly rules: readonly { resources: string[] }[];
    };
    const apply = (granted: typeof rules): Promise<string> => {
      const object = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: metadata.name }, rules: granted };
      return cluster.kubectl(['-n', bereft, 'apply', '-f', '-'], JSON.stringify(object));
    };
    await apply(rules.map((rule) => ({ ...rule, resources: rule.resources.filter((plural) => plural !== 'secrets') })));
    const known = (): Promise<string | undefined> => watching.metric(`barrage_operator_cache_objects{kind="GatewayPool in ${bereft}"}`);
    await expect.poll(known, { timeout: 45_000 }).toBe('1');
    expect(await refused()).toEqual(['0', '1', '1']);
    expect(await lookedAfter(bereft)).toEqual([0, '']);

    await apply(rules);
    // It is tried again after at most 30 s.
    await expect.poll(() => lookedAfter(bereft), { timeout: 45_000 }).toEqual([1, '1']);
    expect(await refused()).toEqual(['0', '0', '1']);
  },
);

test('who may read none of its namespaces does not lead, and says why', { timeout }, async () => {
  const [home, bereft] = [await cluster.createNamespace('home'), await cluster.createNamespace('bereft')];
  const release = await GrantedRelease.install(cluster, home, [bereft]);
  await cluster.kubectl(['-n', bereft, 'delete', 'role', 'barrage-operator']);
  const watching = await release.startOperator();
  await expect.poll(() => watching.metric(`barrage_operator_namespace_refused{namespace="${bereft}"}`), { timeout: 30_000 }).toBe('1');
  expect(await watching.ready()).toMatch(/waiting for: the API server to tell of .*GatewayPool in .*forbidden/);
  expect(watching.operator.isLeader).toBe(false);
});

test(
  'its rights are enough where the API server asks for one to own objects: also for what belongs to a gateway',
  { timeout },
  async () => {
    const [home, namespace] = [await cluster.createNamespace('home'), await cluster.createNamespace('strict')];
    const release = await GrantedRelease.install(cluster, home, [namespace]);
    await applyPool(namespace, {
      exposure: { type: 'HTTPRoute', httpRoute: { hostname: 'live.example.com', parentRef: { name: 'edge' } } },
    });
    await release.startOperator();
    const services = ['-n', namespace, 'get', 'services', '-l', 'barrage.dev/gateway', '-o'];
    const owner = 'jsonpath={.items[*].metadata.ownerReferences[*].kind}';
    await expect.poll(() => cluster.kubectl([...services, owner]), { timeout: 30_000 }).toBe('Pod');
    // The plugin is at work: who may make Services, and has no right on their owner, can't block its deletion.
    await cluster.kubectl(['-n', namespace, 'create', 'role', 'maker', '--verb=create,delete,patch,get', '--resource=services']);
    await cluster.kubectl(['-n', namespace, 'create', 'rolebinding', 'maker', '--role=maker', '--user=maker']);
    const [service] = (JSON.parse(await cluster.kubectl([...services, 'json'])) as { readonly items: readonly OwnedService[] }).items;
    const owners = service?.metadata.ownerReferences.map((each) => ({ ...each, blockOwnerDeletion: true })) ?? [];
    const blocking = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'blocking', ownerReferences: owners },
      spec: { ports: [{ port: 1 }] },
    };
    await expect(cluster.kubectl(['-n', namespace, '--as=maker', 'create', '-f', '-'], JSON.stringify(blocking))).rejects.toThrow(
      'cannot set blockOwnerDeletion',
    );
  },
);

interface OwnedService {
  readonly metadata: { readonly ownerReferences: readonly object[] };
}
