import { test } from 'vitest';
import { simulateEveryRule } from './every-rule.ts';

const file = 'test/simulation/every-rule-more.test.ts';

test.each([103_000, 103_500, 104_000, 104_500, 105_000, 105_500])('every rule meets every other: 500 worlds (%i)', async (first) => {
  await simulateEveryRule({ first, seeds: 500, file });
});
