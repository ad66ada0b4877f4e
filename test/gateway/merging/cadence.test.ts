import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import {
  cadenceAt,
  demandAt,
  demandOf,
  flushesUnderWayMax,
  levelOf,
  type RoomCadence,
  type RoomLoad,
} from '../../../gateway/merging/cadence.ts';
import { windowCaps } from '../../../gateway/merging/merge-window.ts';

const anyRoom: fc.Arbitrary<RoomLoad> = fc
  .record({
    flushCostMs: fc.double({ min: 0, max: 400, noNaN: true }),
    arrivalsPerSecond: fc.double({ min: 0, max: 5000, noNaN: true }),
    publicationsEach: fc.integer({ min: 1, max: 500 }),
    bytesEach: fc.integer({ min: 0, max: 2000 }),
    windowMilliseconds: fc.integer({ min: 0, max: 1000 }),
    publicationsMax: fc.integer({ min: 1, max: 10_000 }),
    bytesMax: fc.integer({ min: 1024, max: 1_048_576 }),
  })
  .map(({ publicationsEach, bytesEach, windowMilliseconds, publicationsMax, bytesMax, ...room }) => ({
    ...room,
    publicationsPerSecond: room.arrivalsPerSecond * publicationsEach,
    bytesPerSecond: room.arrivalsPerSecond * publicationsEach * bytesEach,
    policy: { ...defaultPolicy, merge: { windowMilliseconds, publicationsMax, bytesMax } },
  }));
const anyShare = fc.double({ min: 0.05, max: 0.95, noNaN: true });

/** What `Rooms` does in slices: the level of all rooms, then the cadence of each. */
function planCadence(rooms: readonly RoomLoad[], share: number): readonly RoomCadence[] {
  const level = levelOf(rooms.map(demandOf), share);
  return rooms.map((room) => cadenceAt(room, level));
}

function shareOf(room: RoomLoad, cadence: RoomCadence): number {
  return demandAt(room, cadence.windowMs) * cadence.budgetFactor;
}

test('all rooms together stay within the share', () => {
  fc.assert(
    fc.property(fc.array(anyRoom, { maxLength: 30 }), anyShare, (rooms, share) => {
      const plan = planCadence(rooms, share);
      const total = rooms.reduce((sum, room, index) => sum + shareOf(room, plan[index] as RoomCadence), 0);
      expect(total).toBeLessThanOrEqual(share * (1 + 1e-9) + 1e-9);
    }),
  );
});

test('windows are only stretched, never past the limit, and budgets shrink only at the limit', () => {
  fc.assert(
    fc.property(fc.array(anyRoom, { maxLength: 30 }), anyShare, (rooms, share) => {
      for (const [index, cadence] of planCadence(rooms, share).entries()) {
        expect(cadence.windowMs).toBeGreaterThanOrEqual(rooms[index]?.policy.merge.windowMilliseconds ?? 0);
        expect(cadence.windowMs).toBeLessThanOrEqual(limits.mergeWindowMsMax);
        expect(cadence.budgetFactor).toBeGreaterThan(0);
        expect(cadence.budgetFactor).toBeLessThanOrEqual(1);
        if (cadence.budgetFactor < 1) expect(cadence.windowMs).toBe(limits.mergeWindowMsMax);
      }
    }),
  );
});

test('a room that demands no more than an equal part is not touched, whatever the others cost', () => {
  fc.assert(
    fc.property(fc.array(anyRoom, { minLength: 1, maxLength: 30 }), anyShare, (rooms, share) => {
      for (const [index, cadence] of planCadence(rooms, share).entries()) {
        const room = rooms[index] as RoomLoad;
        if (demandOf(room) < share / rooms.length)
          expect(cadence).toMatchObject({ windowMs: room.policy.merge.windowMilliseconds, budgetFactor: 1 });
      }
    }),
  );
});

test('of two rooms the one that demands more is never given less of the loop', () => {
  fc.assert(
    fc.property(fc.array(anyRoom, { minLength: 2, maxLength: 20 }), anyShare, (rooms, share) => {
      const plan = planCadence(rooms, share);
      const given = rooms
        .map((room, index) => ({ demand: demandOf(room), share: shareOf(room, plan[index] as RoomCadence) }))
        .toSorted((a, b) => a.demand - b.demand);
      for (const [index, { share: part }] of given.entries())
        expect(part).toBeGreaterThanOrEqual((given[index - 1]?.share ?? 0) * (1 - 1e-9) - 1e-9);
    }),
  );
});

test('more share never stretches a room further', () => {
  fc.assert(
    fc.property(fc.array(anyRoom, { maxLength: 20 }), anyShare, anyShare, (rooms, a, b) => {
      const [tight, wide] = [planCadence(rooms, Math.min(a, b)), planCadence(rooms, Math.max(a, b))];
      for (const [index, { windowMs }] of wide.entries()) expect(windowMs).toBeLessThanOrEqual((tight[index]?.windowMs ?? 0) + 1e-6);
    }),
  );
});

test('a room of 50,000 pays for itself', () => {
  const small = {
    flushCostMs: 0.1,
    arrivalsPerSecond: 10,
    publicationsPerSecond: 10,
    bytesPerSecond: 0,
    policy: defaultPolicy,
  };
  const large = { ...small, flushCostMs: 120, arrivalsPerSecond: 400, publicationsPerSecond: 400 };
  const plan = planCadence([small, large], 0.6);
  expect(plan[0]).toEqual({ windowMs: 100, budgetFactor: 1 });
  expect(plan[1]?.windowMs).toBeCloseTo(120 / 0.599, 0);
  expect(planCadence([], 0.6)).toEqual([]);
});

/** A room of 60 ms a flush at the default policy, to which so many publications a second of 200 bytes come. */
function busyRoom(publicationsPerSecond: number): RoomLoad {
  const bytesPerSecond = publicationsPerSecond * 200;
  return { flushCostMs: 60, arrivalsPerSecond: 1000, publicationsPerSecond, bytesPerSecond, policy: defaultPolicy };
}

test('a window that is full before its end is reckoned as often as it is cut', () => {
  // 65,536 bytes are 327.68 publications, so that a window of 100 ms is full before its end above 3,276.8 a second.
  expect(demandOf(busyRoom(3_000))).toBeCloseTo(0.6, 9);
  expect(demandOf(busyRoom(10_000))).toBeCloseTo(0.06 * (10_000 / 327.68), 9);
  const [cadence] = planCadence([busyRoom(10_000)], 0.6);
  expect(cadence?.windowMs).toBeCloseTo(100 * ((0.06 * (10_000 / 327.68)) / 0.6), 6);
  expect(cadence?.budgetFactor).toBe(1);
});

test('where a window of a second is full before its end too, budgets shrink by what is missing', () => {
  // Half of a connection's queue, 524,288 bytes, is 2,621.44 publications: ten flushes a second of 60 ms fit in 0.6.
  expect(windowCaps(defaultPolicy, limits.mergeWindowMsMax)).toEqual({ publications: 5_000, bytes: 524_288 });
  expect(planCadence([busyRoom(26_000)], 0.6)).toMatchObject([{ budgetFactor: 1 }]);
  const [cadence] = planCadence([busyRoom(52_428.8)], 0.6);
  expect(cadence?.windowMs).toBe(limits.mergeWindowMsMax);
  expect(cadence?.budgetFactor).toBeCloseTo(0.5, 9);
});

test('a room has a burst of flushes under way while they take little time, and always one', () => {
  const { fanOutFlushesMax, fanOutBacklogMsMax } = limits;
  expect([0, 0.1, fanOutBacklogMsMax / fanOutFlushesMax].map(flushesUnderWayMax)).toEqual([
    fanOutFlushesMax,
    fanOutFlushesMax,
    fanOutFlushesMax,
  ]);
  expect([fanOutBacklogMsMax / 2, fanOutBacklogMsMax / 2 + 1, fanOutBacklogMsMax, 5_000].map(flushesUnderWayMax)).toEqual([2, 1, 1, 1]);
});
