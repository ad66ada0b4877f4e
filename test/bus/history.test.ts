import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { isInOrder, reachOf } from '../../core/history.ts';
import { RedisServer } from '../support/redis-server.ts';
import { AnsweringGateway, Listener, publication, until, untilUp } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

const keep = { size: 10, ttlSeconds: 300 };

async function newBus(prefix: string): Promise<RedisBus> {
  const bus = createRedisBus({ url: redis.url, prefix });
  onTestFinished(() => bus.close());
  await untilUp(bus);
  return bus;
}

test('without a history Redis keeps the record alone; with one it keeps a stream for the time of the policy', async () => {
  const { log } = await newBus('keys');
  await log.append('off', [publication('a')]);
  await log.append('on', [publication('a')], keep);
  expect(await redis.command('EXISTS', 'keys:{off}:history')).toBe(':0');
  expect(await redis.command('XLEN', 'keys:{on}:history')).toBe(':1');
  const left = Number((await redis.command('TTL', 'keys:{on}:history')).slice(1));
  expect(left).toBeGreaterThan(290);
  expect(left).toBeLessThanOrEqual(300);
});

test('a record that was lost begins again, without the publications of before', async () => {
  const { log } = await newBus('lost');
  const before = await log.append('a', [publication('1'), publication('2'), publication('3')], keep);
  await redis.command('DEL', 'lost:{a}:record');
  expect((await log.history('a', { kind: 'newest', limit: 10 })).publications).toEqual([]);
  const after = await log.append('a', [publication('again')], keep);
  expect(after.epoch).not.toBe(before.epoch);
  const page = await log.history('a', { kind: 'newest', limit: 10 });
  expect(page.position).toEqual({ epoch: after.epoch, offset: 1 });
  expect(page.publications.map(({ publication: { payload } }) => payload.toString())).toEqual(['again']);
  expect(reachOf(page, { epoch: before.epoch, offset: 1 })).toBe('lost');
});

test('publications of a lost record are not taken for those of the next one, even if that began without a history', async () => {
  const { log } = await newBus('lives');
  const texts = async (): Promise<readonly string[]> =>
    (await log.history('a', { kind: 'newest', limit: 10 })).publications.map(({ publication: { payload } }) => payload.toString());
  await log.append('a', [publication('1'), publication('2'), publication('3')], keep);
  await redis.command('DEL', 'lives:{a}:record');
  for (const text of ['one', 'two', 'three', 'four']) await log.append('a', [publication(text)]);
  expect(await texts()).toEqual([]);
  await redis.command('DEL', 'lives:{a}:record');
  await log.append('a', [publication('eins')]);
  // Its offset is below those that are kept.
  await log.append('a', [publication('zwei')], keep);
  expect(await texts()).toEqual(['zwei']);
  await log.append('a', [publication('drei')], keep);
  expect(await texts()).toEqual(['zwei', 'drei']);
});

test('a server that was started again goes on in a new epoch, and says up to where the earlier one is good', async () => {
  const { log } = await newBus('again');
  const before = await log.append('a', [publication('1'), publication('2')], keep);
  // As a promoted replica or a restarted server has it: the record is of another run.
  await redis.command('HSET', 'again:{a}:record', 'run', 'another');
  const between = await log.history('a', { kind: 'after', offset: 1, limit: 10 });
  expect(between.earlier).toEqual({ epoch: before.epoch, offset: 2 });
  expect(reachOf(between, { epoch: before.epoch, offset: 1 })).toBe('whole');
  const after = await log.append('a', [publication('3')], keep);
  expect(after.epoch).not.toBe(before.epoch);
  const page = await log.history('a', { kind: 'after', offset: 1, limit: 10 });
  expect(page.earlier).toEqual({ epoch: before.epoch, offset: 2 });
  expect(page.publications.map(({ offset }) => offset)).toEqual([2, 3]);
  expect(reachOf(page, { epoch: before.epoch, offset: 1 })).toBe('whole');
  // What a gateway had of the earlier epoch beyond its good end, the new epoch gives to others.
  expect(isInOrder(page, { epoch: before.epoch, offset: 3 })).toBe(false);
});

test('a Redis without memory refuses an append as a whole, with a history too', async () => {
  const { log } = await newBus('full');
  await log.append('a', [publication('1')], keep);
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  onTestFinished(async () => void (await redis.command('CONFIG', 'SET', 'maxmemory', '0')));
  await expect(log.append('a', [publication('2')], keep)).rejects.toMatchObject({ code: 'bus_unavailable' });
  expect(await log.history('a', { kind: 'newest', limit: 10 })).toMatchObject({ position: { offset: 1 }, publications: [{ offset: 1 }] });
});

test('the rights of docs/bus.md are enough: to append, to keep, to read, to subscribe and to be a gateway', async () => {
  const [, rights = ''] = /^An ACL for one prefix: `(.*)`\.$/m.exec(readFileSync('docs/bus.md', 'utf8')) ?? [];
  expect(rights).toContain('~P:*');
  const user = ['on', '>a-password', ...rights.replaceAll('P:', 'acl:').split(' ')];
  expect(await redis.command('ACL', 'SETUSER', 'barrage', ...user)).toBe('+OK');
  const bus = createRedisBus({ url: redis.url.replace('redis://', 'redis://barrage:a-password@'), prefix: 'acl' });
  onTestFinished(() => bus.close());
  await untilUp(bus);
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  await bus.log.append('a', [publication('1')]);
  await bus.log.append('a', [publication('2')], keep);
  await until('all heard', () => listener.texts.length === 2);
  expect((await bus.log.history('a', { kind: 'newest', limit: 10 })).publications).toMatchObject([{ offset: 2 }]);
  expect(await bus.calls.serve(new AnsweringGateway('one'))).toBeGreaterThan(0);
});
