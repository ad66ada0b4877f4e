import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { Cluster, clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { FaultProxy, isWrite } from '../../support/fault-proxy.ts';
import { channel, gatewayPool, redisBus, Surroundings } from './observation.ts';

let at: Surroundings;
let proxy: FaultProxy;
let operator: Operator;
let writes: string[] = [];

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('foreign'));
  proxy = await FaultProxy.start(cluster.kubeconfig);
  proxy.fault = (request) => {
    if (isWrite(request)) writes.push(`${request.verb} ${request.path}`);
    return undefined;
  };
  operator = await startOperator(new Cluster({ kubeconfig: proxy.kubeconfig, url: cluster.url }), at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await proxy.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

/** As an auditor of somebody else's would say it. */
async function condemn(kind: string, name: string): Promise<void> {
  const condition = {
    type: 'example.com/Audited',
    status: 'True',
    reason: 'Seen',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const object = { apiVersion: 'barrage.dev/v1alpha1', kind, metadata: { name }, status: { conditions: [condition] } };
  const apply = ['apply', '--server-side', '--subresource=status', '--field-manager=auditor', '-f', '-'];
  await at.cluster.kubectl(['-n', at.namespace, ...apply], JSON.stringify(object));
}

/** A new pool goes the whole way, and with it all that was to be seen before. */
async function untilSeen(marker: string): Promise<void> {
  await at.apply(gatewayPool(marker, { replicas: 0 }));
  await at.untilReason(`gwp/${marker}`, 'Ready', 'ScaledToZero');
  await expect.poll(() => operator.isIdle, { timeout: 10_000 }).toBe(true);
}

test('a condition of somebody else stays, and costs no write, however often its object is looked at', { timeout: 120_000 }, async () => {
  await at.apply(gatewayPool('live', { replicas: 2, bus: redisBus, publisher: { minReplicas: 1 } }), channel('gifts', 'gift:*', 'live'));
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  await at.untilReason('bch/gifts', 'Accepted', 'Accepted');
  const toldOfLive = async (): Promise<readonly string[]> => (await at.faultsTold('GatewayPool/live')).toSorted();
  await expect.poll(toldOfLive, { timeout: 30_000, interval: 200 }).toEqual(['PublishersNotReady', 'Unschedulable']);
  await untilSeen('before');
  writes = [];
  await condemn('GatewayPool', 'live');
  await condemn('BarrageChannel', 'gifts');
  for (const look of ['1', '2', '3', '4', '5'])
    for (const object of ['gwp/live', 'bch/gifts']) await at.kubectl('annotate', object, `look=${look}`, '--overwrite');
  await untilSeen('after');
  expect(writes.filter((write) => /live|gifts/.test(write))).toEqual([]);
  for (const object of ['gwp/live', 'bch/gifts'])
    expect(await at.condition(object, 'example.com/Audited'), object).toMatchObject({ status: 'True', reason: 'Seen' });
});

test('what is said over a condition of the operator is said anew, and the other condition stays', { timeout: 60_000 }, async () => {
  const condition = { type: 'Ready', status: 'True', reason: 'Wishful', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const object = {
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'GatewayPool',
    metadata: { name: 'live' },
    status: { conditions: [condition] },
  };
  const apply = ['apply', '--server-side', '--force-conflicts', '--subresource=status', '--field-manager=optimist', '-f', '-'];
  await at.cluster.kubectl(['-n', at.namespace, ...apply], JSON.stringify(object));
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  expect(await at.condition('gwp/live', 'example.com/Audited')).toBeDefined();
});
