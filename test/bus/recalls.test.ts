import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { tombstone } from '../../core/recall.ts';
import { RedisServer } from '../support/redis-server.ts';
import { publication, untilUp } from './world.ts';

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

const some = (count: number) => Array.from({ length: count }, (_, index) => publication(`p${index}`));
const recalling = (...offsets: readonly number[]) => [tombstone({ kind: 'offsets', offsets }, 1_790_000_000_000)];
const clearing = () => [tombstone({ kind: 'all' }, 1_790_000_000_000)];

async function recalledIn({ log }: RedisBus): Promise<readonly number[]> {
  const { publications } = await log.history('a', { kind: 'newest', limit: 1_000 });
  return publications.flatMap(({ offset, publication: { isRecalled } }) => (isRecalled === true ? [offset] : []));
}

test('a channel without a recall has no set of them; with one it has no more offsets than its history keeps', async () => {
  const bus = await newBus('bounded');
  await bus.log.append('a', some(10), keep);
  expect(await redis.command('EXISTS', 'bounded:{a}:recalled')).toBe(':0');
  for (let round = 1; round <= 20; round++) {
    await bus.log.append('a', some(9), keep);
    await bus.log.append('a', recalling(...Array.from({ length: 9 }, (_, index) => 10 * round + 1 + index)), keep);
  }
  // The batch of which one publication is still kept is kept whole.
  const offsets = Number((await redis.command('ZCARD', 'bounded:{a}:recalled')).slice(1));
  expect(offsets).toBeLessThanOrEqual(10 + 9);
  expect(offsets).toBeGreaterThanOrEqual(9);
  expect(await recalledIn(bus)).toEqual(expect.arrayContaining([201, 209]));
  // It outlives the policy's time, which may be raised meanwhile.
  expect(Number((await redis.command('TTL', 'bounded:{a}:recalled')).slice(1))).toBeGreaterThan(29 * 86_400);
  await bus.log.append('a', clearing(), keep);
  expect(await redis.command('EXISTS', 'bounded:{a}:recalled')).toBe(':0');
  expect((await recalledIn(bus)).length).toBeGreaterThan(5);
});

test('a record that was lost begins again without the recalls of before', async () => {
  const bus = await newBus('lost');
  await bus.log.append('a', some(3), keep);
  await bus.log.append('a', clearing(), keep);
  await bus.log.append('a', some(2), keep);
  await bus.log.append('a', recalling(5), keep);
  expect(await recalledIn(bus)).toEqual([1, 2, 3, 5]);
  await redis.command('DEL', 'lost:{a}:record');
  await bus.log.append('a', some(6), keep);
  expect(await recalledIn(bus)).toEqual([]);
  await bus.log.append('a', recalling(2), keep);
  expect(await recalledIn(bus)).toEqual([2]);
});

test('a recall survives a restart with what Redis saved, in the new epoch too', async () => {
  const bus = await newBus('restart');
  const { epoch } = await bus.log.append('a', some(4), keep);
  await bus.log.append('a', recalling(2), keep);
  await redis.command('SAVE');
  await redis.restart('as-saved');
  await expect.poll(() => bus.state().up, { timeout: 15_000 }).toBe(true);
  await expect.poll(() => bus.log.append('a', some(1), keep).catch(() => undefined), { timeout: 15_000 }).toBeDefined();
  const page = await bus.log.history('a', { kind: 'after', offset: 0, limit: 10 });
  expect(page.position.epoch).not.toBe(epoch);
  expect(page).toMatchObject({ earlier: { epoch, offset: 5 }, recalledAt: 5 });
  expect(await recalledIn(bus)).toEqual([2]);
});

test('an append without a history, a tombstone or a user sends what it always sent', async () => {
  const bus = await newBus('small');
  await bus.log.append('a', some(1));
  await bus.log.append('a', [publication('p', { user: 'ann' })]);
  expect(await redis.command('HLEN', 'small:{a}:record')).toBe(':4');
  expect(await redis.command('KEYS', 'small:{a}:*')).toBe('*1 $16 small:{a}:record');
});
