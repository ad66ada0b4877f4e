import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inParallel } from '../../../cli/places/ask.ts';

test('no more than so many run at a time, all run, and the results keep the order', async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 30 }, (_, index) => index);
  const results = await inParallel(items, 8, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await pause((item * 7) % 5);
    running -= 1;
    return item * 2;
  });
  expect(results).toEqual(items.map((item) => item * 2));
  expect(most).toBe(8);
  expect(await inParallel([], 8, () => Promise.resolve(1))).toEqual([]);
});

test('the first fault ends it', async () => {
  await expect(inParallel([1, 2, 3], 2, (item) => (item === 2 ? Promise.reject(new Error('two')) : Promise.resolve(item)))).rejects.toThrow(
    'two',
  );
});
