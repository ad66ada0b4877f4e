import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { names } from '../../../operator/desired/labels.ts';
import { resources } from '../../../operator/kube/resources.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { OperatedCluster } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ nodes: 2, connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const pool = 'live';
/** By default the scheduler spreads gateways where it can; here it must. */
const template = {
  spec: {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { [names.label.pool]: pool, [names.label.component]: 'gateway' } },
      },
    ],
  },
};

function isMarked({ metadata }: PoolPod): boolean {
  return metadata.annotations?.[names.annotation.drainStarted] !== undefined;
}

function zones(): readonly string[] {
  return operated.gateways(pool).map(({ metadata }) => metadata.labels?.['topology.kubernetes.io/zone'] ?? 'none');
}

test('of equally full gateways one leaves the zone that has most of them', async () => {
  await operated.applyPool(pool, { replicas: 3, template });
  await operated.startOperator();
  await operated.untilConverged();
  const before = zones();
  const crowded = before.filter((zone) => zone === 'zone-0').length === 2 ? 'zone-0' : 'zone-1';
  expect(before.toSorted()).toEqual(['zone-0', 'zone-1', crowded].toSorted());
  await operated.applyPool(pool, { replicas: 2, template });
  await operated.untilConverged();
  expect(zones().toSorted()).toEqual(['zone-0', 'zone-1']);
});

/**
 * There are no EndpointSlices of simulated pods, since their addresses are loopback's: one of ours says what
 * Kubernetes' would.
 */
async function applySlice(uid: string, ready: boolean): Promise<void> {
  const labels = {
    'kubernetes.io/service-name': pool,
    'app.kubernetes.io/managed-by': 'barrage-operator',
    [names.label.pool]: pool,
  };
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'behind', labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready }, targetRef: { kind: 'Pod', uid } }],
  };
  await operated.cluster.kubectl(['-n', operated.namespace, 'apply', '-f', '-'], JSON.stringify(slice));
}

function createdAt({ metadata }: PoolPod): number {
  return Date.parse(metadata.creationTimestamp ?? '');
}

test('no connection is moved while an EndpointSlice still leads new clients to the gateway', { timeout: 120_000 }, async () => {
  await operated.applyPool(pool, { replicas: 1, template });
  await operated.startOperator();
  await operated.untilConverged();
  await operated.applyPool(pool, { replicas: 2, template });
  await operated.untilConverged();
  // Of two equally full ones the younger leaves.
  const [younger] = operated.gateways(pool).toSorted((one, other) => createdAt(other) - createdAt(one));
  const { uid = '' } = younger?.metadata ?? {};
  await applySlice(uid, true);
  await operated.applyPool(pool, { replicas: 1, template });
  await vi.waitUntil(() => operated.gateways(pool).some((pod) => isMarked(pod) && pod.metadata.uid === uid), { timeout: 30_000 });
  await pause(5_000);
  // Told to leave, long past the second of propagation, and not one connection moved.
  expect(operated.pods.connectionsOf(uid)).toBe(50);
  await applySlice(uid, false);
  await operated.untilConverged();
  expect(operated.gateways(pool).map(({ metadata }) => metadata.uid)).not.toContain(uid);
});

/** Waits until the pool's document is newer than an epoch, and every gateway has it. Returns its epoch. */
async function untilAllToldAfter(keyed: string, epoch: number): Promise<number> {
  const newest = async (): Promise<number> => {
    const found = (await operated.pools()).find(({ metadata }) => metadata.name === keyed);
    return found?.status?.placementEpoch ?? 0;
  };
  const told = async (): Promise<readonly number[]> => {
    const present = await newest();
    return [...new Set([present, ...operated.gateways(keyed).map(({ metadata }) => operated.pods.epochOf(metadata.uid))])];
  };
  await expect.poll(told, { timeout: 30_000 }).toEqual([expect.toSatisfy((present: number) => present > epoch)]);
  return await newest();
}

test('after a new signing key each gateway is told in the key that it trusts, also by another operator', { timeout: 180_000 }, async () => {
  const keyed = 'keyed';
  const secrets = async (): Promise<number> => {
    const kept = await operated.api.get<KubeObject & { readonly data?: object }>(resources.secret, {
      namespace: operated.namespace,
      name: `${keyed}-signing-kept`,
    });
    return Object.keys(kept?.data ?? {}).length;
  };
  const addChannel = async (name: string): Promise<void> => {
    const { apiVersion, kind } = resources.barrageChannel;
    const spec = { poolRef: { name: keyed }, channel: `${name}:*` };
    await operated.api.create(resources.barrageChannel, {
      apiVersion,
      kind,
      metadata: { namespace: operated.namespace, name },
      spec,
    } as KubeObject);
  };
  await operated.applyPool(keyed, { replicas: 3, updateStrategy: { type: 'OnDelete' } });
  const first = await operated.startOperator();
  await operated.untilConverged();
  const before = operated.gateways(keyed);
  let epoch = await untilAllToldAfter(keyed, 0);
  expect(await secrets()).toBe(2);

  await operated.cluster.kubectl(['-n', operated.namespace, 'delete', `secret/${keyed}-signing`]);
  // A new key is a new document.
  epoch = await untilAllToldAfter(keyed, epoch);
  await addChannel('gifts');
  epoch = await untilAllToldAfter(keyed, epoch);
  expect(await secrets()).toBe(4);
  await first.kill();
  await operated.startOperator();
  await addChannel('likes');
  epoch = await untilAllToldAfter(keyed, epoch);
  expect(operated.gateways(keyed).map(({ metadata }) => metadata.uid)).toEqual(before.map(({ metadata }) => metadata.uid));

  for (const { metadata } of before) await operated.cluster.kubectl(['-n', operated.namespace, 'delete', `pod/${metadata.name}`]);
  await operated.untilConverged();
  await untilAllToldAfter(keyed, epoch);
  // Nobody trusts the old key any more.
  await expect.poll(secrets, { timeout: 30_000 }).toBe(2);
  expect(operated.pods.objections).toEqual([]);
});

/** Whether deleted pods stay as they are, as those of gateways do that still move their clients. */
async function hold(pods: readonly PoolPod[], isHeld: boolean): Promise<void> {
  const patch = JSON.stringify({ metadata: { finalizers: isHeld ? ['barrage.test/clients'] : null } });
  const paths = pods.map(({ metadata }) => `pod/${metadata.name}`);
  if (paths.length > 0) await operated.cluster.kubectl(['-n', operated.namespace, 'patch', ...paths, '--type=merge', '-p', patch]);
}

/** Asks for the eviction of all at the same time, as drains of several nodes do. Returns the evicted ones by name. */
async function evictAll(pods: readonly PoolPod[]): Promise<readonly string[]> {
  const evict = async ({ metadata: { name, uid } }: PoolPod): Promise<readonly string[]> => {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, deleteOptions: { preconditions: { uid } } };
    const path = `/api/v1/namespaces/${operated.namespace}/pods/${name}/eviction`;
    try {
      await operated.cluster.kubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
      return [name];
    } catch (error) {
      expect(String(error)).toMatch(/disruption budget/);
      return [];
    }
  };
  return (await Promise.all(pods.map(evict))).flat();
}

/** Waits until the API server judges evictions of the pool by these figures. */
async function untilBudget(wanted: { readonly minAvailable: number; readonly healthy: number }): Promise<void> {
  const path = '{.spec.minAvailable} {.status.desiredHealthy} {.status.currentHealthy}';
  const look = () => operated.cluster.kubectl(['-n', operated.namespace, 'get', `pdb/${pool}-gateways`, '-o', `jsonpath=${path}`]);
  await expect.poll(look, { timeout: 30_000, interval: 200 }).toBe(`${wanted.minAvailable} ${wanted.minAvailable} ${wanted.healthy}`);
}

/**
 * Asks for evictions, once the operator has marked a gateway, until one is allowed, and once more. Gateways that are
 * marked or not ready are left alone: they count for nobody. Returns the evicted ones by name.
 */
async function evictWhileOneLeaves(): Promise<readonly string[]> {
  await vi.waitUntil(() => operated.gateways(pool).some(isMarked), { timeout: 60_000 });
  const isReady = ({ status }: PoolPod): boolean =>
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
  const gone: string[] = [];
  const attempt = async (): Promise<number> => {
    const serving = operated.gateways(pool).filter((pod) => isReady(pod) && !isMarked(pod) && !gone.includes(pod.metadata.name));
    await hold(serving, true);
    gone.push(...(await evictAll(serving)));
    return gone.length;
  };
  await expect.poll(attempt, { timeout: 40_000 }).toBeGreaterThan(0);
  await attempt();
  return gone;
}

test('while the bus is away, no gateway is evicted for not being ready', { timeout: 120_000 }, async () => {
  await operated.applyPool(pool, { replicas: 3, template });
  const operator = await operated.startOperator();
  await operated.untilConverged();
  await untilBudget({ minAvailable: 2, healthy: 3 });
  // It must hold without an operator too.
  await operator.kill();
  // What the kubelet writes when the readiness probes fail.
  const conditions = ['ContainersReady', 'Ready'].map((type) => ({ type, status: 'False', reason: 'ContainersNotReady' }));
  const unready = JSON.stringify({ status: { conditions } });
  const pods = operated.gateways(pool);
  for (const { metadata } of pods)
    await operated.cluster.kubectl(['-n', operated.namespace, 'patch', 'pod', metadata.name, '--subresource=status', '-p', unready]);
  await untilBudget({ minAvailable: 2, healthy: 0 });
  expect(await evictAll(pods)).toEqual([]);
  // The kubelet finds them ready again.
  const ready = JSON.stringify({ status: { conditions: [{ type: 'ContainersReady', status: 'True' }] } });
  for (const { metadata } of pods)
    await operated.cluster.kubectl(['-n', operated.namespace, 'patch', 'pod', metadata.name, '--subresource=status', '-p', ready]);
  await untilBudget({ minAvailable: 2, healthy: 3 });
});

test('of the gateways that still carry clients in a scale-down or a rollout, the API server evicts one', { timeout: 180_000 }, async () => {
  // Nobody who leaves is done before the test is: fifty connections take 50 s to move.
  const drain = { propagationSeconds: 1, connectionsPerSecond: 1, deadlineSeconds: 120 };
  await operated.applyPool(pool, { replicas: 6, template, drain });
  await operated.startOperator();
  await operated.untilConverged();
  await untilBudget({ minAvailable: 5, healthy: 6 });

  await operated.applyPool(pool, { replicas: 3, template, drain });
  expect(await evictWhileOneLeaves()).toHaveLength(1);
  await hold(operated.gateways(pool), false);

  await operated.applyPool(pool, { replicas: 6, template, drain });
  await operated.untilConverged();
  const next = { ...template, metadata: { annotations: { round: '2' } } };
  await operated.applyPool(pool, { replicas: 6, template: next, drain });
  expect(await evictWhileOneLeaves()).toHaveLength(1);
  await hold(operated.gateways(pool), false);
  // Nothing waits for the rest of the rollout.
  await operated.cluster.kubectl(['-n', operated.namespace, 'delete', 'gatewaypool', pool]);
});
