import { test } from 'vitest';
import { simulateEveryRule } from './every-rule.ts';

const file = 'test/simulation/every-rule.test.ts';

test.each([100_000, 101_000, 102_000])('every rule meets every other: 1,000 worlds (%i)', async (first) => {
  await simulateEveryRule({ first, seeds: 1_000, file });
});
