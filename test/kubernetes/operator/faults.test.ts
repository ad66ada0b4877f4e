import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../../simulation/random.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { isWrite, type Fault, type SeenRequest } from '../../support/fault-proxy.ts';
import { CrewWatch } from './crew-watch.ts';
import { countBy, OperatedCluster, print, type OperatorProcess } from './operated-cluster.ts';
import { OperatorPod } from './operator-pod.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const replicas = 3;
const firstSeed = Number(process.env['BARRAGE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const troubleShare = 0.35;
const changesMin = 4;
/**
 * How many requests an operator sends depends on what falls together: pools are changed until so many have been in
 * trouble.
 */
const troublesMin = 60;
const pools = ['one', 'two', 'three', 'four'];

async function applyRevision(pool: string, revision: number, gateways = replicas): Promise<void> {
  await operated.applyPool(pool, { replicas: gateways, template: { metadata: { annotations: { revision: String(revision) } } } });
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

/**
 * Changes pools by turns of a die while requests fail and watches break. Returns how many requests were befallen by
 * what.
 */
async function changeThroughTrouble(random: Random, operator: OperatorProcess): Promise<ReadonlyMap<string, number>> {
  const befallen = new Map<string, number>();
  let troubles = 0;
  operator.fault = (request) => {
    const fault = trouble(random, request);
    if (fault === undefined) return undefined;
    const what = fault.kind === 'status' ? String(fault.code) : fault.kind;
    befallen.set(what, (befallen.get(what) ?? 0) + 1);
    troubles += 1;
    return fault;
  };
  for (let change = 1; change <= changesMin || troubles < troublesMin; change += 1) {
    for (const pool of pools) if (random.fraction() < 0.7) await applyRevision(pool, random.below(1000), replicas + random.below(2));
    await pause(1500 + random.below(1500));
    if (random.fraction() < 0.5) operator.proxy.cutWatches();
    else operator.proxy.expireWatches();
  }
  operator.fault = () => undefined;
  return befallen;
}

test.each([firstSeed, firstSeed + 1])(
  'pools that change while requests fail in every way end as their specs say: seed %i',
  { timeout: 400_000 },
  async (seed) => {
    print(`BARRAGE_TEST_SEED=${seed}`);
    const random = new Random(seed);
    for (const pool of pools) await applyRevision(pool, 0);
    const operator = await operated.startOperator();
    await operated.untilConverged();
    const watches = pools.map((pool) => new CrewWatch(operated, pool));
    for (const watch of watches) watch.begin();
    const befallen = await changeThroughTrouble(random, operator);
    const ms = await operated.untilConverged(120_000);
    const worst = Math.min(...watches.map((watch) => watch.worst.available));
    print(`${operator.requests().length} requests, in trouble: ${JSON.stringify(Object.fromEntries(befallen))}`);
    print(`converged ${Math.round(ms)} ms after the last; never fewer than ${worst} gateways available in a pool`);
    expect(worst).toBeGreaterThanOrEqual(replicas - 1);
    expect(objections()).toEqual([]);
    expect(operator.isOver).toBe(false);
  },
);

test.each([
  { whose: 'one operator, refused', names: ['only'], how: 'refused' },
  { whose: 'two operators, unheard', names: ['first', 'second'], how: 'silent' },
] as const)(
  'after a minute without an API server pools are as they should be again within ten seconds: $whose',
  { timeout: 400_000 },
  async ({ names, how }) => {
    for (const pool of pools) await applyRevision(pool, 100);
    const lease = `outage-${how}`;
    const pods = await Promise.all(names.map((name) => OperatorPod.start(operated, { name, lease })));
    await operated.untilConverged();
    for (const { proxy } of pods) await expect.poll(() => proxy.openWatches, { timeout: 30_000 }).toBeGreaterThan(8);
    await applyRevision('one', 100, replicas + 1);
    const usualMs = await operated.untilConverged();
    for (const { proxy } of pods) proxy.outage(how);
    await applyRevision('one', 100, replicas + 2);
    await pause(60_000);
    expect(operated.gateways('one')).toHaveLength(replicas + 1);
    for (const { proxy } of pods) proxy.restore();
    const ms = await operated.untilConverged(120_000);
    const starts = pods.map((pod) => pod.starts);
    print(
      `${how}: converged ${Math.round(ms)} ms after the API server was back, usually in ${Math.round(usualMs)} ms; processes ${starts.join()}`,
    );
    expect(ms).toBeLessThan(10_000);
    // The leader ended once, and its successor waited for as long as it took.
    expect(starts.reduce((sum, each) => sum + each, 0)).toBe(names.length + 1);
    expect(objections()).toEqual([]);
  },
);

/**
 * What gateways found wrong with what they were told. A stale operator may send a document to the address of a gateway
 * that is gone, which another pool's has got meanwhile: that it is refused for its signature is as it should be.
 */
function objections(): readonly string[] {
  return operated.pods.objections.filter((words) => !words.endsWith("the signature is not one of this pool's key"));
}

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
