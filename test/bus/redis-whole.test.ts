import { expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus, type RedisBusOptions } from '../../core/redis/bus.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisServer } from '../support/redis-server.ts';
import { Listener, until, untilUp } from './world.ts';

async function busWithRooms(access: Omit<RedisBusOptions, 'prefix'>): Promise<RedisBus> {
  const bus = createRedisBus({ ...access, prefix: 'whole' });
  onTestFinished(() => bus.close());
  await untilUp(bus);
  await Promise.all(Array.from({ length: 300 }, (_, index) => bus.log.subscribe(`c${index}`, new Listener())));
  return bus;
}

test('a bus is whole while channels come and go, and is not from an interruption until all is in force again', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const bus = await busWithRooms({ url: redis.url });
  for (let turn = 0; turn < 20; turn++) {
    const subscribing = bus.log.subscribe(`more${turn}`, new Listener());
    expect(bus.isWhole()).toBe(true);
    await subscribing;
  }
  await redis.stop('gone');
  await until('the bus is not whole', () => !bus.isWhole());
  await redis.start();
  await until('the bus is whole again', () => bus.isWhole());
  expect(bus.figures().subscriptions.waiting).toBe(0);
});

test('a Cluster is not whole while one of its masters is away, though the bus is up', async () => {
  const cluster = await RedisCluster.start({ masters: 2 });
  onTestFinished(() => cluster.dispose());
  const bus = await busWithRooms(cluster.access);
  expect(bus.isWhole()).toBe(true);
  await cluster.masters[1]?.stop('kept');
  await until('the bus is up and not whole', () => bus.state().up && !bus.isWhole());
  await cluster.masters[1]?.start();
  await until('the bus is whole again', () => bus.isWhole());
});
