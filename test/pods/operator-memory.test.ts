import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { Viewer } from './numbered-stream.ts';
import { OperatedPool } from './operated-pool.ts';

let pool: OperatedPool;

beforeAll(async () => {
  pool = await OperatedPool.open('memory', { redis: false });
  await pool.startOperator();
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

test('a pool with an empty spec is one gateway with its own publish API and no Redis, and takes its policies from BarrageChannels', async () => {
  await pool.apply('{apiVersion: barrage.dev/v1alpha1, kind: GatewayPool, metadata: {name: main}, spec: {}}');
  await pool.untilCondition('gwp/main', 'Ready');
  const viewer = new Viewer(await pool.clientsUrl(), 'video:1');
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  expect((await pool.publish('video:1', '1')).E).toBeNull();
  await expect.poll(() => viewer.numbers, { timeout: 15_000 }).toEqual([1]);
  await expect(viewer.client.publish('video:1', '2')).rejects.toMatchObject({ code: 'forbidden' });
  await pool.apply(
    "{apiVersion: barrage.dev/v1alpha1, kind: BarrageChannel, metadata: {name: open}, spec: {poolRef: {name: main}, channel: 'video:*', access: {publish: Public}}}",
  );
  await pool.untilCondition('bch/open', 'InForce');
  await viewer.client.publish('video:1', '2');
  await expect.poll(() => viewer.numbers, { timeout: 15_000 }).toEqual([1, 2]);
  expect(viewer.disconnects).toBe(0);
}, 120_000);

test('a change of the template ends its one gateway before the next is made: no two stand side by side that nothing joins', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(1);
  const [before = ''] = watch.ready;
  const viewer = new Viewer(await pool.clientsUrl(), 'video:2');
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  watch.forget();
  await pool.patch({
    template: { metadata: { annotations: { revision: 'second' } } },
    drain: { propagationSeconds: 1, deadlineSeconds: 30 },
  });
  await expect.poll(() => watch.ready.some((name) => name !== before), { timeout: 60_000 }).toBe(true);
  expect(Math.max(...watch.moments.map(({ pods }) => pods))).toBe(1);
  await pool.untilCondition('gwp/main', 'Ready');
  await expect.poll(async () => (await pool.publish('video:2', '1')).E, { timeout: 20_000 }).toBeNull();
  await expect.poll(() => viewer.isSubscribed, { timeout: 30_000 }).toBe(true);
}, 150_000);
