import { expect, onTestFinished, test } from 'vitest';
import { placeOf } from '../../core/bus/append-result.ts';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import type { RedisAccess } from '../../core/redis/access.ts';
import { RedisNames } from '../../core/redis/keys.ts';
import { slotOf } from '../../core/redis/slots.ts';
import type { Position } from '../../core/publication.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { nodeIdOf } from '../support/redis-slots.ts';
import { keysOf } from './keys-contract.ts';
import { Listener, publication, until, untilUp } from './world.ts';

const prefix = 'masters';
const names = new RedisNames(prefix);
const gift = [publication('gift')];

async function newBus(access: RedisAccess): Promise<RedisBus> {
  const bus = createRedisBus({ ...access, prefix });
  onTestFinished(() => bus.close());
  await untilUp(bus);
  return bus;
}

/** Publishes the gift with its key until the bus answers. */
async function publishGift({ log }: RedisBus): Promise<Position & { readonly isKnown: boolean }> {
  let found: (Position & { readonly isKnown: boolean }) | undefined;
  await until(
    'the bus answers',
    async () => {
      try {
        const result = await log.append('a', gift, undefined, keysOf(gift, ['gift']));
        found = { ...placeOf(result, 0), isKnown: result.known !== undefined };
        return true;
      } catch (error) {
        if (error instanceof BusUnavailable) return false;
        throw error;
      }
    },
    30_000,
  );
  return found!;
}

test(
  'the master dies: the promoted server has the keys that it was given: a repetition has its place in the earlier epoch',
  { timeout: 60_000 },
  async () => {
    const sentinels = await RedisSentinels.start({ sentinels: 1 });
    onTestFinished(() => sentinels.dispose());
    const bus = await newBus(sentinels.access);
    const first = await publishGift(bus);
    expect(first).toMatchObject({ offset: 1, isKnown: false });
    await until('it is replicated', async () => (await sentinels.servers[1].command('HGET', names.record('a'), 'offset')) === '$1 1');
    await sentinels.servers[0].stop('gone');
    await until(
      'in a new epoch',
      async () => {
        const result = await bus.log.append('b', [publication('x')]).catch(() => undefined);
        return result !== undefined && !result.epoch.startsWith(first.epoch.slice(0, 6));
      },
      30_000,
    );
    expect(await publishGift(bus)).toEqual({ ...first, isKnown: true });
    const next = await bus.log.append('a', [publication('x')]);
    expect(next.firstOffset).toBe(2);
    expect(next.epoch).not.toBe(first.epoch);
  },
);

test(
  'a slot moves: while only some keys of a channel have moved a repetition is refused, and then it is known',
  { timeout: 60_000 },
  async () => {
    const cluster = await RedisCluster.start({ masters: 3, replicas: 'none' });
    onTestFinished(() => cluster.dispose());
    const bus = await newBus(cluster.access);
    const listener = new Listener();
    await bus.log.subscribe('a', listener);
    const first = await publishGift(bus);
    const slot = slotOf(names.record('a'));
    const from = (await cluster.ownerOf(slot)) as RedisServer;
    const to = cluster.masters.find((master) => master !== from)!;
    const remembering: string[] = [];
    for (const name of names.remembered('a')) if ((await from.command('EXISTS', name)) === ':1') remembering.push(name);
    expect(remembering).toHaveLength(1);

    await to.command('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', await nodeIdOf(from));
    await from.command('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', await nodeIdOf(to));
    expect(await from.command('MIGRATE', to.host, String(to.port), remembering[0]!, '0', '5000')).toBe('+OK');
    await expect(bus.log.append('a', gift, undefined, keysOf(gift, ['gift']))).rejects.toThrow(BusUnavailable);
    expect(await from.command('HGET', names.record('a'), 'offset')).toBe('$1 1');
    await cluster.moveSlot(slot, to);
    expect(await publishGift(bus)).toEqual({ ...first, isKnown: true });
    expect(listener.texts).toEqual(['gift']);
  },
);
