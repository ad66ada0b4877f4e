import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type BarrageOptions } from '../../client/barrage.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import { Policies, defaultPolicy } from '../../core/policy/policy.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { agreeable, ScriptedGateway } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 30_000 });

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 5 });
}

function client(url: string, options: BarrageOptions = {}): Barrage {
  const barrage = new Barrage(url, options);
  onTestFinished(() => barrage.close());
  return barrage;
}

/** A client of a real gateway, subscribed to `video:1`, with all that went wrong. */
async function scene() {
  const read = readSettings({ BARRAGE_GATEWAY_PORT: '0', BARRAGE_DRAIN_MS: '0' });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const bus = createMemoryBus();
  const gateway = await Gateway.start({
    settings: read.settings,
    bus,
    policies: new Policies([{ ...defaultPolicy, access: { ...defaultPolicy.access, publish: 'Public' } }]),
    registry: new Registry(),
    logger: createLogger({ part: 'test', level: 'silent' }),
  });
  onTestFinished(async () => {
    await gateway.close();
    await bus.close();
  });
  const barrage = client(`ws://127.0.0.1:${gateway.port}/`);
  const troubles: unknown[] = [];
  for (const event of ['error', 'gap'] as const) barrage.on(event, (what) => troubles.push(what));
  const subscription = barrage.subscribe('video:1');
  const received: unknown[] = [];
  subscription.on('publication', ({ data }) => received.push(data));
  await until(() => subscription.state === 'subscribed');
  return { barrage, subscription, received, troubles };
}

test.each<readonly [string, string | Uint8Array]>([
  ['text', 'x'.repeat(limits.clientFrameBytesMax)],
  ['quotes, which take two bytes each', '"'.repeat(33_000)],
  ['letters that take three bytes', '弹'.repeat(22_000)],
  ['bytes, which take a third more as base64', new Uint8Array(50_000)],
])('a publish that is too long on the wire (%s) is refused and harms nothing', async (_what, data) => {
  const { barrage, subscription, received, troubles } = await scene();
  await expect(barrage.publish('video:1', data)).rejects.toMatchObject({ code: 'payload_too_large', retry: false });
  await barrage.publish('video:1', 'still here');
  await until(() => received.length === 1);
  expect([received, troubles, barrage.state, subscription.state]).toEqual([['still here'], [], 'open', 'subscribed']);
});

test('a command of just the length that the gateway takes arrives, and one byte more is refused before it is sent', async () => {
  const { barrage, received } = await scene();
  const around = JSON.stringify({ id: 2, op: 'publish', channel: 'video:1', data: '' }).length;
  const data = 'x'.repeat(limits.clientFrameBytesMax - around);
  await barrage.publish('video:1', data);
  await until(() => received.length === 1);
  expect(received).toEqual([data]);
  await expect(barrage.publish('video:1', `${data}x`)).rejects.toMatchObject({ code: 'payload_too_large' });
  expect(barrage.state).toBe('open');
});

test('a token or a channel that is too long for a command is an error of that alone', async () => {
  const { barrage, troubles } = await scene();
  const long = barrage.subscribe(`video:${'x'.repeat(70_000)}`);
  const errors: unknown[] = [];
  long.on('error', (error) => errors.push(error));
  await until(() => long.state === 'failed' || errors.length > 0);
  await barrage.ping();
  expect([barrage.state, troubles]).toEqual(['open', []]);
});

test('six hundred calls at once keep the rate that hello states: all are carried out, and the connection stays', async () => {
  const { barrage, subscription, received, troubles } = await scene();
  const published = await Promise.all(Array.from({ length: 600 }, (_, index) => barrage.publish('video:1', `m${index}`)));
  expect(published.map(({ offset }) => offset)).toEqual(Array.from({ length: 600 }, (_, index) => index + 1));
  await until(() => received.length === 600);
  expect([troubles, barrage.state, subscription.state]).toEqual([[], 'open', 'subscribed']);
});

test('long publications at once are no flood', async () => {
  const { barrage, received, troubles } = await scene();
  await Promise.all(Array.from({ length: 60 }, () => barrage.publish('video:1', 'x'.repeat(60_000))));
  await until(() => received.length === 60);
  expect(troubles).toEqual([]);
});

test('more calls than go out in five seconds are refused one by one, and those before them are carried out', async () => {
  const { barrage, troubles } = await scene();
  const outcomes = await Promise.allSettled(Array.from({ length: 1_200 }, () => barrage.ping()));
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  expect(refused.length).toBeGreaterThan(0);
  // What was sent at once does not wait.
  expect(refused.length).toBeLessThanOrEqual(200);
  for (const error of refused) expect(error).toMatchObject({ code: 'too_many_requests', retry: true });
  expect([troubles, barrage.state]).toEqual([[], 'open']);
});

test('subscribing to everything again after a reconnect keeps the rate', async () => {
  const limit = { frameBytesMax: 65_536, subscriptionsMax: 128, commandsPerSecondMax: 20 };
  const gateway = await ScriptedGateway.start({ hello: { limits: limit }, answer: agreeable });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const clock = new FakeClock();
  const barrage = client(gateway.url, { clock, random: () => 0 });
  barrage.on('error', () => {});
  const subscriptions = Array.from({ length: 60 }, (_, index) => barrage.subscribe(`c${index}`));
  /** Half of the rate goes out at once, and then nine tenths of it: no more, however many wait. */
  const allSubscribe = async (): Promise<void> => {
    const startedAt = clock.time;
    await until(() => gateway.last.commands.length === 10);
    while (!subscriptions.every(({ state }) => state === 'subscribed')) {
      // What is answered is answered at this moment of the clock.
      await new Promise((resolve) => setTimeout(resolve, 2));
      expect(gateway.last.commands.length).toBeLessThanOrEqual(10 + Math.ceil((clock.time - startedAt) * 0.018));
      await clock.advance(20);
    }
    expect(clock.time - startedAt).toBeGreaterThanOrEqual(2_700);
  };
  await until(() => gateway.connections.length === 1);
  await allSubscribe();
  gateway.last.socket.terminate();
  await until(() => barrage.state === 'waiting');
  await clock.advance(1);
  await until(() => gateway.connections.length === 2);
  await allSubscribe();
});
