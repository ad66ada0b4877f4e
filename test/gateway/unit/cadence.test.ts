import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { demandOf, planCadence, type RoomCadence, type RoomLoad } from '../../../gateway/cadence.ts';

const anyRoom: fc.Arbitrary<RoomLoad> = fc.record({
  channel: fc.string({ maxLength: 4 }),
  flushCostMs: fc.double({ min: 0, max: 400, noNaN: true }),
  arrivalsPerSecond: fc.double({ min: 0, max: 5000, noNaN: true }),
  windowMs: fc.integer({ min: 0, max: 1000 }),
});
const anyShare = fc.double({ min: 0.05, max: 0.95, noNaN: true });

function shareOf(room: RoomLoad, cadence: RoomCadence): number {
  return Math.min(demandOf(room), cadence.windowMs > 0 ? room.flushCostMs / cadence.windowMs : Infinity) * cadence.budgetFactor;
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
        expect(cadence.windowMs).toBeGreaterThanOrEqual(rooms[index]?.windowMs ?? 0);
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
        if (demandOf(room) < share / rooms.length) expect(cadence).toMatchObject({ windowMs: room.windowMs, budgetFactor: 1 });
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
  const small = { channel: 'small', flushCostMs: 0.1, arrivalsPerSecond: 10, windowMs: 100 };
  const plan = planCadence([small, { channel: 'large', flushCostMs: 120, arrivalsPerSecond: 400, windowMs: 100 }], 0.6);
  expect(plan[0]).toEqual({ channel: 'small', windowMs: 100, budgetFactor: 1 });
  expect(plan[1]?.windowMs).toBeCloseTo(120 / 0.599, 0);
  expect(planCadence([], 0.6)).toEqual([]);
});
