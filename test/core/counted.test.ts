import { expect, test } from 'vitest';
import { counted, partIs } from '../../core/counted.ts';

test('a noun follows its count', () => {
  expect([0, 1, 2].map((count) => counted(count, 'viewer'))).toEqual(['0 viewers', '1 viewer', '2 viewers']);
});

test('the noun follows the whole; the verb is singular where one of the two is one', () => {
  const cases = [
    [0, 1],
    [1, 1],
    [1, 2],
    [2, 2],
  ] as const;
  expect(cases.map(([part, whole]) => partIs(part, whole, 'gateway'))).toEqual([
    '0 of 1 gateway is',
    '1 of 1 gateway is',
    '1 of 2 gateways is',
    '2 of 2 gateways are',
  ]);
});
