import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { RedisAccess } from '../../core/redis/access.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisNames } from '../../core/redis/keys.ts';
import { slotOf } from '../../core/redis/slots.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import { RedisServer } from '../support/redis-server.ts';
import { expectOk } from '../support/redis-slots.ts';
import { valkeyProgram } from '../support/valkey-program.ts';
import { describeRedisContract } from './redis-contract.ts';
import { Listener, publication, until } from './world.ts';

let single: RedisServer;
let sentinels: RedisSentinels;
let cluster: RedisCluster;
beforeAll(async () => {
  const program = valkeyProgram();
  single = await RedisServer.start({ program });
  sentinels = await RedisSentinels.start({ program, sentinels: 1 });
  cluster = await RedisCluster.start({ program, masters: 3 });
}, 120_000);
afterAll(async () => {
  await Promise.all([single, sentinels, cluster].map((part) => part?.dispose()));
});

function newBus(access: RedisAccess): RedisBus {
  const bus = createRedisBus({ ...access, prefix: 'valkey' });
  onTestFinished(() => bus.close());
  return bus;
}

test('the server is Valkey 8 or newer, and says its mode in its own word', async () => {
  const answer = await single.command('INFO', 'server');
  expect(answer).toMatch(/server_name:valkey/);
  expect(Number(/valkey_version:(\d+)/.exec(answer)?.[1])).toBeGreaterThanOrEqual(8);
  expect(answer).toMatch(/server_mode:standalone/);
  expect(answer).not.toMatch(/redis_mode/);
});

describeRedisContract('Valkey', () => ({ url: single.url }));
describe('behind Sentinels', () => describeRedisContract('Valkey Sentinel', () => sentinels.access));
describe('with the slots on three masters', () => describeRedisContract('Valkey Cluster', () => cluster.access));

test.each<[what: string, access: () => RedisAccess, words: RegExp]>([
  ['a Cluster taken for one server', () => ({ url: cluster.masters[0]!.url }), /set BARRAGE_REDIS_MODE to Cluster/],
  ['one server taken for a Cluster', () => ({ url: single.url, mode: 'Cluster' }), /no node of a Redis Cluster/],
  ['a Sentinel taken for a server', () => ({ url: sentinels.access.url }), /set BARRAGE_REDIS_MODE to Sentinel/],
])('%s is refused in words that say what to do', async (_what, access, words) => {
  const bus = newBus(access());
  await until('it says why', () => words.test(JSON.stringify(bus.state())));
  await expect(bus.log.append('a', [publication('x')])).rejects.toThrow(words);
});

test('a slot that is set anew at its owner: its subscriptions are made again', { timeout: 30_000 }, async () => {
  const slot = slotOf(new RedisNames('valkey').log('a'));
  const bus = newBus(cluster.access);
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  const owner = (await cluster.ownerOf(slot))!;
  expectOk(await owner.command('CLUSTER', 'SETSLOT', `${slot}`, 'NODE', await cluster.idOf(owner)));
  await until('subscribed again', () => listener.resubscribed.length > 0);
  await bus.log.append('a', [publication('after')]);
  await until('heard', () => listener.texts.at(-1) === 'after');
});

test('a slot moves: its subscriptions move along', { timeout: 30_000 }, async () => {
  const slot = slotOf(new RedisNames('valkey').log('b'));
  const bus = newBus(cluster.access);
  const listener = new Listener();
  await bus.log.subscribe('b', listener);
  const owner = await cluster.ownerOf(slot);
  await cluster.moveSlot(
    slot,
    cluster.masters.find((master) => master !== owner)!,
  );
  await until('subscribed again', () => listener.resubscribed.length > 0);
  await bus.log.append('b', [publication('after')]);
  await until('heard', () => listener.texts.at(-1) === 'after');
});
