import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Random } from '../../simulation/random.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import type { Fault, SeenRequest } from '../../support/fault-proxy.ts';
import { CrewWatch } from './crew-watch.ts';
import { countBy, isWrite, OperatedCluster, print, type OperatorProcess } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const replicas = 3;
const seed = Number(process.env['BARRAGE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const troubleShare = 0.15;
const changes = 5;

async function applyRevision(pool: string, revision: number): Promise<void> {
  await operated.applyPool(pool, { replicas, template: { metadata: { annotations: { revision: String(revision) } } } });
}

/** Some trouble that can befall this request; none for the Lease, since who can't renew it is to end. */
function trouble(random: Random, { verb, resource }: SeenRequest): Fault | undefined {
  if (resource === 'leases' || random.fraction() >= troubleShare) return undefined;
  const everywhere: readonly Fault[] = [
    { kind: 'latency', ms: random.below(500) },
    { kind: 'status', code: 429, retryAfterSeconds: 1 },
    { kind: 'status', code: 500 },
    { kind: 'status', code: 503 },
    { kind: 'cut' },
  ];
  const writes: readonly Fault[] = [...everywhere, { kind: 'status', code: 409 }, { kind: 'lost-answer' }];
  const reads: readonly Fault[] = [...everywhere, { kind: 'status', code: 410 }, { kind: 'stale' }];
  const possible = verb === 'watch' || verb === 'list' ? reads : verb === 'get' ? everywhere : writes;
  return possible[random.below(possible.length)];
}

test('pools that change while requests fail in every way end as their specs say', { timeout: 400_000 }, async () => {
  print(`BARRAGE_TEST_SEED=${seed}`);
  const random = new Random(seed);
  const pools = ['one', 'two'];
  for (const pool of pools) await applyRevision(pool, 0);
  const operator = await operated.startOperator();
  await operated.untilConverged();
  const watches = pools.map((pool) => new CrewWatch(operated, pool));
  for (const watch of watches) watch.begin();
  let troubled = 0;
  operator.fault = (request) => {
    const fault = trouble(random, request);
    if (fault !== undefined) troubled += 1;
    return fault;
  };
  for (let change = 1; change <= changes; change += 1) {
    for (const pool of pools) await applyRevision(pool, change);
    await pause(1500 + random.below(1500));
    if (random.fraction() < 0.5) operator.proxy.cutWatches();
    else operator.proxy.expireWatches();
  }
  operator.fault = () => undefined;
  const ms = await operated.untilConverged(120_000);
  const worst = watches.map((watch) => watch.worst);
  print(`${troubled} troubled requests; converged ${Math.round(ms)} ms after the last; worst ${JSON.stringify(worst)}`);
  for (const { available } of worst) expect(available).toBeGreaterThanOrEqual(replicas - 1);
  expect(operated.pods.objections).toEqual([]);
  expect(operator.isOver).toBe(false);
});

test('after a minute without an API server pools are as they should be again', { timeout: 400_000 }, async () => {
  await applyRevision('one', 100);
  const lease = 'outage';
  let operator = await operated.startOperator({ lease });
  let isOut = false;
  const restarts = setInterval(() => {
    // What a kubelet does with a process that ended.
    if (!operator.isOver) return;
    void operated.startOperator({ lease }).then((next) => {
      operator = next;
      if (isOut) next.proxy.outage();
    });
  }, 5_000);
  onTestFinished(() => clearInterval(restarts));
  await operated.untilConverged();
  isOut = true;
  operator.proxy.outage();
  await applyRevision('one', 101);
  await pause(60_000);
  isOut = false;
  operator.proxy.restore();
  const ms = await operated.untilConverged(120_000);
  print(`converged ${Math.round(ms)} ms after the API server was back`);
});

/** What a process wrote between two moments. */
function writesOf(operator: OperatorProcess): number {
  return operator.requests(isWrite).length;
}

test('of two operators one writes; when it is gone the other does', { timeout: 240_000 }, async () => {
  const lease = 'two';
  await applyRevision('two', 200);
  const first = await operated.startOperator({ lease, name: 'first' });
  await operated.untilConverged();
  const second = await operated.startOperator({ lease, name: 'second' });
  await expect.poll(() => second.proxy.openWatches, { timeout: 30_000 }).toBeGreaterThan(8);
  await applyRevision('two', 201);
  await operated.untilConverged();
  expect(writesOf(first)).toBeGreaterThan(0);
  expect(countBy(second.requests(isWrite))).toBe('');
  await first.close();
  await applyRevision('two', 202);
  print(`after a release the other operator had converged within ${Math.round(await operated.untilConverged())} ms`);
  const third = await operated.startOperator({ lease, name: 'third' });
  await expect.poll(() => third.proxy.openWatches, { timeout: 30_000 }).toBeGreaterThan(8);
  await second.kill();
  await applyRevision('two', 203);
  print(`after a kill the other operator had converged within ${Math.round(await operated.untilConverged(90_000))} ms`);
  expect(writesOf(third)).toBeGreaterThan(0);
});
