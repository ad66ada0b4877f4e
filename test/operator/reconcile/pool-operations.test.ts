import { Counter, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { PoolOperations, type PoolOperationsOptions } from '../../../operator/reconcile/pool-operations.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import type { AdminStatus } from '../../../core/pool/admin-status.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type Pool = ReturnType<PoolOperationsOptions['stores']['pools']['all']>[number];

function poolOf(name: string): Pool {
  const condition = {
    type: 'Ready',
    status: 'False',
    reason: 'NoGateway',
    message: 'No gateway is ready.',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const pool = {
    metadata: { namespace: 'live', name, uid: `uid-${name}` },
    spec: { scaling: { type: 'Fixed' } },
    status: { desiredReplicas: 2, conditions: [condition] },
  };
  return pool as unknown as Pool;
}

function podOf(name: string): PoolPod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, uid: name, labels: { 'barrage.dev/component': 'gateway' } } };
}

const status = {
  connections: 30,
  subscriptions: 40,
  rooms: 2,
  bytesSentPerSecond: 500,
  loopUtilization: 0.1,
  poolEpoch: 3,
  topChannels: [],
  waitingFor: [],
  drain: { state: 'serving', movedConnections: 0 },
};

function operationsOf(
  names: readonly string[],
  isLeader = true,
): { readonly operations: PoolOperations; readonly reconciles: Counter; readonly clock: FakeClock } {
  const pools = new Map(names.map((name) => [`live/${name}`, poolOf(name)]));
  const registry = new Registry();
  const reconciles = new Counter({ name: 'controller_runtime_reconcile_total', help: 'h', registers: [registry] });
  const clock = new FakeClock();
  const stores = {
    pools: { all: () => [...pools.values()], get: (key: string) => pools.get(key) },
    podsOf: (key: string) => (pools.has(key) ? [podOf(`${key}-a`), podOf(`${key}-b`)] : []),
    waitingFor: () => [],
  };
  const operations = new PoolOperations({
    stores: stores as unknown as PoolOperationsOptions['stores'],
    polls: {
      of: (uid) => (uid.endsWith('-a') ? { at: clock.time, status: status as unknown as AdminStatus } : undefined),
      unansweredSince: () => undefined,
    },
    decisionOf: () => undefined,
    isLeader: () => isLeader,
    leader: () => 'operator-2',
    registry,
    clock,
    name: 'operator-1',
  });
  return { operations, reconciles, clock };
}

test('the only pool is shown with its sums, its gateways and its history', async () => {
  const { operations, reconciles, clock } = operationsOf(['main']);
  await operations.sample();
  reconciles.inc(4);
  clock.time += 2_000;
  await operations.sample();
  const { figures, operator, process } = operations.snapshot('');
  expect(figures).toMatchObject({ connections: 30, subscriptions: 40, rooms: 2, bytes: 500, ready: 0, desired: 2, reconciles: 2 });
  expect(process).toMatchObject({ role: 'operator', name: 'operator-1' });
  expect(operator?.pools).toMatchObject([{ key: 'live/main', isReady: false, message: 'No gateway is ready.' }]);
  expect(operator?.pool?.gateways.map(({ name, connections }) => [name, connections])).toEqual([
    ['live/main-a', 30],
    ['live/main-b', undefined],
  ]);
  expect(operations.history('').series.connections).toEqual([30, 30]);
});

test('of several pools the page gets the one that it asks for, and no history of pools that are gone', async () => {
  const { operations } = operationsOf(['one', 'two']);
  await operations.sample();
  expect(operations.snapshot('').operator?.pool).toBeUndefined();
  expect(operations.snapshot('live/two').operator?.pool?.key).toBe('live/two');
  expect(operations.snapshot('live/gone').operator?.pool).toBeUndefined();
  expect(operations.history('live/two').series.connections).toEqual([30]);
  expect(operations.history('live/gone').series).toEqual({});
});

test('no more than the bound are listed, and a count tells of the others', async () => {
  const { operations } = operationsOf(Array.from({ length: 205 }, (_, index) => `pool-${String(index).padStart(3, '0')}`));
  const { operator } = operations.snapshot('');
  expect([operator?.pools.length, operator?.poolCount]).toEqual([200, 205]);
});

test('a replica that stands by has no figures of gateways', async () => {
  const { operations } = operationsOf(['main'], false);
  await operations.sample();
  const { figures, operator } = operations.snapshot('');
  expect([figures.connections, operator]).toEqual([
    undefined,
    { isLeader: false, leader: 'operator-2', queued: 0, pools: [], poolCount: 1 },
  ]);
  expect(operations.history('').series.connections).toBeUndefined();
});
