import { expect, test } from 'vitest';
import { paceOf } from '../departures.ts';

test('a pace is the intervals from the first to the last, and the counts of whole seconds only', () => {
  const steady = Array.from({ length: 31 }, (_, index) => index * 100_000);
  expect(paceOf(steady)).toEqual({ perSecond: 10, fewest: 10, most: 10 });
  expect(paceOf([0, 1, 2, 1_000_000, 2_000_000, 2_500_000])).toEqual({ perSecond: 2, fewest: 1, most: 3 });
});

test('less than a second tells no pace', () => {
  expect(() => paceOf([0, 999_999])).toThrow('too short');
  expect(() => paceOf([])).toThrow('too short');
  expect(paceOf([0, 1_000_000])).toEqual({ perSecond: 1, fewest: 1, most: 1 });
});
