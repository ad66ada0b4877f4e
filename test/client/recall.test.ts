import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type SubscribeOptions } from '../../client/barrage.ts';
import { ScriptedGateway, agreeable, type ScriptedConnection } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 30_000 });

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 5 });
}

/** A subscription to channel `c`, and what it was told, in order. */
async function subscribed(options: SubscribeOptions = {}) {
  const gateway = await ScriptedGateway.start({ hello: { now: 1_000_000 }, answer: agreeable });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const barrage = new Barrage(gateway.url);
  onTestFinished(() => barrage.close());
  const errors: string[] = [];
  barrage.on('error', ({ code }) => errors.push(code));
  const subscription = barrage.subscribe('c', options);
  const told: unknown[] = [];
  subscription.on('batch', ({ after, upto, leftOut }) => told.push([after, upto, leftOut]));
  subscription.on('publication', ({ data }) => told.push(data));
  subscription.on('snapshot', ({ state }) => told.push(state));
  subscription.on('recall', ({ offset, offsets, upto }) => told.push([offset, 'recalls', offsets ?? upto]));
  await until(() => subscription.state === 'subscribed');
  return { gateway, subscription, told, errors };
}

/** A batch `(after, after + items.length]`: texts, and what is recalled. */
function send(connection: ScriptedConnection, after: number, items: readonly (string | { offsets: number[] } | { upto: number })[]): void {
  const upto = after + items.length;
  const told = items.map((item, index) => ({
    offset: after + 1 + index,
    ...(typeof item === 'string' ? { data: item } : { recall: item }),
  }));
  connection.send({ type: 'batch', channel: 'c', epoch: 'e', after, upto, leftOut: 0, items: told });
}

test('a recall is told before its batch, and what the same batch recalls is never told', async () => {
  const { gateway, subscription, told } = await subscribed();
  const recalls: unknown[] = [];
  subscription.on('recall', (recall) => recalls.push(recall));
  send(gateway.last, 0, ['a', 'b']);
  send(gateway.last, 2, ['c', { offsets: [1, 3] }, 'd']);
  send(gateway.last, 5, ['e', { upto: 6 }, 'f']);
  await until(() => told.includes('f'));
  expect(told).toEqual([[0, 2, 0], 'a', 'b', [4, 'recalls', [1, 3]], [2, 5, 1], 'd', [7, 'recalls', 6], [5, 8, 1], 'f']);
  expect(recalls).toEqual([
    { channel: 'c', epoch: 'e', offset: 4, offsets: [1, 3] },
    { channel: 'c', epoch: 'e', offset: 7, upto: 6 },
  ]);
  expect(subscription.position).toEqual({ epoch: 'e', offset: 8 });
});

test('what is held back for its delay and recalled is never delivered; the recall is told at once', async () => {
  let delayMs = Infinity;
  const { gateway, subscription, told } = await subscribed({ delay: () => delayMs });
  send(gateway.last, 0, ['a', 'b', 'c']);
  await until(() => subscription.held === 3);
  send(gateway.last, 3, [{ offsets: [2] }, 'd']);
  await until(() => told.length === 1);
  expect(told).toEqual([[4, 'recalls', [2]]]);
  expect(subscription.held).toBe(3);
  delayMs = 0;
  await until(() => told.includes('d'));
  expect(told.slice(1)).toEqual([[0, 3, 1], 'a', 'c', [3, 5, 0], 'd']);
  expect(subscription.position).toEqual({ epoch: 'e', offset: 5 });
});

test('what waits for a loop and is recalled is not handed out', async () => {
  const { gateway, subscription, told } = await subscribed();
  const loop = subscription[Symbol.asyncIterator]();
  send(gateway.last, 0, ['a', 'b', 'c']);
  send(gateway.last, 3, [{ upto: 2 }]);
  await until(() => told.some((each) => Array.isArray(each) && each[1] === 'recalls'));
  expect((await loop.next()).value).toMatchObject({ data: 'c' });
});

test('a recall that comes while the snapshot is made is told behind it: the snapshot may have what was recalled', async () => {
  let answer: (state: unknown) => void = () => undefined;
  const { gateway, told } = await subscribed({ getState: () => new Promise((resolve) => (answer = resolve)) });
  send(gateway.last, 0, ['a', { offsets: [1] }, 'b']);
  // The batch has come, or comes behind the state: the order of what is told is the same.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(told).toEqual([]);
  answer('state');
  await until(() => told.includes('b'));
  expect(told).toEqual(['state', [2, 'recalls', [1]], [0, 3, 1], 'b']);
});

test('a snapshot that is held back is followed by the recall again', async () => {
  let delayMs = Infinity;
  const states = ['first', 'second'];
  const { gateway, subscription, told } = await subscribed({
    delay: () => delayMs,
    getState: () => Promise.resolve(states.shift()),
  });
  await until(() => told.includes('first'));
  send(gateway.last, 0, ['a']);
  await until(() => subscription.held === 1);
  gateway.last.send({ type: 'gap', channel: 'c', epoch: 'e', after: 1, upto: 3, reason: 'bus' });
  await until(() => states.length === 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  send(gateway.last, 3, [{ offsets: [2] }]);
  await until(() => told.length > 1);
  expect(told.slice(1)).toEqual([[4, 'recalls', [2]]]);
  delayMs = 0;
  await until(() => told.length === 7);
  expect(told.slice(2)).toEqual([[0, 1, 0], 'a', 'second', [4, 'recalls', [2]], [3, 4, 0]]);
});

test.each<[string, unknown]>([
  ['no offsets', {}],
  ['both forms', { offsets: [1], upto: 1 }],
  ['offsets that are none', { offsets: [-1] }],
  ['an end that is not below it', { upto: 2 }],
  ['nothing', null],
])('a recall of %s is no message of barrage.v1', async (_, recall) => {
  const { gateway, told, errors } = await subscribed();
  const items = [{ offset: 2, recall }];
  gateway.last.send({ type: 'batch', channel: 'c', epoch: 'e', after: 1, upto: 2, leftOut: 0, items });
  await until(() => errors.includes('protocol'));
  expect(told).toEqual([]);
});
