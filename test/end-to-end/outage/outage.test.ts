import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { RedisProxy } from '../../support/redis-proxy.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { until } from '../../support/websocket.ts';
import { formVariable } from '../../suite.ts';
import { accountOf } from './account.ts';
import { expectContract, median, missedBy, recovered, recoveryMsMax, report, settled } from './contract.ts';
import { Pool } from './pool.ts';

/** `npm run outage` takes the long form: a minute without Redis. */
const isLong = process.env[formVariable] === 'long';
const outageMs = isLong ? 60_000 : 6_000;
const perSecond = isLong ? 200 : 50;

async function newRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

async function newProxy(redis: RedisServer): Promise<RedisProxy> {
  const proxy = await RedisProxy.before(redis);
  onTestFinished(() => proxy.dispose());
  return proxy;
}

test('Redis is killed under load', { timeout: outageMs + 90_000 }, async () => {
  const redis = await newRedis();
  const way = { BARRAGE_REDIS_URL: redis.url };
  const pool = await Pool.start({ gateways: [way, way], publishers: [way, way] });
  await pool.flow(perSecond);
  const brokenAt = performance.now();
  await redis.stop('gone');
  // Nobody here watches this channel: the gateway cannot subscribe to it without its bus.
  const late = pool.join(['other:1']);
  await pause(outageMs);
  expect(late.isSubscribed).toBe(false);
  await redis.start();
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt });
  await until(() => late.isSubscribed, 20);
  await settled(pool);
  report(`Redis away for ${outageMs / 1000} s`, pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt });
  expect(recoveryMs).toBeLessThan(recoveryMsMax);
  const meanwhile = pool.published.filter(({ answeredAt }) => answeredAt > brokenAt + 1000 && answeredAt < backAt - 500);
  expect(meanwhile.length).toBeGreaterThan(perSecond);
  expect(new Set(meanwhile.map(({ published, words }) => `${published}: ${words}`))).toEqual(
    new Set(['no: temporarily unavailable: the bus cannot be reached. It was not published; repeat it after 1 s']),
  );
  expect(median(meanwhile.map(({ tookMs }) => tookMs)), 'refused at once').toBeLessThan(200);
});

test('Redis hangs for five seconds: the answers that are lost are told as such', { timeout: 90_000 }, async () => {
  const redis = await newRedis();
  const way = { BARRAGE_REDIS_URL: redis.url };
  const pool = await Pool.start({ gateways: [way, way], publishers: [way, way] });
  await pool.flow(perSecond);
  const brokenAt = performance.now();
  redis.pause();
  await pause(5_000);
  redis.resume();
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt });
  await settled(pool);
  report('Redis hung for 5 s', pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt });
  expect(recoveryMs).toBeLessThan(recoveryMsMax);
  expect(pool.published.filter(({ published }) => published === 'unknown').length).toBeGreaterThan(0);
});

test('a channel whose policy says so lets publications wait for a Redis that is away', { timeout: 90_000 }, async () => {
  const redis = await newRedis();
  const way = { BARRAGE_REDIS_URL: redis.url };
  const pool = await Pool.start({ gateways: [way], publishers: [way] });
  const viewer = pool.join(['held:1']);
  await until(() => viewer.isSubscribed, 20);
  await pool.publish('held:1');
  await redis.stop('gone');
  await until(async () => (await pool.publish('live:1')).published === 'no', 50);
  const waiting = Array.from({ length: 20 }, () => pool.publish('held:1'));
  // Those that don't wait are answered meanwhile, and those that do are not.
  await expect(Promise.race([...waiting, pool.publish('live:1')])).resolves.toMatchObject({ channel: 'live:1', published: 'no' });
  await pause(1_000);
  await redis.start();
  const answers = await Promise.all(waiting);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  // Requests by HTTP have no order among themselves.
  const offsets = answers.map(({ position }) => position!.offset).toSorted((a, b) => a - b);
  expect(offsets).toEqual(offsets.map((_, index) => offsets[0]! + index));
  await pool.publish('held:1');
  const held = pool.published.filter(({ channel }) => channel === 'held:1');
  await expect.poll(() => accountOf(held, viewer.told('held:1'))).toMatchObject({ twice: [], disordered: [], untold: [] });
});

test.each([
  ['refused', 4_000],
  ['silent', 9_000],
] as const)('the way from one gateway to Redis is %s', { timeout: 90_000 }, async (how, shortMs) => {
  const redis = await newRedis();
  const proxy = await newProxy(redis);
  const way = { BARRAGE_REDIS_URL: redis.url };
  const pool = await Pool.start({ gateways: [{ BARRAGE_REDIS_URL: proxy.url }, way], publishers: [way] });
  await pool.flow(perSecond);
  const brokenAt = performance.now();
  proxy.become(how);
  await pause(isLong ? outageMs : shortMs);
  proxy.become('open');
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt });
  await settled(pool);
  report(`one gateway cut off (${how})`, pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt });
  expect(recoveryMs).toBeLessThan(recoveryMsMax);
  expect(pool.published.filter(({ published }) => published !== 'yes')).toEqual([]);
  expect(missedBy(pool, pool.viewersOf[1]!), 'the other gateway misses nothing').toEqual([]);
  expect(missedBy(pool, pool.viewers, 'kept:'), 'channels with a history are filled').toEqual([]);
});

test('Redis is slow: everything arrives; slower than two seconds, senders are told that nobody knows', { timeout: 120_000 }, async () => {
  const redis = await newRedis();
  const proxy = await newProxy(redis);
  const way = { BARRAGE_REDIS_URL: proxy.url };
  const pool = await Pool.start({ gateways: [way, way], publishers: [way] });
  await pool.flow(perSecond);
  const slowAt = performance.now();
  proxy.delay(150);
  await pause(isLong ? outageMs : 3_000);
  const slow = pool.published.filter(({ answeredAt }) => answeredAt > slowAt);
  expect(slow.length).toBeGreaterThan(20);
  expect(slow.filter(({ published }) => published !== 'yes')).toEqual([]);
  expect(missedBy(pool, pool.viewers).filter((number) => number < slow[0]!.number)).toEqual([]);

  const brokenAt = performance.now();
  // Both directions together take longer than any command may.
  proxy.delay(1_250);
  await expect.poll(() => pool.published.some(({ published }) => published === 'unknown'), { timeout: 20_000 }).toBe(true);
  await pause(4_000);
  proxy.delay(0);
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt: backAt + 1_250 });
  await settled(pool);
  report('Redis slow by 0.3 s, then by 2.5 s', pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt: backAt + 1_250 });
});

test('Redis has no memory left: publishers say so, subscriptions live on, and clients can come', { timeout: 90_000 }, async () => {
  const redis = await newRedis();
  const way = { BARRAGE_REDIS_URL: redis.url };
  const pool = await Pool.start({ gateways: [way, way], publishers: [way] });
  await pool.flow(perSecond);
  const brokenAt = performance.now();
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  await pause(isLong ? outageMs : 4_000);
  const late = pool.join();
  await until(() => late.isSubscribed, 20);
  const meanwhile = await pool.publish('live:1');
  expect([meanwhile.status, meanwhile.retryAfter, meanwhile.words]).toEqual([
    503,
    '5',
    'temporarily unavailable: the bus has no memory left (Redis: OOM). It was not published; repeat it after 5 s',
  ]);
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt });
  await settled(pool);
  report('Redis without memory', pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt });
  expect(recoveryMs).toBeLessThan(recoveryMsMax);
  expect(missedBy(pool, pool.viewers)).toEqual([]);
});
