import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Random } from '../../simulation/random.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { isWrite } from '../../support/fault-proxy.ts';
import { CrewWatch } from './crew-watch.ts';
import { countBy, OperatedCluster, print, type OperatorProcess } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const replicas = 3;
const rounds = Number(process.env['BARRAGE_TEST_ROUNDS'] ?? 12);
const seed = Number(process.env['BARRAGE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Each revision is another one: its gateways are replaced. */
async function applyRevision(revision: number): Promise<void> {
  await operated.applyPool('main', { replicas, template: { metadata: { annotations: { revision: String(revision) } } } });
}

/**
 * Kills the operator the moment it sends its n-th write from now; whether the API server gets that write is up to
 * `isLost`.
 */
async function killedAtWrite(operator: OperatorProcess, n: number, isLost: boolean): Promise<void> {
  const killed = Promise.withResolvers<void>();
  let writes = 0;
  operator.fault = (request) => {
    if (!isWrite(request) || (writes += 1) < n) return undefined;
    if (writes === n) void operator.kill().then(killed.resolve);
    return isLost || writes > n ? { kind: 'cut' } : { kind: 'lost-answer' };
  };
  await killed.promise;
}

test('an operator that is killed at any write of a replacement is followed by one that finishes it', { timeout: 900_000 }, async () => {
  print(`BARRAGE_TEST_SEED=${seed}`);
  await applyRevision(0);
  let operator = await operated.startOperator();
  await operated.untilConverged();
  await operated.untilPublishersScaled();
  const watch = new CrewWatch(operated, 'main');
  watch.begin();
  const begun = performance.now();
  await applyRevision(1);
  const quietMs = await operated.untilConverged();
  const writes = operator.writes(begun);
  print(`undisturbed: ${Math.round(quietMs)} ms, ${writes.length} writes: ${countBy(writes)}; worst ${JSON.stringify(watch.worst)}`);
  const random = new Random(seed);
  for (let round = 0; round < rounds; round += 1) {
    const n = 1 + Math.floor(((round + random.fraction()) / rounds) * (writes.length - 1));
    const isLost = random.fraction() < 0.5;
    watch.begin();
    let isKilled = false;
    void killedAtWrite(operator, n, isLost).then(() => (isKilled = true));
    await applyRevision(2 + round);
    // How many writes there are depends on how statuses fall together: this round may have fewer than the first.
    await vi.waitUntil(async () => isKilled || (await operated.missing()) === '', { timeout: 120_000, interval: 50 });
    await operator.kill();
    operator = await operated.startOperator();
    const ms = await operated.untilConverged();
    const { available, leaving } = watch.worst;
    print(
      `write ${n} ${isLost ? 'lost' : 'done'}: converged after ${Math.round(ms)} ms; at least ${available} available, at most ${leaving} leaving`,
    );
    expect(available).toBeGreaterThanOrEqual(replicas - 1);
    expect(leaving).toBeLessThanOrEqual(1);
  }
  expect(operated.pods.objections).toEqual([]);
});
