import { availableParallelism, loadavg } from 'node:os';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { judge } from '../../ops/view/findings.ts';
import { History } from '../../ops/view/history.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { Viewer } from './numbered-stream.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';

let pool: OperatedPool;

beforeAll(async () => {
  pool = await OperatedPool.open('operated');
  await pool.startOperator();
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

/** What a pool and a channel may take to become an endpoint, and a policy to be in force, in milliseconds. */
const promised = { endpointMs: 15_000, policyMs: 3_000 };

/** How much longer things may take on a machine that does other work too. */
function slack(): number {
  return Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

function channel(publish: string): string {
  return `apiVersion: barrage.dev/v1alpha1
kind: BarrageChannel
metadata: {name: videos}
spec: {poolRef: {name: main}, channel: 'video:*', access: {publish: ${publish}}}
`;
}

test('a ten-line GatewayPool becomes a working endpoint: who subscribes through its Service gets what is published through the publishers', async () => {
  const startedAt = performance.now();
  await pool.apply(poolMain('  replicas: 2\n'));
  await pool.apply(channel('Backend'));
  await pool.untilCondition('gwp/main', 'Ready');
  const readyMs = Math.round(performance.now() - startedAt);
  const viewer = new Viewer(await pool.clientsUrl(), 'video:1');
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000, interval: 20 }).toBe(true);
  expect((await pool.publish('video:1', '1')).E).toBeNull();
  await expect.poll(() => viewer.numbers, { timeout: 20_000, interval: 20 }).toEqual([1]);
  const tookMs = Math.round(performance.now() - startedAt);
  process.stdout.write(`Ready after ${readyMs} ms, the first publication after ${tookMs} ms\n`);
  expect(tookMs).toBeLessThan(promised.endpointMs * slack());
  await expect
    .poll(async () => (await pool.operations('main')).operator?.pool?.channels, { timeout: 20_000 })
    .toMatchObject([{ channel: 'video:1', members: 1, gateways: 1 }]);
  // A pool is ready with enough gateways; the operations page tells of each one.
  await expect
    .poll(async () => (await pool.operations('main')).operator?.pool, { timeout: 20_000 })
    .toMatchObject({
      scaling: { desired: 2, reason: 'spec.replicas is 2' },
      gateways: [
        { state: 'serving', isUpdated: true, weight: 1 },
        { state: 'serving', isUpdated: true, weight: 1 },
      ],
      publishers: [{ isReady: true }, { isReady: true }],
    });
  expect(judge(await pool.operations('main'), new History()).findings).toEqual([]);
  const { operator } = await pool.operations('main');
  expect(operator?.pool?.gateways.reduce((sum, { connections = 0 }) => sum + connections, 0)).toBe(1);
  await pool.untilCondition('bch/videos', 'Accepted');
  await pool.untilCondition('bch/videos', 'InForce');
}, 120_000);

test('a policy that is edited is in force on every gateway within 3 s, on the connections that are there', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(2);
  const viewers = [...watch.pods.values()].map(({ status }) => new Viewer(`ws://${status?.podIP}:6790/`, 'video:2'));
  onTestFinished(() => viewers.forEach(({ client }) => client.close()));
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 20_000 }).toBe(true);
  const answers = (): Promise<readonly string[]> =>
    Promise.all(
      viewers.map(({ client }) =>
        client.publish('video:2', '1').then(
          () => 'published',
          (error: { readonly code?: string }) => String(error.code),
        ),
      ),
    );
  const tookMs: number[] = [];
  for (let edit = 0; edit < 6; edit += 1) {
    const [publish, answer] = edit % 2 === 0 ? (['Public', 'published'] as const) : (['Backend', 'forbidden'] as const);
    expect(await answers()).not.toContain(answer);
    await pool.apply(channel(publish));
    const editedAt = performance.now();
    await expect.poll(answers, { timeout: 20_000, interval: 50 }).toEqual(viewers.map(() => answer));
    tookMs.push(Math.round(performance.now() - editedAt));
    await pool.untilCondition('bch/videos', 'InForce');
  }
  process.stdout.write(`six edits were in force everywhere after ${tookMs.join(', ')} ms\n`);
  expect(tookMs.toSorted((a, b) => a - b)[3]).toBeLessThan(promised.policyMs * slack());
  expect(viewers.map(({ disconnects }) => disconnects)).toEqual([0, 0]);
}, 120_000);
