import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffCeilingMs, backoffMs } from '../../core/backoff.ts';

const nearlyOne = (): number => 1 - Number.EPSILON;

test('the ceiling doubles with each failure up to the cap, however many there are', () => {
  const bounds = { baseMs: 800, capMs: 30_000 };
  expect([0, 1, 2, 5, 6, 52, 53, 2000, 1e9].map((failures) => backoffCeilingMs(failures, bounds))).toEqual([
    800, 1600, 3200, 25_600, 30_000, 30_000, 30_000, 30_000, 30_000,
  ]);
  expect(backoffCeilingMs(0, { baseMs: 500, capMs: 100 })).toBe(100);
});

test('a wait lies between the floor and the ceiling, ends included below and left out above', () => {
  fc.assert(
    fc.property(fc.nat(2000), fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 1, max: 600_000 }), (failures, baseMs, capMs) => {
      const ceilingMs = Math.min(capMs, baseMs * 2 ** Math.min(failures, 1000));
      expect(backoffMs(failures, { baseMs, capMs }, () => 0)).toBe(0);
      expect(backoffMs(failures, { baseMs, capMs }, () => 0.5)).toBe(ceilingMs / 2);
      expect(backoffMs(failures, { baseMs, capMs }, nearlyOne)).toBeLessThan(ceilingMs);
      const floorMs = Math.min(baseMs, ceilingMs);
      expect(backoffMs(failures, { baseMs, capMs, floorMs: baseMs }, () => 0)).toBe(floorMs);
      expect(backoffMs(failures, { baseMs, capMs, floorMs: baseMs }, () => 0.25)).toBeCloseTo(floorMs + (ceilingMs - floorMs) / 4, 5);
      expect(backoffMs(failures, { baseMs, capMs, floorMs: baseMs }, nearlyOne)).toBeLessThanOrEqual(ceilingMs);
    }),
  );
});

test('a floor above the cap is the cap', () => {
  expect(backoffMs(3, { baseMs: 10, capMs: 40, floorMs: 1000 }, () => 0.5)).toBe(40);
});
