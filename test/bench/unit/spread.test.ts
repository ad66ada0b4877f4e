import { expect, test } from 'vitest';
import { ratioOf, spreadOf } from '../spread.ts';

test('the median of an even number of rounds lies between the middle two', () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
});

test('a ratio is taken round by round, so that a slow round of the machine cancels', () => {
  // Medians alone would say 6 / 4 = 1.5 or worse; in every round the row cost half as much again as its floor.
  expect(ratioOf([3, 6, 30], [2, 4, 20])).toEqual({ median: 1.5, min: 1.5, max: 1.5 });
});

test('a round in which one of the two was not measured is left out of the ratio', () => {
  expect(ratioOf([undefined, 6], [2, 4])).toEqual({ median: 1.5, min: 1.5, max: 1.5 });
  expect(ratioOf([undefined], [2])).toBeUndefined();
});
