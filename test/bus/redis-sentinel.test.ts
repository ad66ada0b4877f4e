import { expect, onTestFinished, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import { Load, expectOrderAroundPositions } from './load.ts';
import { AnsweringGateway, Listener, publication, question, until, untilUp } from './world.ts';

async function newSentinels(sentinels: number, password?: string): Promise<RedisSentinels> {
  const world = await RedisSentinels.start({ sentinels, ...(password === undefined ? {} : { password }) });
  onTestFinished(() => world.dispose());
  return world;
}

function newBus(sentinels: RedisSentinels, password?: string): RedisBus {
  const bus = createRedisBus({ ...sentinels.access, ...(password === undefined ? {} : { password }), prefix: 'sentinel' });
  onTestFinished(() => bus.close());
  return bus;
}

test(
  'the master dies under load: publishing fails meanwhile, and goes on at the promoted one in a new epoch',
  { timeout: 60_000 },
  async () => {
    const sentinels = await newSentinels(3, 'a password');
    const publisher = newBus(sentinels, 'a password');
    const gateway = newBus(sentinels, 'a password');
    const [listener, quiet] = [new Listener(), new Listener()];
    await Promise.all([gateway.log.subscribe('a', listener), gateway.log.subscribe('quiet', quiet)]);
    const number = await gateway.calls.serve(new AnsweringGateway('g'));
    const load = new Load(publisher, 'a');
    await until('a few are appended', () => load.appended.length >= 100);

    await sentinels.servers[0].stop('gone');
    const diedAt = performance.now();
    const before = load.appended.length;
    await until('appends fail', () => load.failures.length >= 10);
    expect(publisher.state().up).toBe(false);
    await until('appends work again', () => load.appended.length >= before + 50, 30_000);
    await until('both are subscribed again', () => listener.resubscribed.length > 0 && quiet.resubscribed.length > 0);
    const heard = listener.heard.length;
    await until('and hear', () => listener.heard.length > heard + 20);
    await load.stop();
    const awayMs = load.appended[before]!.at - diedAt;
    console.log(`publishing was away for ${Math.round(awayMs)} ms, ${load.failures.length} appends failed`);

    load.check();
    expect(load.epochs).toHaveLength(2);
    expect(listener.isAt(load.epochs[1])).toBe(true);
    expectOrderAroundPositions(listener);
    expect(await sentinels.masterPort()).toBe(sentinels.servers[1].port);
    await untilUp(gateway);
    await until('calls reach the gateway', async () => {
      return (await publisher.calls.call(number, question, 1000)).kind === 'reply';
    });
  },
);

test('the Sentinels are asked to change masters while both live: the connections follow, and back again', { timeout: 90_000 }, async () => {
  const sentinels = await newSentinels(1);
  const publisher = newBus(sentinels);
  const gateway = newBus(sentinels);
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const load = new Load(publisher, 'a');
  for (const turn of [1, 2]) {
    const before = load.appended.length;
    await until('a few are appended', () => load.appended.length >= before + 50);
    await sentinels.failOver();
    await until('in a new epoch', () => load.epochs.length === turn + 1, 30_000);
    await until('subscribed again', () => listener.isAt(load.epochs.at(-1)), 30_000);
  }
  const heard = listener.heard.length;
  await until('and hears', () => listener.heard.length > heard + 20);
  await load.stop();
  load.check();
  expect(load.epochs).toHaveLength(3);
  expectOrderAroundPositions(listener);
});

test('the master hangs: its connections are given up for the promoted one', { timeout: 60_000 }, async () => {
  const sentinels = await newSentinels(3);
  const publisher = newBus(sentinels);
  const gateway = newBus(sentinels);
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const load = new Load(publisher, 'a');
  await until('a few are appended', () => load.appended.length >= 50);
  sentinels.servers[0].pause();
  const before = load.appended.length;
  await until('appends work again', () => load.appended.length >= before + 50, 30_000);
  await until('the gateway is subscribed again', () => listener.resubscribed.length > 0);
  sentinels.servers[0].resume();
  const heard = listener.heard.length;
  await until('and hears', () => listener.heard.length > heard + 20);
  await load.stop();
  load.check();
  expect(load.epochs).toHaveLength(2);
  expectOrderAroundPositions(listener);
});

test('a process may start before the Sentinels, and says what it waits for', { timeout: 30_000 }, async () => {
  const bus = createRedisBus({ mode: 'Sentinel', sentinelName: 'x', url: 'redis://127.0.0.1:1,redis://127.0.0.1:2', prefix: 'sentinel' });
  onTestFinished(() => bus.close());
  await expect(bus.log.append('a', [publication('x')])).rejects.toThrow(BusUnavailable);
  await until('it says why', () => JSON.stringify(bus.state()).includes('no Sentinel answers at 127.0.0.1:1, 127.0.0.1:2'));
  await bus.close();
  expect(bus.state()).toEqual({ up: false, reason: 'the bus is closed' });
});
