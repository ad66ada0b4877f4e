import { test } from 'vitest';
import { simulateEveryRule } from './every-rule.ts';

const file = 'test/simulation/every-rule.test.ts';

test.each([100_000, 100_500, 101_000, 101_500, 102_000, 102_500])('every rule meets every other: 500 worlds (%i)', async (first) => {
  await simulateEveryRule({ first, seeds: 500, file });
});
