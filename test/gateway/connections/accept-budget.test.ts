import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AcceptBudget } from '../../../gateway/connections/accept-budget.ts';
import { crowdBackoff, crowdBaseMsMax, isWorthTelling } from '../../../gateway/connections/crowd-backoff.ts';

const least = { baseMs: 500, capMs: 20_000 };

function budgetOf(more: { readonly acceptsPerSecond?: number; readonly waitingMax?: number } = {}): AcceptBudget {
  return new AcceptBudget({ acceptsPerSecond: 1000, waitingMax: 20_000, least, ...more }, 0);
}

test('a fifth of a second is taken at once, and one more is not; then they come at the rate', () => {
  const budget = budgetOf();
  const takeAll = (now: number): number => {
    let taken = 0;
    for (; budget.hasRoom(now); taken++) budget.taken();
    return taken;
  };
  expect(takeAll(0)).toBe(200);
  expect(takeAll(0)).toBe(0);
  expect(takeAll(1)).toBe(1);
  expect(takeAll(101)).toBe(100);
  expect(takeAll(60_000)).toBe(200);
});

test('a budget of 1 takes one', () => {
  const budget = budgetOf({ acceptsPerSecond: 1 });
  expect(budget.hasRoom(0)).toBe(true);
  budget.taken();
  expect([budget.hasRoom(999), budget.hasRoom(1000)]).toEqual([false, true]);
});

test('without a crowd the back-off is that of the settings; who is refused is told the time that all who wait need', () => {
  const budget = budgetOf();
  expect(budget.backoff(0)).toEqual(least);
  expect(budget.isCrowded(0)).toBe(false);
  budget.refused(0);
  expect(budget.isCrowded(0)).toBe(true);
  expect(budget.backoff(0)).toEqual({ baseMs: 500, capMs: 1000 });
  for (let more = 0; more < 4999; more++) budget.refused(0);
  expect(budget.backoff(0)).toEqual({ baseMs: 5000, capMs: 10_000 });
});

test('those who wait return at the rate of the budget, and are forgotten in the end', () => {
  const budget = budgetOf();
  for (let each = 0; each < 5000; each++) budget.refused(0);
  expect(budget.waiting(2000)).toBeCloseTo(3000);
  expect(budget.waiting(4500)).toBeCloseTo(500);
  expect(budget.waiting(5000)).toBeCloseTo(500 / Math.E);
  expect(budget.backoff(20_000)).toEqual(least);
  // It is the same however often somebody looked.
  const seldom = budgetOf();
  for (let each = 0; each < 5000; each++) seldom.refused(0);
  expect(seldom.waiting(5000)).toBeCloseTo(500 / Math.E);
});

test('a flood of dials does not lengthen the back-off without end', () => {
  const budget = budgetOf({ waitingMax: 3000 });
  for (let each = 0; each < 3000; each++) budget.refused(0);
  expect(budget.backoff(0).baseMs).toBe(3000);
  budget.refused(0);
  expect(budget.backoff(0).baseMs).toBe(3000);
});

test('the base spreads the clients of a gateway over one and a half times the shortest time, within its bounds', () => {
  const crowd = { connections: 20_000, acceptsPerSecond: 2000, takers: 3 };
  expect(crowdBackoff(crowd, least)).toEqual({ baseMs: 5000, capMs: 20_000 });
  expect(crowdBackoff({ ...crowd, takers: 1 }, least)).toEqual({ baseMs: 15_000, capMs: 20_000 });
  expect(crowdBackoff({ ...crowd, connections: 200_000, takers: 1 }, least)).toEqual({ baseMs: 150_000, capMs: 150_000 });
  expect(crowdBackoff({ ...crowd, connections: 0 }, least)).toEqual(least);
  expect(crowdBackoff({ connections: 400, acceptsPerSecond: 1, takers: 1 }, least).baseMs).toBe(crowdBaseMsMax);
  expect(crowdBackoff({ connections: 401, acceptsPerSecond: 1, takers: 1 }, least).baseMs).toBe(crowdBaseMsMax);
});

test('clients are told anew beyond a quarter more or a fifth less, so that a crowd that changes slowly is told of it a few times', () => {
  expect([1250, 1251, 800, 799].map((base) => isWorthTelling(1000, base))).toEqual([false, true, false, true]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 300 }), (counts) => {
      let told = 500;
      for (const connections of counts) {
        const { baseMs } = crowdBackoff({ connections, acceptsPerSecond: 2000, takers: 3 }, least);
        if (isWorthTelling(told, baseMs)) told = baseMs;
        expect(told / baseMs).toBeGreaterThanOrEqual(0.8);
        expect(told / baseMs).toBeLessThanOrEqual(1.25);
      }
    }),
  );
});
