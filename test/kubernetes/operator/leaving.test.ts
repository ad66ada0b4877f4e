import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { names } from '../../../operator/desired/labels.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
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
