import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { limits } from '../../core/limits.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import { tombstone } from '../../core/recall.ts';
import { RedisServer } from '../support/redis-server.ts';
import { checkAgainstModel } from './model.ts';
import { describeRedisContract } from './redis-contract.ts';
import { AnsweringGateway, Listener, publication, question, until, untilUp } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

function newBus(prefix: string, more: { readonly countMembers?: boolean } = {}): RedisBus {
  const bus = createRedisBus({ url: redis.url, prefix, ...more });
  onTestFinished(() => bus.close());
  return bus;
}

describeRedisContract('Redis', () => ({ url: redis.url }));

describe('behind Sentinels', () => {
  let sentinels: RedisSentinels;
  beforeAll(async () => {
    sentinels = await RedisSentinels.start({ sentinels: 1 });
  });
  afterAll(async () => {
    await sentinels.dispose();
  });
  describeRedisContract('Redis Sentinel', () => sentinels.access);
});

describe('with the slots on three masters', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start({ masters: 3 });
  });
  afterAll(async () => {
    await cluster.dispose();
  });
  describeRedisContract('Redis Cluster', () => cluster.access);

  test('the Redis Cluster bus agrees with a model over random appends and subscriptions', async () => {
    for (let seed = 101; seed <= 105; seed++) {
      const access = { ...cluster.access, prefix: `model/${seed}` };
      const publisher = createRedisBus(access);
      const gateway = createRedisBus(access);
      await checkAgainstModel({ seed, steps: 300, publisher, gateway });
      await Promise.all([publisher.close(), gateway.close()]);
    }
  });
});

test('the ACL in docs/bus.md is enough for a prefix, and for no other', async () => {
  const document = await readFile(new URL('../../docs/bus.md', import.meta.url), 'utf8');
  const rules = /ACL for one prefix: `([^`]+)`/.exec(document)![1]!.replaceAll('P:', 'tenant/a:').split(' ');
  expect(await redis.command('ACL', 'SETUSER', 'tenant', 'on', '>secret', 'resetchannels', ...rules)).toBe('+OK');
  const url = redis.url.replace('//', '//tenant:secret@');
  const own = createRedisBus({ url, prefix: 'tenant/a' });
  onTestFinished(() => own.close());
  const listener = new Listener();
  await own.log.subscribe('x', listener);
  await own.log.append('x', [publication('x')]);
  await until('heard', () => listener.texts.length === 1);
  const number = await own.calls.serve(new AnsweringGateway('g'));
  expect(await own.calls.call(number, question, 5000)).toMatchObject({ kind: 'reply' });
  expect((await own.calls.callAll(question, 5000)).replies).toHaveLength(1);
  const keep = { size: 10, ttlSeconds: 60 };
  await own.log.append('x', [publication('y', { user: 'ann' })], keep);
  await own.log.append('x', [tombstone({ kind: 'offsets', offsets: [2] }, 1)], keep);
  expect((await own.log.history('x', { kind: 'newest', limit: 9 })).publications[0]?.publication.isRecalled).toBe(true);
  await own.log.append('x', [tombstone({ kind: 'all' }, 1)], keep);
  await own.log.append('x', [tombstone({ kind: 'all' }, 1)]);
  own.log.unsubscribe('x');
  const foreign = createRedisBus({ url, prefix: 'tenant/b' });
  onTestFinished(() => foreign.close());
  await expect(foreign.log.append('x', [publication('x')])).rejects.toThrow('NOPERM');
  await expect(foreign.log.subscribe('x', new Listener())).rejects.toThrow('NOPERM');
  await expect(foreign.calls.serve(new AnsweringGateway('g'))).rejects.toThrow('NOPERM');
});

test('the Redis bus agrees with a model over random appends and subscriptions', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const prefix = `model/${seed}`;
    const publisher = createRedisBus({ url: redis.url, prefix });
    const gateway = createRedisBus({ url: redis.url, prefix });
    await checkAgainstModel({ seed, steps: 300, publisher, gateway });
    await Promise.all([publisher.close(), gateway.close()]);
  }
});

test('all keys and bus channels begin with the prefix, one hash tag a channel, and records expire', async () => {
  const bus = newBus('names/pool');
  await bus.log.subscribe('a{%}', new Listener());
  const { epoch } = await bus.log.append('a{%}', [publication('x')]);
  const keys = await redis.command('KEYS', 'names/*');
  expect(keys).toBe('*1 $30 names/pool:{a%7B%25%7D}:record');
  expect(await redis.command('PUBSUB', 'SHARDCHANNELS', 'names/*')).toBe('*1 $27 names/pool:{a%7B%25%7D}:log');
  const record = await redis.command('HMGET', 'names/pool:{a%7B%25%7D}:record', 'epoch', 'offset');
  expect(record).toBe(`*2 $14 ${epoch} $1 1`);
  const seconds = Number((await redis.command('TTL', 'names/pool:{a%7B%25%7D}:record')).slice(1));
  expect(seconds).toBeGreaterThan(29 * 86_400);
});

test('a process without a member in a channel is not sent that channel', async () => {
  const publisher = newBus('quiet');
  const gateway = newBus('quiet');
  await gateway.log.subscribe('a', new Listener());
  await gateway.log.subscribe('b', new Listener());
  gateway.log.unsubscribe('a');
  await until('only b is subscribed', async () => (await redis.command('PUBSUB', 'SHARDCHANNELS', 'quiet:*')) === '*1 $13 quiet:{b}:log');
  await publisher.log.append('a', [publication('x')]);
});

test('unsubscribing before the subscription is in force ends it, on the server too', async () => {
  const bus = newBus('early');
  await untilUp(bus);
  const subscribing = bus.log.subscribe('a', new Listener());
  bus.log.unsubscribe('a');
  await expect(subscribing).rejects.toThrow(BusUnavailable);
  await bus.log.subscribe('b', new Listener());
  expect(await redis.command('PUBSUB', 'SHARDCHANNELS', 'early:*')).toBe('*1 $13 early:{b}:log');
  await bus.log.subscribe('a', new Listener());
});

test('two publishers and two gateways see one order', async () => {
  const buses = Array.from({ length: 4 }, () => newBus('shared'));
  const [first, second, gateway, otherGateway] = buses as [RedisBus, RedisBus, RedisBus, RedisBus];
  const listeners = [new Listener(), new Listener()] as const;
  await Promise.all([gateway.log.subscribe('a', listeners[0]), otherGateway.log.subscribe('a', listeners[1])]);
  const texts = Array.from({ length: 200 }, (_, index) => `${index}`);
  await Promise.all(
    texts.flatMap((text) => [first.log.append('a', [publication(`1:${text}`)]), second.log.append('a', [publication(`2:${text}`)])]),
  );
  await until('all heard', () => listeners.every(({ heard }) => heard.length === 400));
  expect(listeners[0].heard).toEqual(listeners[1].heard);
  expect(listeners[0].offsets).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
  for (const publisher of ['1:', '2:']) {
    const own = listeners[0].texts.filter((text) => text.startsWith(publisher));
    expect(own).toEqual(texts.map((text) => publisher + text));
  }
});

test('what is no envelope is counted and shows as nothing else; what comes after it is delivered', async () => {
  const bus = newBus('foreign');
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  await redis.command('SPUBLISH', 'foreign:{a}:log', 'rubbish');
  await bus.log.append('a', [publication('x')]);
  await until('heard', () => listener.texts.length === 1);
  expect(bus.figures()).toMatchObject({ envelopesRefused: 1, connectionErrors: 0 });
});

test('what is no message of the gateway calls is counted, and calls go on', async () => {
  const publisher = newBus('strange', { countMembers: true });
  const gateway = newBus('strange');
  const number = await gateway.calls.serve(new AnsweringGateway('g'));
  for (const rubbish of [
    '{}',
    '{"kind":"request","id":1}',
    '[',
    '1',
    '{"kind":"request","id":1,"replyTo":"../x","deadlineMs":1,"request":{}}',
  ])
    await redis.command('SPUBLISH', `strange:gateway:${number}`, rubbish);
  await redis.command('SPUBLISH', 'strange:reports', '{"gateway":0}');
  expect(await publisher.calls.call(number, question, 5000)).toEqual({ kind: 'reply', reply: { kind: 'done' } });
  await until('all counted', () => gateway.figures().messagesRefused === 5 && publisher.figures().messagesRefused === 1);
});

test('a server that forgot the scripts is given them again', async () => {
  const bus = newBus('forgotten');
  await bus.log.append('a', [publication('x')]);
  await redis.command('SCRIPT', 'FLUSH');
  expect(await bus.log.append('a', [publication('x')])).toMatchObject({ firstOffset: 2 });
});

test('a record that is gone while somebody is subscribed begins a new epoch', async () => {
  const bus = newBus('expired');
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  const { epoch } = await bus.log.append('a', [publication('x')]);
  await redis.command('DEL', 'expired:{a}:record');
  const again = await bus.log.append('a', [publication('y')]);
  expect(again.epoch).not.toBe(epoch);
  await until('heard', () => listener.texts.length === 2);
  expect(listener.batches.map((batch) => batch.epoch)).toEqual([epoch, again.epoch]);
});

test('a record that cannot be read fails its channel and no other', async () => {
  const bus = newBus('broken');
  await redis.command('SET', 'broken:{a}:record', 'x');
  await expect(bus.log.append('a', [publication('x')])).rejects.toThrow(BusUnavailable);
  await expect(bus.log.subscribe('a', new Listener())).rejects.toThrow(BusUnavailable);
  expect(await bus.log.append('b', [publication('x')])).toMatchObject({ firstOffset: 1 });
  expect(bus.state()).toEqual({ up: true });
});

test('thousands of channels are subscribed to at once', async () => {
  const bus = newBus('many');
  const listeners = Array.from({ length: 3000 }, () => new Listener());
  await Promise.all(listeners.map((listener, index) => bus.log.subscribe(`${index}`, listener)));
  await Promise.all(listeners.map((_, index) => bus.log.append(`${index}`, [publication(`${index}`)])));
  await until('all heard', () => listeners.every(({ heard }) => heard.length === 1));
  expect(listeners.map(({ texts }) => texts[0])).toEqual(listeners.map((_, index) => `${index}`));
});

test('the queue of appends is bounded', async () => {
  const bus = newBus('bounded');
  await untilUp(bus);
  const one = [publication('x')];
  const appends = Array.from({ length: limits.appendWaitingMax }, () => bus.log.append('a', one));
  await expect(bus.log.append('b', one)).rejects.toThrow('too many publications wait');
  const results = await Promise.all(appends);
  expect(results.at(-1)?.lastOffset).toBe(limits.appendWaitingMax);
  expect(bus.figures().appendsWaiting).toBe(0);
});
