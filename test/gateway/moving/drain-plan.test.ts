import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Placement } from '../../../core/pool/placement.ts';
import { departureOf, drainStart, finalOrder, paceDrain, type DrainOrder, type Leaver } from '../../../gateway/moving/drain-plan.ts';
import { topChannels } from '../../../gateway/rooms/top-channels.ts';
import { gatewayNamed, poolDocument } from '../../support/pool-document.ts';

const seed = 20_261_124;
const params = { seed, numRuns: 300 };
const order: DrainOrder = { connectionsPerSecond: 200, deadlineMs: 540_000, lastCallMs: 5_000, hintAfterMs: 500 };

/** Runs the pace with these pauses between ticks, spending all that it gives; what was moved by when. */
function run(
  of: DrainOrder,
  connections: number,
  ticksMs: readonly number[],
): readonly { readonly atMs: number; readonly moved: number }[] {
  const steps = [];
  let pace = drainStart;
  let moved = 0;
  let elapsedMs = 0;
  for (const tickMs of ticksMs) {
    elapsedMs += tickMs;
    const step = paceDrain(of, pace, { elapsedMs, connections: connections - moved });
    moved += step.budget;
    pace = { ...step.pace, credit: step.pace.credit - step.budget };
    steps.push({ atMs: elapsedMs, moved });
  }
  return steps;
}

test('the rate is the set one, whatever the ticks, and never faster than it and a quarter of a second', () => {
  const anyTicks = fc.array(fc.integer({ min: 1, max: 240 }), { minLength: 20, maxLength: 200 });
  fc.assert(
    fc.property(anyTicks, fc.integer({ min: 1, max: 5_000 }), (ticksMs, connectionsPerSecond) => {
      for (const { atMs, moved } of run({ ...order, connectionsPerSecond }, 10_000_000, ticksMs))
        expect(Math.abs(moved - (connectionsPerSecond * atMs) / 1000)).toBeLessThanOrEqual(1);
    }),
    params,
  );
});

test('a loop that was held does not let everybody go at once afterwards', () => {
  const [, after] = run(order, 10_000, [20, 60_000]);
  expect(after?.moved).toBeLessThanOrEqual(4 + 50);
});

test('at the deadline the rest goes within the last call, evenly, and nobody is left at its end', () => {
  const short = { ...order, deadlineMs: 1_000 };
  const steps = run(
    short,
    2_000,
    Array.from({ length: 300 }, () => 20),
  );
  const at = (atMs: number): number => steps.find((step) => step.atMs === atMs)?.moved ?? -1;
  expect(at(980)).toBeLessThanOrEqual(200);
  expect(at(3_500)).toBeGreaterThan(1_000);
  expect(at(3_500)).toBeLessThan(1_250);
  expect(at(6_000)).toBe(2_000);
});

test('no time at all moves everybody in the first tick', () => {
  expect(run({ ...order, deadlineMs: 0, lastCallMs: 0 }, 5_000, [0])).toEqual([{ atMs: 0, moved: 5_000 }]);
});

test('a process that ends keeps to the set rate and closes the rest in the last part of its time, of five seconds at most', () => {
  const pool = { connectionsPerSecond: 200, deadlineMs: 525_000, lastCallMs: 5_000, hintAfterMs: 500 };
  expect(finalOrder({ withinMs: 530_000, connectionsPerSecond: 200 }, 20_000)).toEqual(pool);
  const short = { connectionsPerSecond: 1, deadlineMs: 700, lastCallMs: 300, hintAfterMs: 100 };
  expect(finalOrder({ withinMs: 1_000, connectionsPerSecond: 1 }, 20_000)).toEqual(short);
});

test('a process that ends and has no rate moves everybody evenly, before the last part of its time', () => {
  const order = finalOrder({ withinMs: 10_000, connectionsPerSecond: undefined }, 630);
  expect([order.connectionsPerSecond, order.deadlineMs, order.lastCallMs]).toEqual([100, 7_000, 3_000]);
  const steps = run(
    order,
    630,
    Array.from({ length: 350 }, () => 20),
  );
  const over = steps.find(({ moved }) => moved === 630)?.atMs;
  expect(over).toBeGreaterThanOrEqual(6_280);
  expect(over).toBeLessThanOrEqual(6_320);
});

test('whatever the time, the rate and the number of connections: nobody is left at the end of a final drain', () => {
  const rates = fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 100_000 }));
  const whole = fc.record({ withinMs: fc.integer({ min: 0, max: 60_000 }), connectionsPerSecond: rates });
  fc.assert(
    fc.property(whole, fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 5, max: 200 }), (ending, connections, tickMs) => {
      const ticks = Array.from({ length: Math.ceil(ending.withinMs / tickMs) + 1 }, () => tickMs);
      expect(run(finalOrder(ending, connections), connections, ticks).at(-1)?.moved).toBe(connections);
    }),
    params,
  );
});

test("an operator's drain that is under way when the process is to end goes on at its rate, to the earlier end", () => {
  const underWay = { order: { ...order, deadlineMs: 60_000 }, elapsedMs: 20_000 };
  const ending = { withinMs: 45_000, connectionsPerSecond: 7 };
  expect(finalOrder(ending, 1_000, underWay)).toEqual(underWay.order);
  const sooner = { connectionsPerSecond: 200, deadlineMs: 20_000 + 39_999, lastCallMs: 5_000, hintAfterMs: 500 };
  expect(finalOrder({ ...ending, withinMs: 44_999 }, 1_000, underWay)).toEqual(sooner);
});

const document = poolDocument({ gateways: ['a', 'b', 'c', 'd'].map((name) => gatewayNamed(name)) });
const placement = new Placement(document);
const leaver: Leaver = {
  id: 1,
  channels: ['user:7', 'video:1', 'video:2'],
  mayBeHinted: true,
  reach: { direct: 'none', isEncrypted: false },
};

test("a client of ours is sent to the gateway of its anchor, which is never a user's own channel and never the one it leaves", () => {
  const [first, second] = placement.of('video:1');
  expect(departureOf(leaver, placement, 'elsewhere')).toEqual({ kind: 'hint', url: first?.url });
  expect(departureOf(leaver, placement, first?.uid ?? '')).toEqual({ kind: 'hint', url: second?.url });
});

test('clients without an anchor are spread over the others', () => {
  const urls = Array.from({ length: 60 }, (_, id) => departureOf({ ...leaver, id, channels: ['user:7'] }, placement, 'uid-a'));
  expect(new Set(urls.map((departure) => (departure.kind === 'hint' ? departure.url : ''))).size).toBe(3);
});

test('a client that can reach neither pods nor what is not encrypted is told to come back by its own address', () => {
  const urls = { pods: 'ws://10.0.0.7:6790/', names: 'ws://b.example/', encrypted: 'wss://b.example/' };
  const told = (url: string, reach: Leaver['reach']): unknown => {
    const two = new Placement(poolDocument({ gateways: [gatewayNamed('a'), gatewayNamed('b', { url })] }));
    return departureOf({ ...leaver, reach }, two, 'uid-a');
  };
  const through = { direct: 'none', isEncrypted: false } as const;
  const home = { kind: 'hint', url: undefined };
  expect(told(urls.pods, through)).toEqual(home);
  expect(told(urls.pods, { direct: 'all', isEncrypted: false })).toEqual({ kind: 'hint', url: urls.pods });
  expect(told(urls.names, through)).toEqual({ kind: 'hint', url: urls.names });
  expect(told(urls.names, { ...through, isEncrypted: true })).toEqual(home);
  expect(told(urls.encrypted, { ...through, isEncrypted: true })).toEqual({ kind: 'hint', url: urls.encrypted });
  const alone = new Placement(poolDocument({ gateways: [gatewayNamed('a', { url: urls.pods })] }));
  expect(departureOf({ ...leaver, reach: through }, alone, 'uid-a')).toEqual({ kind: 'close' });
});

test('clients that can have no hint, or had theirs, and everybody where no other gateway serves, are closed', () => {
  expect(departureOf({ ...leaver, mayBeHinted: false }, placement, 'uid-a')).toEqual({ kind: 'close' });
  expect(departureOf(leaver, undefined, 'uid-a')).toEqual({ kind: 'close' });
  const alone = new Placement(poolDocument({ gateways: [gatewayNamed('a')] }));
  expect(departureOf(leaver, alone, 'uid-a')).toEqual({ kind: 'close' });
  const others = new Placement(
    poolDocument({ gateways: [gatewayNamed('a', { state: 'draining' }), gatewayNamed('b', { state: 'draining' })] }),
  );
  expect(departureOf(leaver, others, 'uid-a')).toEqual({ kind: 'close' });
});

test('the top channels are those that sorting would find', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ready: fc.nat(9), full: fc.nat(3) }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      (all, most) => {
        const counts = all.map((each, index) => [`c${index}`, each] as const);
        const members = counts.map(([, { ready, full }]) => ready + full).toSorted((a, b) => b - a);
        expect(topChannels(counts, most).map((top) => top.members)).toEqual(members.slice(0, most));
      },
    ),
    params,
  );
});

test('what a turn had no time for is made up for, no more than a quarter of a second of it; what nobody was there for is not', () => {
  const order = { connectionsPerSecond: 100, deadlineMs: 60_000, lastCallMs: 5_000, hintAfterMs: 500 };
  const next = (credit: number, wasCut: boolean): number =>
    paceDrain(order, { elapsedMs: 1_000, credit, wasCut }, { elapsedMs: 1_020, connections: 10_000 }).budget;
  expect([next(7, false), next(7, true), next(25, true), next(26, true), next(500, true)]).toEqual([3, 9, 27, 27, 27]);
});
