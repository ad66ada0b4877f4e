import { test } from 'vitest';
import { simulateEveryRule } from './every-rule.ts';

const file = 'test/simulation/every-rule-more.test.ts';

test.each([103_000, 104_000, 105_000])('every rule meets every other: 1,000 worlds (%i)', async (first) => {
  await simulateEveryRule({ first, seeds: 1_000, file });
});
