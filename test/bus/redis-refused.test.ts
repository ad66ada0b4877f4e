import { expect, onTestFinished, test } from 'vitest';
import type { RedisAccess } from '../../core/redis/access.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisServer } from '../support/redis-server.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { publication, until, untilUp } from './world.ts';

async function newRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const redis = await RedisServer.start({ settings });
  onTestFinished(() => redis.dispose());
  return redis;
}

function newBus(access: RedisAccess, { logger } = recordedLog('warn')): RedisBus {
  const bus = createRedisBus({ ...access, prefix: 'lacking', logger });
  onTestFinished(() => bus.close());
  return bus;
}

async function expectRefusal(bus: RedisBus, words: RegExp): Promise<void> {
  await until('it says why', () => words.test(JSON.stringify(bus.state())));
  await expect(bus.log.append('a', [publication('x')])).rejects.toThrow(words);
}

test.each([
  ['redis_version', /INFO has no redis_version/],
  ['run_id', /INFO has no run_id/],
  ['redis_mode', /INFO has no redis_mode and no server_mode/],
  ['role', /INFO has no role/],
  ['master_replid', /INFO has no master_replid/],
  ['ssub', /Redis 7.0.3 or newer/],
])('a server that does not tell its %s is not used, and why is told', async (field, words) => {
  const redis = await newRedis();
  // As long as before: the answer's length is part of it.
  const proxy = await RedisProxy.before(redis, (text) => text.replaceAll(new RegExp(`\\b${field}(?=[:=])`, 'g'), 'x'.repeat(field.length)));
  onTestFinished(() => proxy.dispose());
  await expectRefusal(newBus({ url: proxy.url }), words);
});

test('a server without RESP3 is not used, and why is told', async () => {
  const unable = await newRedis(['--rename-command', 'HELLO', '']);
  await expectRefusal(newBus({ url: unable.url }), /does not speak RESP3/);
});

test('a Cluster that does not answer CLUSTER NODES is not used, and why is told', { timeout: 30_000 }, async () => {
  const cluster = await RedisCluster.start({ masters: 1 });
  onTestFinished(() => cluster.dispose());
  await cluster.masters[0]!.command('ACL', 'SETUSER', 'tenant', 'on', '>secret', '~*', '&*', '+@all', '-cluster|nodes');
  const bus = newBus({ ...cluster.access, username: 'tenant', password: 'secret' });
  await expectRefusal(bus, /does not answer CLUSTER NODES, which BARRAGE_REDIS_MODE=Cluster needs/);
});

test('a bound on waiting bytes that cuts off a gateway that stalls is warned of once', async () => {
  const strict = await newRedis(['--client-output-buffer-limit', 'pubsub', '1mb', '512kb', '5']);
  const warned = recordedLog('warn');
  const bus = newBus({ url: strict.url }, warned);
  await untilUp(bus);
  const warnings = (): readonly unknown[] =>
    warned.lines.filter(({ event }) => event === 'redis-backlog-short').map((line) => line['reason']);
  await until('warned', () => warnings().length > 0);
  expect(warnings()[0]).toContain("'pubsub 1048576 524288 5'");
  await strict.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await until('down', () => !bus.state().up);
  await untilUp(bus);
  await bus.log.append('a', [publication('x')]);
  expect(warnings()).toHaveLength(1);

  const usual = recordedLog('warn');
  const other = newBus({ url: (await newRedis()).url }, usual);
  await untilUp(other);
  await other.log.append('a', [publication('x')]);
  expect(usual.lines).toEqual([]);
});
