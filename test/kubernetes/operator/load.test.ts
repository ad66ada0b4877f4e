import { afterAll, beforeAll, expect, test } from 'vitest';
import { names } from '../../../operator/desired/labels.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import { resources } from '../../../operator/kube/resources.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { OperatedCluster, OperatorProcess, type StoredPool } from './operated-cluster.ts';

let operated: OperatedCluster;
let operator: OperatorProcess;

const roomAfterMs = 60_000;
const silentMs = 10_000;
/** One operator after another leads with this Lease. */
const lease = 'operator-load';

/** By connections, where fewer than two gateways are never needed. */
const scaling = {
  type: 'Connections',
  connections: { minReplicas: 2, maxReplicas: 8, targetConnectionsPerPod: 30_000, fallbackReplicas: 6, metricsTimeoutSeconds: 600 },
};
/** Two gateways leave no room on their node for a third. */
const large = (round: string): object => ({
  metadata: { annotations: { round } },
  spec: {
    nodeSelector: { 'topology.kubernetes.io/zone': 'zone-1' },
    containers: [{ name: 'barrage', resources: { requests: { cpu: '450' }, limits: { cpu: '450' } } }],
  },
});

beforeAll(async () => {
  operated = await OperatedCluster.start({ nodes: 2, connections: 50 });
  await operated.applyPool('crowded', { replicas: 2, template: large('1') });
  await operated.applyPool('scaled', { replicas: 2, scaling });
  await operated.applyPool('full', { replicas: 2, scaling });
  await operated.applyPool('packed', { replicas: 2 });
  await operated.applyPool('leaving', { replicas: 3 });
  await operated.applyPool('dying', { replicas: 3 });
  operator = await begin('first');
  await operated.untilConverged();
  // Its test is the last one: it takes a minute until there is no hope for room.
  await operated.applyPool('crowded', { replicas: 2, template: large('2') });
}, clusterTimeoutMs + 120_000);
afterAll(async () => {
  await operator.kill();
  await operated.stop();
});

/** An operator for the whole file. */
async function begin(name: string): Promise<OperatorProcess> {
  return new OperatorProcess(await FaultProxy.start(operated.cluster.kubeconfig), { adminPort: operated.pods.port, name, lease });
}

async function stored(name: string): Promise<StoredPool> {
  const found = (await operated.pools()).find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`there is no pool ${name}`);
  return found;
}

async function condition(pool: string, type: string): Promise<string> {
  const found = (await stored(pool)).status?.conditions?.find((each) => each.type === type);
  return `${found?.status} ${found?.reason}`;
}

/** The reasons of a pool's events, each with its words. */
async function events(pool: string): Promise<readonly string[]> {
  const list = await operated.cluster.kubectl(['-n', operated.namespace, 'get', 'events.events.k8s.io', '-o', 'json']);
  const { items } = JSON.parse(list) as {
    readonly items: readonly {
      readonly reason: string;
      readonly note: string;
      readonly regarding: { readonly kind: string; readonly name: string };
    }[];
  };
  return items
    .filter(({ regarding }) => regarding.kind === 'GatewayPool' && regarding.name === pool)
    .map(({ reason, note }) => `${reason}: ${note}`);
}

/** When the operator marked a gateway, in Unix milliseconds; `undefined`: it has not. */
function markedAt({ metadata }: PoolPod): number | undefined {
  const mark = metadata.annotations?.[names.annotation.drainStarted];
  return mark === undefined ? undefined : Date.parse(mark);
}

/** A pool's gateways in a fixed order. */
function crew(pool: string): readonly PoolPod[] {
  return operated.gateways(pool).toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
}

test(
  'a new leader takes nobody’s silence for a lost load, and lets nobody leave before it has heard or waited for all',
  { timeout: 120_000 },
  async () => {
    const [few, more, most] = crew('leaving').map(({ metadata }) => metadata.uid) as [string, string, string];
    operated.pods.setConnections(few, 10);
    operated.pods.setConnections(more, 20);
    operated.pods.setConnections(most, 500);
    const silent = [...crew('scaled').map(({ metadata }) => metadata.uid), most];
    for (const uid of silent) operated.pods.setSilent(uid, true);
    await operator.close();
    await operated.applyPool('leaving', { replicas: 2 });
    const begunAt = Date.now();
    operator = await begin('second');

    await expect.poll(() => crew('leaving').flatMap((pod) => markedAt(pod) ?? []), { timeout: 60_000 }).toHaveLength(1);
    const [marked] = crew('leaving').filter((pod) => markedAt(pod) !== undefined);
    // Nobody knows how many clients the silent one has: of the others the emptier one leaves, once the wait is over.
    expect(marked?.metadata.uid).toBe(few);
    expect(markedAt(marked as PoolPod)).toBeGreaterThanOrEqual(begunAt + silentMs);

    expect(crew('scaled')).toHaveLength(2);
    expect((await stored('scaled')).status?.desiredReplicas).toBe(2);
    expect(await condition('scaled', 'MetricsAvailable')).toBe('True Fresh');
    expect((await events('scaled')).filter((words) => /^(Scaled|Metrics)/.test(words))).toEqual([]);
    for (const uid of silent) operated.pods.setSilent(uid, false);
    await expect.poll(() => crew('leaving').length, { timeout: 30_000 }).toBe(2);
  },
);

test(
  'a gateway that is neither ready nor answers is left out of the document while most others are well',
  { timeout: 120_000 },
  async () => {
    const [dead, ...others] = crew('dying');
    const { uid = '', name = '' } = dead?.metadata ?? {};
    const placed = (): readonly boolean[] => {
      const documents = others.map((pod) => operated.pods.documentOf(pod.metadata.uid));
      return documents.map((document) => document?.gateways.some((each) => each.uid === uid && each.state === 'serving') ?? false);
    };
    expect(placed()).toEqual([true, true]);
    const conditions = ['ContainersReady', 'Ready'].map((type) => ({ type, status: 'False', reason: 'ContainersNotReady' }));
    const unready = JSON.stringify({ status: { conditions } });
    await operated.cluster.kubectl(['-n', operated.namespace, 'patch', 'pod', name, '--subresource=status', '-p', unready]);
    const silentAt = performance.now();
    operated.pods.setSilent(uid, true);
    await expect.poll(placed, { timeout: 60_000, interval: 100 }).toEqual([false, false]);
    expect(performance.now() - silentAt).toBeGreaterThanOrEqual(silentMs);
    // The pod itself is left alone, and is back with its first answer.
    operated.pods.setSilent(uid, false);
    await expect.poll(placed, { timeout: 30_000 }).toEqual([true, true]);
    expect(crew('dying').map(({ metadata }) => metadata.uid)).toContain(uid);
  },
);

test('the bound of connections follows the target, and full gateways count as need or are told', { timeout: 120_000 }, async () => {
  const [gateway] = crew('full');
  const bound = gateway?.spec?.containers
    ?.flatMap(({ env = [] }) => env)
    .find((variable) => variable.name === 'BARRAGE_GATEWAY_CONNECTIONS_MAX');
  expect(bound?.value).toBe('60000');
  expect(await condition('full', 'ScalingLimited')).not.toContain('GatewaysFull');

  const packed = crew('packed')[0]?.metadata.uid ?? '';
  operated.pods.setRefusing(packed, true);
  operated.pods.setRefusing(gateway?.metadata.uid ?? '', true);
  await expect.poll(() => crew('full').length, { timeout: 30_000 }).toBeGreaterThan(2);
  operated.pods.setRefusing(gateway?.metadata.uid ?? '', false);
  await expect
    .poll(() => events('full'), { timeout: 30_000 })
    .toContainEqual(expect.stringMatching(/^ScaledUp: From 2 to 3 .*refuses clients/));
  // A fixed number does not follow. The condition flips once a minute at most.
  await expect.poll(() => condition('packed', 'ScalingLimited'), { timeout: 90_000 }).toBe('True GatewaysFull');
  expect(crew('packed')).toHaveLength(2);
  operated.pods.setRefusing(packed, false);
});

test('new policies are in force when the publishers, which enforce their limits, have them too', { timeout: 120_000 }, async () => {
  const publisher = operated.pods.pods
    .all()
    .find(({ metadata: { name, labels = {} } }) => name.startsWith('packed-') && labels[names.label.component] === 'publisher');
  const uid = publisher?.metadata.uid ?? '';
  await expect.poll(() => condition('packed', 'PoliciesInForce'), { timeout: 30_000 }).toBe('True InForce');
  operated.pods.setSilent(uid, true);
  const { apiVersion, kind } = resources.barrageChannel;
  const spec = { poolRef: { name: 'packed' }, channel: 'gifts:*' };
  await operated.api.create(resources.barrageChannel, {
    apiVersion,
    kind,
    metadata: { namespace: operated.namespace, name: 'gifts' },
    spec,
  } as KubeObject);
  // Every other pod has them.
  const lacking = (): readonly string[] => {
    const hashes = [...crew('packed'), publisher as PoolPod].map((pod) => operated.pods.documentOf(pod.metadata.uid)?.policies.hash ?? '');
    return [...new Set(hashes)];
  };
  await expect.poll(lacking, { timeout: 30_000 }).toHaveLength(2);
  await expect.poll(() => condition('packed', 'PoliciesInForce'), { timeout: 30_000 }).toBe('False Pushing');
  operated.pods.setSilent(uid, false);
  await expect.poll(() => condition('packed', 'PoliciesInForce'), { timeout: 30_000 }).toBe('True InForce');
  expect(lacking()).toHaveLength(1);
});

test('a rollout whose new gateway finds no node for a minute lets an old one make room', { timeout: 180_000 }, async () => {
  const isOld = ({ metadata }: PoolPod): boolean => metadata.annotations?.['round'] === '1';
  await expect.poll(() => crew('crowded').filter(isOld).length, { timeout: 120_000, interval: 200 }).toBe(1);
  const { conditions = [] } = (await stored('crowded')).status ?? {};
  expect(conditions.find(({ type }) => type === 'Available')?.status).toBe('True');
  const told = (await events('crowded')).filter((words) => /^(PodReplaced|Unschedulable)/.test(words));
  expect(told.map((words) => words.split(':')[0])).toEqual(expect.arrayContaining(['PodReplaced', 'Unschedulable']));
  // Times of objects are whole seconds.
  const waitsSince = Math.min(...crew('crowded').flatMap((pod) => (isOld(pod) ? [] : [Date.parse(pod.metadata.creationTimestamp ?? '')])));
  const [left] = operator.requests(({ verb, path }) => verb === 'delete' && path.includes('/pods/crowded-'));
  expect(performance.timeOrigin + (left?.at ?? 0) - waitsSince).toBeGreaterThanOrEqual(roomAfterMs - 1_000);
});
