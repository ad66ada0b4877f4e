import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import { exportPoolMetrics } from '../../../operator/reconcile/pool-metrics.ts';

function pool(name: string, status: object | undefined): GatewayPool {
  return { metadata: { namespace: 'live', name, uid: name, generation: 1 }, status } as unknown as GatewayPool;
}

function condition(type: string, status: string, reason: string): object {
  return { type, status, reason, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
}

async function samples(registry: Registry): Promise<readonly string[]> {
  const text = await registry.metrics();
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

test('a pool that scales by connections has its bounds, and a stored value that is no number has no series', async () => {
  const registry = new Registry();
  const connections = { minReplicas: 2, maxReplicas: 'many', targetConnectionsPerPod: 5000 };
  const pools = [
    { ...pool('web', undefined), spec: { scaling: { type: 'Connections', connections } } },
    { ...pool('fixed', undefined), spec: { scaling: { type: 'Fixed', connections } } },
  ] as unknown as readonly GatewayPool[];
  exportPoolMetrics(registry, { pools: () => pools, isLeader: () => true });
  expect((await samples(registry)).filter((line) => line.includes('_scaling'))).toEqual([
    'barrage_operator_pool_scaling{namespace="live",pool="web",bound="min"} 2',
    'barrage_operator_pool_scaling{namespace="live",pool="web",bound="target"} 5000',
  ]);
});

test('the leader exports conditions and counts of every pool, and nothing of one that is gone', async () => {
  const registry = new Registry();
  let isLeader = false;
  const status = {
    desiredReplicas: 3,
    replicas: 4,
    readyReplicas: 2,
    updatedReplicas: 1,
    drainingReplicas: 1,
    conditions: [condition('Ready', 'False', 'GatewaysStarting'), condition('Paused', 'False', 'NotPaused')],
  };
  let pools = [pool('web', status), pool('new', undefined)];
  exportPoolMetrics(registry, { pools: () => pools, isLeader: () => isLeader });
  expect(await samples(registry)).toEqual([]);

  isLeader = true;
  const all = await samples(registry);
  expect(all.filter((line) => line.includes('pool="web"'))).toEqual([
    'barrage_operator_pool_condition{namespace="live",pool="web",type="Ready",status="False",reason="GatewaysStarting"} 1',
    'barrage_operator_pool_condition{namespace="live",pool="web",type="Paused",status="False",reason="NotPaused"} 1',
    'barrage_operator_pool_gateways{namespace="live",pool="web",state="desired"} 3',
    'barrage_operator_pool_gateways{namespace="live",pool="web",state="existing"} 4',
    'barrage_operator_pool_gateways{namespace="live",pool="web",state="ready"} 2',
    'barrage_operator_pool_gateways{namespace="live",pool="web",state="updated"} 1',
    'barrage_operator_pool_gateways{namespace="live",pool="web",state="draining"} 1',
  ]);
  expect(all).toContain('barrage_operator_pool_gateways{namespace="live",pool="new",state="desired"} 0');

  pools = [pool('web', { ...status, conditions: [condition('Ready', 'True', 'Ready')] })];
  const later = await samples(registry);
  expect(later.filter((line) => line.includes('_condition{'))).toEqual([
    'barrage_operator_pool_condition{namespace="live",pool="web",type="Ready",status="True",reason="Ready"} 1',
  ]);
  expect(later.join()).not.toContain('pool="new"');
});
