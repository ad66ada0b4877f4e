import { expect, test } from 'vitest';
import { poolWith } from './pool-fixture.ts';
import { SimulatedCluster, type World } from './simulated-cluster.ts';

const calm: World = { lagMax: 0, broken: new Set() };
const revisions = ['aaaaa11111', 'bbbbb22222', 'ccccc33333'];
const drain = { propagationSeconds: 2, connectionsPerSecond: 50, deadlineSeconds: 60 };

function isQuiet(cluster: SimulatedCluster, desired: number): boolean {
  const alive = cluster.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return (
    alive.length === desired &&
    alive.length === cluster.pods.length &&
    alive.every((pod) => pod.revision === cluster.revision && pod.serving === 'True' && pod.drain === undefined && !pod.isTold)
  );
}

/** Runs until nothing is left to do. @throws where it does not end within `steps` seconds */
function settle(cluster: SimulatedCluster, desired: number, steps = 1500): void {
  for (let step = 0; step < steps; step += 1) {
    const { plan } = cluster.reconcile();
    if (isQuiet(cluster, desired) && plan.actions.length === 0 && cluster.reconcile().plan.actions.length === 0) return;
    cluster.step();
  }
  throw new Error(`not settled: ${cluster.summary()}, desired ${desired} of ${cluster.revision}`);
}

/** One second of anything that may happen to a pool. */
function disturb(cluster: SimulatedCluster): void {
  const { random } = cluster;
  const pod = cluster.pods.length === 0 ? undefined : random.pick(cluster.pods);
  const spec = cluster.pool.spec;
  switch (random.below(10)) {
    case 0:
      cluster.pool = poolWith({ ...spec, replicas: random.below(7) });
      return;
    case 1:
      cluster.revision = random.pick(revisions);
      return;
    case 2:
      cluster.pool = poolWith({
        ...spec,
        updateStrategy: { type: random.pick(['SurgeAndDrain', 'OnDelete']), maxSurge: random.pick([0, 1, 2, '25%']) },
      });
      return;
    case 3:
      cluster.pool = poolWith({
        ...spec,
        paused: random.chance(0.3),
        drain: { ...spec.drain, abortOnDemand: random.pick(['Never', 'BeforeEvictionStarted', 'Always']) },
      });
      return;
    case 4:
      if (pod !== undefined) cluster.delete(pod);
      return;
    case 5:
      if (pod?.phase === 'Running') cluster.fail(pod);
      return;
    case 6:
      if (pod !== undefined) cluster.edit(pod, { drain: random.pick([undefined, { startedAt: undefined, deadlineAt: undefined }]) });
      return;
    case 7:
      if (pod !== undefined) cluster.edit(pod, random.pick([{ serving: 'False' as const }, { labels: {} }, { revision: '' }]));
      return;
    case 8:
      cluster.aheadMs = random.pick([-3_600_000, -30_000, 0, 30_000, 3_600_000]);
      return;
    default:
      for (const each of cluster.pods) if (each.serving === 'True' && !each.isTold) each.connections += random.below(200);
  }
}

function chaos(seed: number, lagMax: number): SimulatedCluster {
  const cluster = new SimulatedCluster(seed, { lagMax, broken: new Set(['bbbbb22222']) });
  cluster.pool = poolWith({ replicas: 1 + (seed % 5), drain });
  for (let step = 0; step < 60; step += 1) {
    if (cluster.random.chance(0.3)) disturb(cluster);
    cluster.reconcile(cluster.random.chance(0.1) ? cluster.random.below(3) : Infinity);
    cluster.step();
  }
  return cluster;
}

test(
  'a pool converges from any state that hands, nodes, clocks, late stores and dying operators can bring it to',
  { timeout: 120_000 },
  () => {
    for (let seed = 1; seed <= 1000; seed += 1) {
      const cluster = chaos(seed, seed % 4);
      const desired = cluster.random.below(6);
      cluster.revision = cluster.random.pick(['aaaaa11111', 'ccccc33333']);
      cluster.pool = poolWith({ replicas: desired, drain });
      expect(() => settle(cluster, desired), `seed ${seed}`).not.toThrow();
      expect(cluster.breaches, `seed ${seed}`).toEqual([]);
    }
  },
);

test('from the same pods another operator comes to the same end, wherever the first one was killed', { timeout: 60_000 }, () => {
  for (let killedAt = 0; killedAt < 60; killedAt += 1) {
    const cluster = new SimulatedCluster(killedAt + 1, calm);
    cluster.pool = poolWith({ replicas: 3, drain });
    settle(cluster, 3);
    for (const pod of cluster.pods) pod.connections = 400;
    cluster.revision = 'ccccc33333';
    const before = cluster.created;
    for (let step = 0, applied = 0; applied <= killedAt && step < 200; step += 1) {
      const budget = killedAt - applied;
      applied += cluster.reconcile(budget).plan.actions.length;
      cluster.step();
    }
    cluster.restartOperator();
    settle(cluster, 3);
    expect(cluster.created - before, `killed after ${killedAt} actions`).toBe(3);
    expect(cluster.breaches).toEqual([]);
  }
});

test('a rollout replaces one after the other, with never fewer than desired to take clients', () => {
  const cluster = new SimulatedCluster(7, calm);
  cluster.pool = poolWith({ replicas: 4, drain });
  settle(cluster, 4);
  for (const pod of cluster.pods) pod.connections = 300;
  cluster.revision = 'ccccc33333';
  const seen = { least: 4, most: 0, draining: 0 };
  for (let step = 0; step < 300; step += 1) {
    cluster.reconcile();
    const alive = cluster.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    seen.least = Math.min(seen.least, cluster.available);
    seen.most = Math.max(seen.most, alive.length);
    seen.draining = Math.max(seen.draining, alive.filter((pod) => pod.drain !== undefined).length);
    cluster.step();
  }
  expect(isQuiet(cluster, 4)).toBe(true);
  expect(seen).toEqual({ least: 4, most: 6, draining: 1 });
  expect(cluster.pods.reduce((sum, { connections }) => sum + connections, 0)).toBe(1200);
});

test('a revision that never gets ready takes nobody away, and a corrected one goes through', () => {
  const cluster = new SimulatedCluster(3, { lagMax: 2, broken: new Set(['bbbbb22222']) });
  cluster.pool = poolWith({ replicas: 3, drain });
  settle(cluster, 3);
  for (const pod of cluster.pods) pod.connections = 100;
  cluster.revision = 'bbbbb22222';
  for (let step = 0; step < 300; step += 1) {
    cluster.reconcile();
    cluster.step();
  }
  expect(cluster.available).toBe(3);
  expect(cluster.pods.filter(({ revision }) => revision === 'bbbbb22222')).toHaveLength(1);
  cluster.revision = 'ccccc33333';
  settle(cluster, 3);
  expect(cluster.breaches).toEqual([]);
});

test('where a quota has room for the desired gateways only, a corrected revision takes the place of one that never got ready', () => {
  const cluster = new SimulatedCluster(11, { ...calm, broken: new Set(['aaaaa11111']), podsMax: 3 });
  cluster.pool = poolWith({ replicas: 3, drain });
  for (let step = 0; step < 60; step += 1) {
    cluster.reconcile();
    cluster.step();
  }
  expect(cluster.pods.map(({ revision }) => revision)).toEqual(['aaaaa11111', 'aaaaa11111', 'aaaaa11111']);
  cluster.revision = 'ccccc33333';
  settle(cluster, 3);
  expect(cluster.breaches).toEqual([]);
});

test('a share of the gateways drains at once, and no more of them, however many are wanted (seeds 1 to 100)', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const cluster = new SimulatedCluster(seed, { lagMax: seed % 4, broken: new Set() });
    const shared = { ...drain, maxConcurrentPods: `${cluster.random.pick([1, 30, 50, 100])}%` };
    cluster.pool = poolWith({ replicas: 10, drain: shared });
    settle(cluster, 10);
    for (const pod of cluster.pods) pod.connections = 500;
    const desired = cluster.random.below(10);
    cluster.pool = poolWith({ replicas: desired, drain: shared });
    if (cluster.random.chance(0.5)) cluster.revision = 'ccccc33333';
    settle(cluster, desired);
    expect(cluster.breaches, `seed ${seed}`).toEqual([]);
  }
});

test('on a memory bus no two gateways ever run at once, whatever befalls them (seeds 1 to 200)', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const cluster = new SimulatedCluster(seed, { lagMax: seed % 4, broken: new Set() });
    const { random } = cluster;
    cluster.pool = poolWith({ replicas: 1, bus: { type: 'Memory' }, drain });
    for (let step = 0; step < 120; step += 1) {
      const pod = cluster.pods.length === 0 ? undefined : random.pick(cluster.pods);
      if (random.chance(0.1)) cluster.revision = random.pick(revisions);
      if (pod !== undefined && random.chance(0.05)) cluster.delete(pod);
      if (pod?.phase === 'Running' && random.chance(0.03)) cluster.fail(pod);
      if (random.chance(0.05)) cluster.pool = poolWith({ replicas: random.below(2), bus: { type: 'Memory' }, drain });
      for (const each of cluster.pods) if (each.serving === 'True' && !each.isTold) each.connections += random.below(20);
      cluster.reconcile(random.chance(0.1) ? 0 : Infinity);
      cluster.step();
      expect(cluster.pods.filter(({ phase }) => phase === 'Running').length, `seed ${seed}, step ${step}`).toBeLessThanOrEqual(1);
    }
    cluster.pool = poolWith({ replicas: 1, bus: { type: 'Memory' }, drain });
    expect(() => settle(cluster, 1), `seed ${seed}`).not.toThrow();
    expect(cluster.breaches, `seed ${seed}`).toEqual([]);
  }
});
