import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import type { RedisAccess } from '../../core/redis/access.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestStandalone } from '../support/standalone.ts';
import { Listener, publication, until, untilUp } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

function newBus(prefix: string, access: RedisAccess = { url: redis.url }): RedisBus {
  const bus = createRedisBus({ ...access, prefix });
  onTestFinished(() => bus.close());
  return bus;
}

/** How long the record of a channel has to live yet, in seconds; negative where there is none. */
async function secondsLeft(prefix: string, channel: string): Promise<number> {
  return Number((await redis.command('PTTL', `${prefix}:{${channel}}:record`)).slice(1)) / 1000;
}

const day = 24 * 3600;

test('names that nobody publishes to leave nothing in Redis, however many are looked at', async () => {
  const bus = newBus('looked-at');
  await untilUp(bus);
  const keys = await redis.command('DBSIZE');
  for (let name = 0; name < 300; name++) await bus.log.subscribe(`name${name}`, new Listener());
  expect(await redis.command('DBSIZE')).toBe(keys);
  for (let name = 0; name < 300; name++) bus.log.unsubscribe(`name${name}`);
  expect(await redis.command('DBSIZE')).toBe(keys);
});

test('a record lives 30 days after its last publication, and a look does not prolong it', async () => {
  const bus = newBus('used');
  await bus.log.append('a', [publication('x')]);
  expect(await secondsLeft('used', 'a')).toBeGreaterThan(29 * day);
  await redis.command('EXPIRE', 'used:{a}:record', '100');
  await bus.log.subscribe('a', new Listener());
  expect(await secondsLeft('used', 'a')).toBeLessThanOrEqual(100);
  await bus.log.append('a', [publication('x')]);
  expect(await secondsLeft('used', 'a')).toBeGreaterThan(29 * day);
});

test('where Redis has no memory left, channels can be looked at all the same', async () => {
  const bus = newBus('full');
  await bus.log.append('a', [publication('x')]);
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  onTestFinished(async () => void (await redis.command('CONFIG', 'SET', 'maxmemory', '0')));
  expect(await bus.log.subscribe('b', new Listener())).toMatchObject({ offset: 0 });
  expect(await bus.log.subscribe('a', new Listener())).toMatchObject({ offset: 1 });
});

test('a server that became a replica does not say where the log ends', async () => {
  const demoted = await RedisServer.start();
  onTestFinished(() => demoted.dispose());
  const bus = newBus('demoted', { url: demoted.url });
  await bus.log.append('a', [publication('x')]);
  // Its connections stay, so that the next command finds out.
  await demoted.command('REPLICAOF', redis.host, `${redis.port}`);
  await expect(bus.log.subscribe('a', new Listener())).rejects.toThrow();
});

/** In a Cluster and on one server. */
function describeFirstPublications(mode: string, access: () => RedisAccess): void {
  describe(`on ${mode}`, () => {
    test('the first publication goes on where those who looked before it are', async () => {
      const prefix = `first/${randomUUID()}`;
      const [one, other, publisher] = [newBus(prefix, access()), newBus(prefix, access()), newBus(prefix, access())];
      const listeners = [new Listener(), new Listener()] as const;
      const position = await one.log.subscribe('a', listeners[0]);
      expect(await other.log.subscribe('a', listeners[1])).toEqual(position);
      expect(position.offset).toBe(0);
      const { epoch } = await publisher.log.append('a', [publication('x')]);
      expect(epoch.startsWith(position.epoch)).toBe(true);
      for (const listener of listeners) {
        await until('heard', () => listener.heard.length === 1);
        expect(listener.heard).toEqual([{ kind: 'publication', epoch, offset: 1, text: 'x' }]);
      }
    });
  });
}

describeFirstPublications('one server', () => ({ url: redis.url }));

describe('with the slots on three masters', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start({ masters: 3 });
  });
  afterAll(async () => {
    await cluster.dispose();
  });
  describeFirstPublications('a Cluster', () => cluster.access);
});

test('after a restart the position tells of another order, and the next publication goes on from it', { timeout: 30_000 }, async () => {
  const restarted = await RedisServer.start();
  onTestFinished(() => restarted.dispose());
  const [bus, publisher] = [newBus('restarted', { url: restarted.url }), newBus('restarted', { url: restarted.url })];
  const listeners = { used: new Listener(), unused: new Listener() };
  const before = await bus.log.subscribe('unused', listeners.unused);
  await bus.log.subscribe('used', listeners.used);
  const { epoch } = await publisher.log.append('used', [publication('x'), publication('y')]);
  await restarted.restart('kept');
  for (const listener of Object.values(listeners)) await until('subscribed again', () => listener.resubscribed.length === 1);
  const [used, unused] = [listeners.used.resubscribed[0]!, listeners.unused.resubscribed[0]!];
  // Something may have been published and lost in between: that must not look as if nothing was.
  expect(unused).toEqual({ epoch: expect.any(String), offset: 0 });
  expect(unused.epoch).not.toBe(before.epoch);
  expect(used).toEqual({ epoch: unused.epoch, offset: 2 });
  expect(epoch.startsWith(used.epoch)).toBe(false);
  await untilUp(publisher);
  const next = await publisher.log.append('used', [publication('z')]);
  expect(next).toMatchObject({ firstOffset: 3, lastOffset: 3 });
  expect(next.epoch.startsWith(used.epoch)).toBe(true);
});

test('a client of the SDK that was there before the first publication sees no gap in it', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_REDIS_URL: redis.url, BARRAGE_REDIS_PREFIX: 'sdk' });
  await until('it is ready', async () => (await fetch(`http://127.0.0.1:${barrage.port}/readyz`)).status === 200);
  const client = new Barrage(`ws://127.0.0.1:${barrage.port}/`);
  onTestFinished(() => client.close());
  const subscription = client.subscribe('video:1');
  const events: string[] = [];
  subscription.on('gap', ({ reason }) => events.push(`gap ${reason}`));
  subscription.on('publication', ({ data }) => events.push(String(data)));
  await until('subscribed', () => subscription.position !== undefined);
  for (const text of ['x', 'y', 'z']) await barrage.publish('video:1', text);
  await until('heard', () => events.length >= 3);
  expect(events).toEqual(['x', 'y', 'z']);
  expect(subscription.position?.offset).toBe(3);
});

test('a record that was deleted is no silence: who is subscribed is told of another epoch', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_REDIS_URL: redis.url, BARRAGE_REDIS_PREFIX: 'ended' });
  await until('it is ready', async () => (await fetch(`http://127.0.0.1:${barrage.port}/readyz`)).status === 200);
  const client = await barrage.v1();
  await client.subscribe('video:1');
  const first = await barrage.publish('video:1', 'x');
  await until('heard', () => client.of('video:1').length === 1);
  expect(await redis.command('DEL', 'ended:{video:1}:record')).toBe(':1');
  const second = await barrage.publish('video:1', 'y');
  await until('heard', () => client.of('video:1').length === 2);
  expect(second.epoch).not.toBe(first.epoch);
  expect(client.of('video:1')).toMatchObject([
    { epoch: first.epoch, after: 0, upto: 1, items: [{ data: 'x' }] },
    { epoch: second.epoch, after: 0, upto: 1, items: [{ data: 'y' }] },
  ]);
});
