import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Batch, type Publication, type SubscribeOptions } from '../../client/barrage.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { Policies, defaultPolicy } from '../../core/policy/policy.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { publication } from '../support/publications.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedGateway, type Script } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 30_000 });

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 5 });
}

async function gatewayWith(script: Script): Promise<ScriptedGateway> {
  const gateway = await ScriptedGateway.start(script);
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

/** A subscription to channel `c`, and all that it was told, in order. */
async function subscribed(gateway: ScriptedGateway, delay: () => number, clock?: FakeClock) {
  const barrage = new Barrage(gateway.url, clock === undefined ? {} : { clock });
  onTestFinished(() => barrage.close());
  barrage.on('error', () => {});
  const subscription = barrage.subscribe('c', { delay });
  const told: unknown[] = [];
  subscription.on('batch', ({ after, upto }) => told.push([after, upto]));
  subscription.on('gap', ({ from, to, reason }) => told.push([from?.offset, to.offset, reason]));
  subscription.on('early', ({ channel, publications }) => told.push(['early', channel, publications]));
  subscription.on('error', ({ code }) => told.push(code));
  await until(() => subscription.state === 'subscribed');
  return { barrage, subscription, told };
}

/** A gateway on whose connections a subscribe continues at these offsets, the first one's first. */
function gatewayAt(offsets: readonly number[]): Promise<ScriptedGateway> {
  const script: Script = {
    hello: { now: 1_000_000 },
    answer: ({ op }, connection) => {
      if (op !== 'subscribe') return { result: {} };
      const offset = offsets[gateway.connections.indexOf(connection)] ?? 0;
      return { result: { epoch: 'e', offset, ...(offset === 0 ? {} : { recovered: offset === 3 }) } };
    },
  };
  let gateway: ScriptedGateway;
  return gatewayWith(script).then((started) => (gateway = started));
}

test('what is held back outlives its connection: the client comes back from what has arrived, and nothing is lost or told twice', async () => {
  const gateway = await gatewayAt([0, 3, 7]);
  let delayMs = Infinity;
  const { subscription, told } = await subscribed(gateway, () => delayMs);
  gateway.last.batch(0, 2);
  gateway.last.batch(2, 3);
  await until(() => subscription.held === 3);
  // The application's position is behind what has arrived.
  expect(subscription.position).toEqual({ epoch: 'e', offset: 0 });
  gateway.last.socket.terminate();
  await until(() => gateway.connections.length === 2 && subscription.state === 'subscribed');
  expect(gateway.last.commands[0]).toMatchObject({ op: 'subscribe', since: { epoch: 'e', offset: 3 } });
  gateway.last.batch(1, 5);
  await until(() => subscription.held === 5);
  // Of the second loss something is missing: it is told in its place.
  gateway.last.socket.terminate();
  await until(() => gateway.connections.length === 3 && subscription.state === 'subscribed');
  gateway.last.batch(7, 8);
  await until(() => subscription.held === 6);
  expect([told, subscription.position]).toEqual([[], { epoch: 'e', offset: 0 }]);
  delayMs = 0;
  await until(() => subscription.held === 0);
  expect(told).toEqual([
    [0, 2],
    [2, 3],
    [3, 5],
    [5, 7, 'reconnect'],
    [7, 8],
  ]);
  expect(subscription.position).toEqual({ epoch: 'e', offset: 8 });
});

test('with a state of the application, what was held back comes before the gap and the new state', async () => {
  const gateway = await gatewayAt([0, 7]);
  let delayMs = Infinity;
  const barrage = new Barrage(gateway.url);
  onTestFinished(() => barrage.close());
  barrage.on('error', () => {});
  let asked = 0;
  const subscription = barrage.subscribe('c', { delay: () => delayMs, getState: () => Promise.resolve(++asked) });
  const told: unknown[] = [];
  subscription.on('batch', ({ after, upto }) => told.push([after, upto]));
  subscription.on('gap', ({ to }) => told.push(['gap', to.offset]));
  subscription.on('snapshot', ({ position, state }) => told.push(['state', position.offset, state]));
  // The first state has nothing before it that it would have to wait for.
  await until(() => told.length === 1);
  gateway.last.batch(0, 3);
  await until(() => subscription.held === 3);
  gateway.last.socket.terminate();
  await until(() => gateway.connections.length === 2 && asked === 2);
  gateway.last.batch(7, 9);
  await until(() => subscription.held === 5);
  delayMs = 0;
  await until(() => told.length === 5);
  expect(told).toEqual([
    ['state', 0, 1],
    [0, 3],
    ['gap', 7],
    ['state', 7, 2],
    [7, 9],
  ]);
});

test('a move takes along what is held back', async () => {
  const target = await gatewayAt([4]);
  const gateway = await gatewayAt([0]);
  let delayMs = Infinity;
  const { subscription, told, barrage } = await subscribed(gateway, () => delayMs);
  gateway.last.batch(0, 3);
  await until(() => subscription.held === 3);
  gateway.last.send({ type: 'reconnect', url: target.url, afterMs: 0 });
  await until(() => target.connections.length === 1 && target.last.commands.length === 1);
  // The new gateway begins at 4, and the old one delivers up to there: both of them repeat what the client has.
  target.last.batch(4, 6);
  gateway.last.batch(2, 5);
  await until(() => subscription.held === 6);
  target.last.batch(6, 7);
  await until(() => subscription.held === 7);
  delayMs = 0;
  await until(() => subscription.held === 0);
  expect(told).toEqual([
    [0, 3],
    [3, 5],
    [5, 6],
    [6, 7],
  ]);
  expect(barrage.state).toBe('open');
});

test('unsubscribe delivers nothing more; a gateway that ends the subscription loses nothing, and that is told', async () => {
  const gateway = await gatewayAt([0, 0]);
  const own = await subscribed(gateway, () => Infinity);
  gateway.last.batch(0, 2);
  await until(() => own.subscription.held === 2);
  await own.subscription.unsubscribe();
  expect(own.told).toEqual([]);

  const ended = await subscribed(gateway, () => Infinity);
  gateway.last.batch(0, 2);
  await until(() => ended.subscription.held === 2);
  gateway.last.send({ type: 'unsubscribed', channel: 'c', message: 'over' });
  await until(() => ended.subscription.state === 'unsubscribed');
  expect(ended.told).toEqual([[0, 2], ['early', 'c', 2], 'not_subscribed']);
  expect([ended.subscription.held, ended.subscription.position]).toEqual([0, { epoch: 'e', offset: 2 }]);
});

test('times are judged by the clock of the gateway, which each answer to a ping tells anew', async () => {
  let now = 1_000_000;
  const clock = new FakeClock();
  const gateway = await gatewayWith({
    hello: { now },
    answer: ({ op }) => ({ result: op === 'subscribe' ? { epoch: 'e', offset: 0 } : op === 'ping' ? { now } : {} }),
  });
  const { barrage, subscription, told } = await subscribed(gateway, () => 1_000, clock);
  const send = (after: number, at: number): void =>
    gateway.last.send({
      type: 'batch',
      channel: 'c',
      epoch: 'e',
      after,
      upto: after + 1,
      leftOut: 0,
      at,
      items: [{ offset: after + 1, data: '' }],
    });
  send(0, 999_000);
  await until(() => told.length === 1);
  send(1, 999_001);
  await until(() => subscription.held === 1);
  await clock.advance(50);
  expect(subscription.held).toBe(0);
  // The hello was three seconds on its way, so that the client's idea of the gateway's time is late. A ping mends it.
  now += 3_050;
  await barrage.ping();
  send(2, now - 1_000);
  await until(() => told.length === 3);
});

test.each([5, '5', null, {}])('a delay that is %j, and no function, is refused', async (delay) => {
  const gateway = await gatewayWith({});
  const barrage = new Barrage(gateway.url);
  onTestFinished(() => barrage.close());
  expect(() => barrage.subscribe('c', { delay } as unknown as SubscribeOptions)).toThrow(TypeError);
});

test('a gateway tells when each publication was accepted: text, bytes, and a sum by its newest', async () => {
  const read = readSettings({ BARRAGE_GATEWAY_PORT: '0', BARRAGE_DRAIN_MS: '0' });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const bus = createMemoryBus();
  const logger = createLogger({ part: 'test', level: 'silent' });
  const policies = new Policies([defaultPolicy]);
  const gateway = await Gateway.start({ settings: read.settings, bus, policies, registry: new Registry(), logger });
  const barrage = new Barrage(`ws://127.0.0.1:${gateway.port}/`);
  onTestFinished(async () => {
    barrage.close();
    await gateway.close();
    await bus.close();
  });
  const [own, held] = ['video:1', 'video:2'].map((channel) =>
    barrage.subscribe(channel, { delay: () => (channel === 'video:1' ? 0 : 2_000) }),
  );
  if (own === undefined || held === undefined) throw new Error('no subscriptions');
  const received: Publication[] = [];
  own.on('publication', (each) => received.push(each));
  const late: { readonly batch: Batch; readonly at: number }[] = [];
  held.on('batch', (batch) => late.push({ batch, at: Date.now() }));
  await until(() => own.state === 'subscribed' && held.state === 'subscribed');
  const at = Date.now();
  const like = (acceptedAt: number) => publication('like', { acceptedAt, conflation: { key: 'like', mode: 'Sum', count: 2 } });
  const bytes = { ...publication('voice', { acceptedAt: at - 7 }), kind: 'binary' as const };
  const all = [publication('a', { acceptedAt: at }), like(at + 1), like(at + 3)];
  for (const channel of ['video:1', 'video:2']) await bus.log.append(channel, all);
  await until(() => received.length === 2);
  await bus.log.append('video:1', [bytes, publication('b', { acceptedAt: at + 5 })]);
  await until(() => received.length === 4);
  expect(received.map(({ offset, acceptedAt, count }) => [offset, (acceptedAt ?? 0) - at, count])).toEqual([
    [1, 0, undefined],
    [3, 3, 4],
    [4, -7, undefined],
    [5, 5, undefined],
  ]);
  expect(received[2]?.data).toEqual(new Uint8Array(Buffer.from('voice')));
  // Offset 2 comes with its sum. The publication before them is due a little earlier, and may come by itself.
  await until(() => late.at(-1)?.batch.upto === 3);
  const offsets = late.flatMap(({ batch }) => batch.publications.map(({ offset, count }) => [offset, count]));
  expect(offsets).toEqual([
    [1, undefined],
    [3, 4],
  ]);
  expect(late.reduce((sum, { batch }) => sum + batch.leftOut, 0)).toBe(1);
  // Both clocks are this machine's, which are read in whole milliseconds.
  for (const { batch, at: shownAt } of late) {
    for (const { acceptedAt } of batch.publications) expect(shownAt).toBeGreaterThanOrEqual((acceptedAt ?? Infinity) + 2_000 - 2);
  }
});
