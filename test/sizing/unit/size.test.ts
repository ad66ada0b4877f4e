import { expect, test } from 'vitest';
import { defaultMargins, gatewaysMax, gatewaysOfChannel, mergingOf, sizeOf, writeMicroseconds, type Demand } from '../../../sizing/size.ts';
import { busCosts, fanOutCosts, gatewayCosts } from '../../../sizing/unit-costs.ts';

const demand: Demand = {
  connections: 100_000,
  channels: 1_000,
  publicationsPerSecond: 2_000,
  payloadBytes: 200,
  subscriptions: 1,
  windowMilliseconds: 100,
  historySize: 0,
  isPlaced: false,
};

test('a window joins what comes within it, up to the bound of a flush', () => {
  expect(mergingOf(0, 100)).toEqual({ flushesPerSecond: 0, publicationsPerFlush: 1 });
  expect(mergingOf(400, 0)).toEqual({ flushesPerSecond: 400, publicationsPerFlush: 1 });
  // The bench's own row: 400 a second and 50 ms gave 19.7.
  expect(mergingOf(400, 50)).toEqual({ flushesPerSecond: 400 / 21, publicationsPerFlush: 21 });
  expect(mergingOf(4_990, 100).publicationsPerFlush).toBe(500);
  expect(mergingOf(4_991, 100)).toEqual({ flushesPerSecond: 4_991 / 500, publicationsPerFlush: 500 });
});

test('a write costs what was measured, and between two rows what lies on the line', () => {
  for (const { publicationsPerWrite, microseconds } of fanOutCosts)
    expect(writeMicroseconds(publicationsPerWrite)).toBeCloseTo(publicationsPerWrite * microseconds, 9);
  const costs = [1, 5, 19.7, 50, 92.3, 500].map(writeMicroseconds);
  expect(costs).toEqual(costs.toSorted((a, b) => a - b));
});

test('a channel is on one gateway with one member, on all with very many', () => {
  const on = (members: number, gateways: number): number => gatewaysOfChannel({ demand, members }, gateways);
  expect(on(1, 10)).toBeCloseTo(1);
  expect(on(2, 10)).toBeCloseTo(1.9);
  expect(on(10_000, 10)).toBeCloseTo(10);
  expect(on(5, 1)).toBe(1);
});

test('clients that ask for their gateway come together, unless the channel is larger than a gateway', () => {
  const placed = { ...demand, isPlaced: true };
  const on = (members: number): number => gatewaysOfChannel({ demand: placed, members }, 10);
  expect([on(1), on(10_000), on(20_000), on(100_000), on(1_000_000)]).toEqual([1, 1, 2, 10, 10]);
  const busy = { ...demand, publicationsPerSecond: 20_000 };
  const [spread, together] = [sizeOf(busy), sizeOf({ ...busy, isPlaced: true })];
  expect(together.gateways.count).toBeLessThan(spread.gateways.count);
  expect(together.redis.cores).toBeLessThan(spread.redis.cores);
});

test('connections decide where the load is little: each gateway has its share while the spare one is missing', () => {
  const { gateways, publishers, redis, members, deliveriesPerSecond } = sizeOf(demand);
  expect([members, deliveriesPerSecond]).toEqual([100, 200_000]);
  expect(gateways).toMatchObject({ count: 6, boundBy: 'connections', connections: 20_000 });
  expect(sizeOf({ ...demand, connections: 100_001 }).gateways.count).toBe(7);
  expect([publishers.count, redis.masters]).toEqual([2, 1]);
});

test('no process needs more CPU than it may, whatever the load', () => {
  for (const publicationsPerSecond of [10, 2_000, 20_000, 50_000]) {
    const size = sizeOf({ ...demand, publicationsPerSecond });
    expect(size.gateways.cores).toBeLessThanOrEqual(defaultMargins.coreShareMax);
    expect(size.publishers.cores / (size.publishers.count - 1)).toBeLessThanOrEqual(defaultMargins.coreShareMax);
    expect(size.redis.cores / size.redis.masters).toBeLessThanOrEqual(defaultMargins.coreShareMax);
  }
  const busy = sizeOf({ ...demand, publicationsPerSecond: 20_000 });
  expect(busy.gateways.boundBy).toBe('cpu');
  expect(busy.redis.masters).toBeGreaterThanOrEqual(3);
  expect(sizeOf({ ...demand, publicationsPerSecond: 20_000 }, { ...defaultMargins, coreShareMax: 0.25 }).gateways.count).toBeGreaterThan(
    busy.gateways.count,
  );
});

test('more of anything never needs less', () => {
  const counts = (change: (factor: number) => Partial<Demand>): readonly number[] =>
    [1, 2, 5, 10].map((factor) => sizeOf({ ...demand, ...change(factor) }).gateways.count);
  for (const change of [
    (factor: number) => ({ connections: 100_000 * factor }),
    (factor: number) => ({ publicationsPerSecond: 2_000 * factor }),
    (factor: number) => ({ subscriptions: factor }),
  ]) {
    const found = counts(change);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
  }
});

test('memory is the process, its connections and rooms, and the kernel for the sockets', () => {
  const alone = sizeOf({ ...demand, connections: 10_000, channels: 1, publicationsPerSecond: 0 });
  expect(alone.gateways.boundBy).toBe('one');
  expect(alone.gateways.residentMebibytes).toBeCloseTo(
    gatewayCosts.emptyMebibytes + (10_000 * gatewayCosts.connectionKibibytes) / 1_024,
    1,
  );
  // One flush of one publication is 346 bytes.
  expect(alone.gateways.kernelMebibytes).toBeCloseTo((10_000 * (gatewayCosts.kernelKibibytes + 346 / 1_024)) / 1_024, 3);
  expect(alone.gateways.limitMebibytes - alone.gateways.requestMebibytes).toBeCloseTo(100);
  // 50,000 rooms of one member are what was measured.
  const rooms = sizeOf(
    { ...demand, connections: 50_000, channels: 50_000, publicationsPerSecond: 0 },
    { ...defaultMargins, connectionsPerGatewayMax: 50_000 },
  );
  expect(rooms.gateways.residentMebibytes).toBeCloseTo(gatewayCosts.roomsMebibytes, 0);
});

test('a history needs memory at Redis and at gateways, bounded there', () => {
  const kept = sizeOf({ ...demand, historySize: 100 });
  expect(kept.redis.historyMebibytes).toBeCloseTo((1_000 * 100 * busCosts.redisKeptBytes) / 1_048_576, 3);
  const large = sizeOf({ ...demand, historySize: 100_000 });
  const none = sizeOf(demand);
  expect(large.gateways.residentMebibytes - none.gateways.residentMebibytes).toBeCloseTo(128, 1);
});

test('bytes are those of the bench, and of TCP', () => {
  const one = { ...demand, connections: 1_000, channels: 1, publicationsPerSecond: 100, windowMilliseconds: 0 };
  // Row c-v1: 346 bytes and one segment, to 1,000 members, 100 times a second.
  expect(sizeOf(one).gateways.egressMegabits).toBeCloseTo(((346 + 66) * 8 * 100_000) / 1e6, 3);
  expect(sizeOf({ ...one, payloadBytes: 2_000 }).gateways.egressMegabits).toBeCloseTo(((2_146 + 2 * 66) * 8 * 100_000) / 1e6, 3);
});

test(`beyond ${gatewaysMax} gateways it says what to do`, () => {
  expect(() => sizeOf({ ...demand, connections: 100_000_000 })).toThrow(/more than 1000 gateways: split it over several pools/);
  expect(() => sizeOf({ ...demand, publicationsPerSecond: 10_000_000 })).toThrow(RangeError);
});
