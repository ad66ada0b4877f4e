import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestStandalone } from '../support/standalone.ts';
import { Listener, publication, until } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

function newBus(prefix: string, emptyRecordSeconds?: number): RedisBus {
  const bus = createRedisBus({ url: redis.url, prefix, ...(emptyRecordSeconds === undefined ? {} : { emptyRecordSeconds }) });
  onTestFinished(() => bus.close());
  return bus;
}

/** How long the record of a channel has to live yet, in seconds; negative where there is none. */
async function secondsLeft(prefix: string, channel: string): Promise<number> {
  return Number((await redis.command('PTTL', `${prefix}:{${channel}}:record`)).slice(1)) / 1000;
}

const hour = 3600;
const day = 24 * hour;

test('names that nobody publishes to are gone from Redis an hour after the last look', async () => {
  const bus = newBus('looked-at');
  const names = Array.from({ length: 300 }, (_, index) => `name${index}`);
  for (const name of names) {
    await bus.log.subscribe(name, new Listener());
    bus.log.unsubscribe(name);
  }
  const left = await Promise.all(names.map((name) => secondsLeft('looked-at', name)));
  expect(Math.max(...left)).toBeLessThanOrEqual(hour);
  expect(Math.min(...left)).toBeGreaterThan(hour - 60);
});

test('from its first publication on a record lives 30 days after its last use, also where that is a look', async () => {
  const bus = newBus('used');
  await bus.log.subscribe('a', new Listener());
  await bus.log.append('a', [publication('x')]);
  expect(await secondsLeft('used', 'a')).toBeGreaterThan(29 * day);
  await redis.command('EXPIRE', 'used:{a}:record', '100');
  bus.log.unsubscribe('a');
  await bus.log.subscribe('a', new Listener());
  expect(await secondsLeft('used', 'a')).toBeGreaterThan(29 * day);
});

test('a record without publications lives on while somebody is subscribed, and not after that', async () => {
  const bus = newBus('renewed', 6);
  const listener = new Listener();
  const { epoch } = await bus.log.subscribe('quiet', listener);
  await bus.log.subscribe('used', new Listener());
  await bus.log.append('used', [publication('x')]);
  await bus.log.subscribe('left', new Listener());
  bus.log.unsubscribe('left');
  for (let renewals = 0, before = 6; renewals < 2;) {
    const left = await secondsLeft('renewed', 'quiet');
    expect(left).toBeGreaterThan(0);
    if (left > before) renewals++;
    before = left;
    await until('a little later', async () => (await secondsLeft('renewed', 'quiet')) !== before);
  }
  expect(await secondsLeft('renewed', 'used')).toBeGreaterThan(29 * day);
  expect(await bus.log.append('quiet', [publication('x')])).toEqual({ epoch, firstOffset: 1, lastOffset: 1 });
  await until('the other one ends', async () => (await secondsLeft('renewed', 'left')) < 0);
});

test('where Redis has no memory left, names that nobody publishes to take none', async () => {
  const bus = newBus('full');
  await bus.log.append('a', [publication('x')]);
  const keys = await redis.command('DBSIZE');
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  onTestFinished(async () => void (await redis.command('CONFIG', 'SET', 'maxmemory', '0')));
  await expect(bus.log.subscribe('b', new Listener())).rejects.toThrow('OOM');
  expect(await bus.log.subscribe('a', new Listener())).toMatchObject({ offset: 1 });
  expect(await redis.command('DBSIZE')).toBe(keys);
});

test('a record without publications that ended all the same is no silence: who is subscribed is told of another epoch', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_REDIS_URL: redis.url, BARRAGE_REDIS_PREFIX: 'ended' });
  await until('it is ready', async () => (await fetch(`http://127.0.0.1:${barrage.port}/readyz`)).status === 200);
  const client = await barrage.v1();
  const { epoch } = await client.subscribe('video:1');
  expect(await redis.command('DEL', 'ended:{video:1}:record')).toBe(':1');
  const published = await barrage.publish('video:1', 'x');
  await until('heard', () => client.of('video:1').length === 1);
  expect(published.epoch).not.toBe(epoch);
  expect(client.of('video:1')).toMatchObject([{ epoch: published.epoch, after: 0, upto: 1, items: [{ data: 'x' }] }]);
});
