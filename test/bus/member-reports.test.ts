import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { listeningMs } from '../../core/redis/report-listener.ts';
import { RedisServer } from '../support/redis-server.ts';
import { AnsweringGateway, until } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

/** The machine's time, and as much more as a test has waited for. */
function forwardClock(): Clock & { waitedMs: number } {
  const clock = { ...systemClock, waitedMs: 0, monotonic: () => systemClock.monotonic() + clock.waitedMs };
  return clock;
}

function newBus(prefix: string, more: { readonly countMembers?: boolean; readonly clock?: Clock } = {}): RedisBus {
  const bus = createRedisBus({ url: redis.url, prefix, ...more });
  onTestFinished(() => bus.close());
  return bus;
}

async function newGateway(prefix: string, rooms: number, clock: Clock = systemClock): Promise<{ bus: RedisBus; server: AnsweringGateway }> {
  const bus = newBus(prefix, { clock });
  const server = new AnsweringGateway(`gateway of ${rooms}`);
  for (let room = 0; room < rooms; room++) server.members.set(`room:${room}`, { ready: 1, full: 0 });
  await bus.calls.serve(server);
  return { bus, server };
}

async function commandsOf(name: string): Promise<number> {
  const stats = await redis.command('INFO', 'commandstats');
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

async function listenersOf(prefix: string): Promise<number> {
  return Number(/:(\d+)\s*$/.exec(await redis.command('PUBSUB', 'SHARDNUMSUB', `${prefix}:reports`))?.[1]);
}

test('a gateway listens to the reports from its first question to a minute after its last, and not else', async () => {
  const clock = forwardClock();
  const { bus } = await newGateway('minute', 2, clock);
  await newGateway('minute', 1);
  expect(await listenersOf('minute')).toBe(0);
  await expect.poll(() => bus.calls.countMembers('room:0'), { timeout: 5000 }).toEqual({ ready: 2, full: 0 });
  expect(await listenersOf('minute')).toBe(1);
  clock.waitedMs += listeningMs - 1000;
  await bus.calls.countMembers('room:0');
  clock.waitedMs += listeningMs - 2000;
  // Two looks for silence, of which none must end it yet.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await listenersOf('minute')).toBe(1);
  clock.waitedMs += 2000;
  await expect.poll(() => listenersOf('minute'), { timeout: 5000 }).toBe(0);
  await expect.poll(() => bus.calls.countMembers('room:0'), { timeout: 5000 }).toEqual({ ready: 2, full: 0 });
});

test('a publisher listens from its start, and goes on', async () => {
  const clock = forwardClock();
  newBus('kept', { countMembers: true, clock });
  await expect.poll(() => listenersOf('kept'), { timeout: 5000 }).toBe(1);
  clock.waitedMs += 2 * listeningMs;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await listenersOf('kept')).toBe(1);
});

test('ten thousand counts of ten thousand channels cost the pool nothing', async () => {
  const { bus, server } = await newGateway('many', 10_000);
  const other = await newGateway('many', 10_000);
  await expect.poll(() => bus.calls.countMembers('room:9999'), { timeout: 5000 }).toEqual({ ready: 2, full: 0 });
  const before = await commandsOf('spublish');
  for (let room = 0; room < 10_000; room++) expect(await bus.calls.countMembers(`room:${room}`)).toEqual({ ready: 2, full: 0 });
  // Reports of two gateways, and nothing for the questions.
  expect((await commandsOf('spublish')) - before).toBeLessThan(100);
  expect([...server.asked, ...other.server.asked]).toEqual([]);
});

test('a listener that comes later is told of all rooms, in a snapshot for itself alone', async () => {
  await newGateway('late', 30_000);
  const listener = newBus('late', { countMembers: true });
  await expect.poll(() => listener.calls.memberCounts('room:29999'), { timeout: 5000 }).toEqual({ ready: 1, full: 0 });
  expect(listener.calls.memberCounts('room:0')).toEqual({ ready: 1, full: 0 });
});

test('rooms whose members change beyond what may be reported wait for their turn, which the metric shows', async () => {
  const { bus, server } = await newGateway('turns', 0);
  const listener = newBus('turns', { countMembers: true });
  // 253 bytes each, of which a gateway may report 400 KiB at once.
  const name = (room: number): string => `${room}:`.padEnd(253, 'x');
  for (let room = 0; room < 2500; room++) server.members.set(name(room), { ready: 1, full: 0 });
  await until('some wait', () => bus.figures().reportsWaiting > 0);
  await expect.poll(() => bus.figures().reportsWaiting, { timeout: 15_000 }).toBe(0);
  await expect.poll(() => listener.calls.memberCounts(name(2499)), { timeout: 5000 }).toEqual({ ready: 1, full: 0 });
});

test('while Redis is away nothing is known, which is no count of 0; afterwards it is known again', { timeout: 30_000 }, async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.dispose());
  const buses = [0, 1].map(() => createRedisBus({ url: own.url, prefix: 'away' }));
  onTestFinished(async () => void (await Promise.all(buses.map((bus) => bus.close()))));
  for (const bus of buses) {
    const server = new AnsweringGateway('g');
    server.members.set('a', { ready: 3, full: 0 });
    await bus.calls.serve(server);
  }
  const count = (): Promise<unknown> => buses[0]!.calls.countMembers('a');
  await expect.poll(count, { timeout: 5000 }).toEqual({ ready: 6, full: 0 });
  await own.stop('gone');
  await expect.poll(count, { timeout: 5000 }).toBeUndefined();
  await own.start();
  // Never the half of it: it is said again only when both have reported.
  await expect.poll(async () => (await count()) ?? 'unknown', { timeout: 15_000 }).not.toBe('unknown');
  expect(await count()).toEqual({ ready: 6, full: 0 });
});
