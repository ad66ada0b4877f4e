import { once } from 'node:events';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { NumberedStream, Viewer } from './numbered-stream.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';

let pool: OperatedPool;

beforeAll(async () => {
  pool = await OperatedPool.open('rollout');
  await pool.startOperator();
  await pool.apply(poolMain('  replicas: 2\n'));
  await pool.untilCondition('gwp/main', 'Ready');
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

const channel = 'video:1';

/** Viewers through the Service, and numbers for them through the publishers' Service, until the test ends. */
async function audience(count: number): Promise<{ readonly viewers: readonly Viewer[]; readonly stream: NumberedStream }> {
  const url = await pool.clientsUrl();
  const viewers = Array.from({ length: count }, () => new Viewer(url, channel));
  onTestFinished(() => viewers.forEach(({ client }) => client.close()));
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 20_000 }).toBe(true);
  const stream = new NumberedStream(pool, channel);
  onTestFinished(() => stream.stop());
  await expect.poll(() => viewers.every(({ last }) => last > 0), { timeout: 20_000 }).toBe(true);
  return { viewers, stream };
}

/** Ends the stream, waits until each viewer is at its end, and says what each was told. */
async function accounts(viewers: readonly Viewer[], stream: NumberedStream): Promise<readonly Viewer['account'][]> {
  await stream.stop();
  await expect.poll(() => viewers.every(({ last }) => last === stream.next - 1), { timeout: 20_000 }).toBe(true);
  return viewers.map(({ account }) => account);
}

/** A client of the plain protocol: subscribed, with the code that it is closed with later. */
async function plainClient(url: string): Promise<{ readonly socket: WebSocket; readonly code: Promise<number> }> {
  const socket = new WebSocket(url);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(JSON.stringify({ op: 'subscribe', channel: '1@video' }));
  const [answer] = (await once(socket, 'message')) as [Buffer];
  expect(answer.toString()).toBe('{"result":true}');
  return { socket, code: once(socket, 'close').then(([code]) => Number(code)) };
}

test('a change of the template replaces all gateways one at a time, while subscribed clients lose nothing that they are not told of', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(2);
  const before = watch.ready;
  const { viewers, stream } = await audience(8);
  const plain = await plainClient(await pool.clientsUrl());
  watch.forget();
  const startedAt = performance.now();
  await pool.patch({ template: { metadata: { annotations: { 'example.com/edition': 'second' } } } });
  const isReplaced = (): boolean =>
    watch.pods.size === 2 && watch.ready.length === 2 && watch.ready.every((name) => !before.includes(name));
  await expect.poll(isReplaced, { timeout: 90_000, interval: 50 }).toBe(true);
  const tookMs = Math.round(performance.now() - startedAt);
  expect(await plain.code).toBe(1012);
  await plainClient(await pool.clientsUrl());
  const told = await accounts(viewers, stream);
  process.stdout.write(`replaced 2 gateways in ${tookMs} ms; ${stream.next} publications; ${JSON.stringify(told)}\n`);
  expect(stream.failures).toEqual([]);
  expect(told.map(({ unnamed, disordered }) => ({ unnamed, disordered }))).toEqual(viewers.map(() => ({ unnamed: 0, disordered: 0 })));
  expect(Math.min(...watch.moments.map(({ ready }) => ready))).toBeGreaterThanOrEqual(2);
  expect(Math.max(...watch.moments.map(({ draining }) => draining))).toBe(1);
  expect(Math.max(...watch.moments.map(({ pods }) => pods))).toBeLessThanOrEqual(4);
  await pool.untilCondition('gwp/main', 'Ready');
}, 180_000);

test('kubectl scale adds a gateway and takes the emptiest one away again, drained', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 30_000 }).toBe(2);
  const before = watch.ready;
  const { viewers, stream } = await audience(6);
  await pool.kubectl(['scale', 'gwp/main', '--replicas=3']);
  await expect.poll(() => watch.ready.length, { timeout: 60_000 }).toBe(3);
  expect(watch.ready).toEqual(expect.arrayContaining([...before]));
  const newest = [...watch.pods.values()].find(({ metadata }) => !before.includes(metadata.name));
  watch.forget();
  await pool.kubectl(['scale', 'gwp/main', '--replicas=2']);
  await expect.poll(() => watch.pods.size, { timeout: 60_000 }).toBe(2);
  expect(watch.ready).toEqual(before);
  expect(newest?.metadata.name).not.toBeUndefined();
  expect(Math.max(...watch.moments.map(({ draining }) => draining))).toBe(1);
  const told = await accounts(viewers, stream);
  expect(told.map(({ unnamed, disordered }) => ({ unnamed, disordered }))).toEqual(viewers.map(() => ({ unnamed: 0, disordered: 0 })));
  await expect.poll(() => pool.field('gwp/main', '.status.replicas'), { timeout: 15_000 }).toBe('2');
}, 150_000);

test('a signing key that somebody deletes is made anew, and every gateway follows it, one at a time and unnoticed', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 30_000 }).toBe(2);
  const before = watch.ready;
  const { viewers, stream } = await audience(6);
  watch.forget();
  const startedAt = performance.now();
  await pool.kubectl(['delete', 'secret/main-signing']);
  const isReplaced = (): boolean =>
    watch.pods.size === 2 && watch.ready.length === 2 && watch.ready.every((name) => !before.includes(name));
  await expect.poll(isReplaced, { timeout: 120_000, interval: 50 }).toBe(true);
  process.stdout.write(`followed a new signing key in ${Math.round(performance.now() - startedAt)} ms\n`);
  // What is told from here on is told with the new key.
  await pool.patch({ replicas: 3 });
  await expect.poll(() => watch.ready.length, { timeout: 60_000 }).toBe(3);
  await pool.untilCondition('gwp/main', 'PoliciesInForce');
  const told = await accounts(viewers, stream);
  expect(stream.failures).toEqual([]);
  expect(told.map(({ unnamed, disordered }) => ({ unnamed, disordered }))).toEqual(viewers.map(() => ({ unnamed: 0, disordered: 0 })));
  expect(Math.min(...watch.moments.map(({ ready }) => ready))).toBeGreaterThanOrEqual(2);
}, 240_000);
