import { expect, test } from 'vitest';
import { agedFrom, agePlanOf, isAged, movesAtOnce, type AgePlan } from '../../../gateway/moving/age-plan.ts';
import { Random } from '../../simulation/random.ts';

function planOf(connectionAgeMaxSeconds: number, acceptsPerSecond = 2_000): AgePlan {
  const plan = agePlanOf({ connectionAgeMaxSeconds, acceptsPerSecond });
  if (plan === undefined) throw new Error('there is no plan');
  return plan;
}

test('without a greatest age there is no plan', () => {
  expect(agePlanOf({ connectionAgeMaxSeconds: 0, acceptsPerSecond: 2_000 })).toBeUndefined();
});

test('each connection is due in the last quarter of the age, and a walk finds it before the end', () => {
  for (let seed = 1; seed <= 1_000; seed++) {
    const random = new Random(seed);
    const ageMs = (300 + random.below(2_592_000 - 300)) * 1000;
    const openedAt = random.below(10_000_000_000) + random.fraction();
    const plan = planOf(ageMs / 1000);
    for (const chance of [0, random.fraction(), 1 - Number.EPSILON]) {
      const dueMs = agedFrom(plan, openedAt, chance) * 1000 - openedAt;
      expect(dueMs).toBeGreaterThan(0.75 * ageMs - 1_000);
      expect(dueMs + plan.walkMs).toBeLessThanOrEqual(ageMs);
    }
  }
});

test('those that came together do not leave together', () => {
  const [plan, random] = [planOf(3_600), new Random(1)];
  const perMinute = new Map<number, number>();
  for (let connection = 0; connection < 100_000; connection++) {
    const minute = Math.floor(agedFrom(plan, 0, random.fraction()) / 60);
    perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  }
  // A fifth of an hour: 12 minutes, and as many in each.
  expect(perMinute.size).toBe(12);
  for (const count of perMinute.values()) expect(Math.abs(count - 100_000 / 12)).toBeLessThan(500);
});

test('a connection is due from its second on, and never without one', () => {
  expect(isAged(10, 9_999)).toBe(false);
  expect(isAged(10, 10_000)).toBe(true);
  expect(isAged(undefined, Number.MAX_SAFE_INTEGER)).toBe(false);
});

test('moves take a quarter of the accepts of a gateway, and a quarter of a second of them at once', () => {
  expect(planOf(300, 2_000).movesPerSecond).toBe(500);
  expect(movesAtOnce(planOf(300, 2_000))).toBe(125);
  expect(planOf(300, 1).movesPerSecond).toBe(1);
  expect(movesAtOnce(planOf(300, 1))).toBe(1);
});
