import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { SummedFigures } from '../../core/redis/bus-figures.ts';
import { exportBusMetrics } from '../../core/redis/bus-metrics.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { AnsweringGateway, publication, question, until, untilUp } from './world.ts';

async function newRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

function newBus(redis: RedisServer): RedisBus {
  const bus = createRedisBus({ url: redis.url, prefix: 'figures' });
  onTestFinished(() => bus.close());
  return bus;
}

/** The value of each series, as a scrape has it: `name{label="value"}`. */
async function scraped(bus: Parameters<typeof exportBusMetrics>[1]): Promise<ReadonlyMap<string, number>> {
  const registry = new Registry();
  exportBusMetrics(registry, bus);
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

test('answers of Redis are timed by what was asked, and the bytes of histories are counted both ways', async () => {
  const redis = await newRedis();
  const [publisher, gateway] = [newBus(redis), newBus(redis)];
  const number = await gateway.calls.serve(new AnsweringGateway('one'));
  await untilUp(publisher);
  await publisher.log.append('kept', [publication('12345'), publication('67')], { size: 10, ttlSeconds: 60 });
  await publisher.log.append('not kept', [publication('x')]);
  await publisher.log.history('kept', { kind: 'newest', limit: 10 });
  expect(await publisher.calls.call(number, question, 5000)).toMatchObject({ kind: 'reply' });
  await until('both connections were checked', async () => {
    return ((await scraped(publisher)).get('barrage_bus_round_trip_seconds_count{operation="check"}') ?? 0) >= 2;
  });
  const series = await scraped(publisher);
  const counts = ['append', 'history', 'call'].map((operation) =>
    series.get(`barrage_bus_round_trip_seconds_count{operation="${operation}"}`),
  );
  expect(counts).toEqual([2, 1, 1]);
  expect(series.get('barrage_bus_round_trip_seconds_sum{operation="append"}')).toBeGreaterThan(0);
  expect(series.get('barrage_bus_history_bytes_total{direction="kept"}')).toBe(7);
  expect(series.get('barrage_bus_history_bytes_total{direction="read"}')).toBe(7);
  expect(series.get('barrage_bus_connections{purpose="commands",state="up"}')).toBe(1);
  expect(series.get('barrage_bus_reconnects_total{purpose="commands"}')).toBe(0);
});

test('what waits for a Redis that hangs is told in publications and bytes; connections that break are counted when they are back', async () => {
  const redis = await newRedis();
  const bus = newBus(redis);
  await untilUp(bus);
  redis.pause();
  const failing = Promise.allSettled([bus.log.append('a', [publication('12345')]), bus.log.append('a', [publication('67')])]);
  const waiting = await scraped(bus);
  expect([waiting.get('barrage_bus_appends_waiting'), waiting.get('barrage_bus_appends_waiting_bytes')]).toEqual([2, 7]);
  await failing;
  expect((await scraped(bus)).get('barrage_bus_appends_waiting_bytes')).toBe(0);
  redis.resume();
  await untilUp(bus);

  await redis.stop('kept');
  await until('both connections are down', () => {
    const { commands, subscriptions } = bus.figures().connections;
    return commands.down === 1 && subscriptions.down === 1;
  });
  await redis.start();
  await untilUp(bus);
  const series = await scraped(bus);
  for (const purpose of ['commands', 'subscriptions']) {
    expect(series.get(`barrage_bus_connections{purpose="${purpose}",state="up"}`)).toBe(1);
    expect(series.get(`barrage_bus_connections{purpose="${purpose}",state="down"}`)).toBe(0);
    // A pause of this process may have broken one more.
    expect(series.get(`barrage_bus_reconnects_total{purpose="${purpose}"}`)).toBeGreaterThanOrEqual(1);
  }
});

test('a bus that was closed keeps its counts and times, and has no connections', async () => {
  const redis = await newRedis();
  const [one, other] = [newBus(redis), newBus(redis)];
  const sum = new SummedFigures();
  for (const bus of [one, other]) {
    sum.add(bus);
    await untilUp(bus);
    await bus.log.append('a', [publication('x')], { size: 1, ttlSeconds: 60 });
  }
  await one.close();
  sum.retire(one);
  const series = await scraped({ figures: () => sum.figures() });
  expect(series.get('barrage_bus_round_trip_seconds_count{operation="append"}')).toBe(2);
  expect(series.get('barrage_bus_history_bytes_total{direction="kept"}')).toBe(2);
  expect(series.get('barrage_bus_connections{purpose="commands",state="up"}')).toBe(1);
  expect(series.get('barrage_bus_connections{purpose="commands",state="down"}')).toBe(0);
});
