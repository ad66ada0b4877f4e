import { expect, test } from 'vitest';
import { afterInParts, waitMsMax } from '../../core/process/system-clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A timer as the platform's: what it can't count ends at once. */
function rig() {
  const clock = new FakeClock();
  const waits: number[] = [];
  const timer = (ms: number, callback: () => void) => {
    waits.push(ms);
    return clock.after(ms > waitMsMax ? 1 : ms, callback);
  };
  return { clock, waits, timer };
}

test.each([waitMsMax, waitMsMax + 1, 3 * waitMsMax + 7])('a wait of %d milliseconds ends then, and not before', async (ms) => {
  const { clock, waits, timer } = rig();
  let ended = 0;
  afterInParts(ms, () => ended++, timer);
  await clock.advance(ms - 1);
  expect(ended).toBe(0);
  await clock.advance(1);
  expect(ended).toBe(1);
  expect(waits.reduce((sum, wait) => sum + wait, 0)).toBe(ms);
  expect([waits.every((wait) => wait <= waitMsMax), clock.pending]).toEqual([true, 0]);
});

test('a long wait can be called off in each of its parts', async () => {
  for (const at of [0, waitMsMax, 2 * waitMsMax]) {
    const { clock, timer } = rig();
    const cancel = afterInParts(3 * waitMsMax, () => expect.unreachable(), timer);
    await clock.advance(at);
    cancel();
    await clock.advance(4 * waitMsMax);
    expect(clock.pending).toBe(0);
  }
});
