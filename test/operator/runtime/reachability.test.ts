import { expect, test } from 'vitest';
import { Reachability } from '../../../operator/runtime/reachability.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

/** Waits on a clock of its own; each says its name when it is over. */
function open() {
  const clock = new FakeClock();
  const reachability = new Reachability(clock);
  const over: string[] = [];
  const wait = (name: string, ms: number, signal?: AbortSignal): void => void reachability.pause(ms, signal).then(() => over.push(name));
  return { clock, reachability, over, wait };
}

test('the first answer after an outage ends every wait, and says since when nobody answered', async () => {
  const { clock, reachability, over, wait } = open();
  const returns: number[] = [];
  reachability.onReturn((since) => returns.push(since));
  await clock.advance(1000, settle);
  reachability.missed();
  wait('long', 30_000);
  await clock.advance(5000, settle);
  reachability.missed();
  wait('short', 1000);
  await clock.advance(1000, settle);
  expect(over).toEqual(['short']);
  reachability.answered();
  await settle();
  expect(over).toEqual(['short', 'long']);
  expect(returns).toEqual([1000]);
  expect(clock.pending).toBe(0);
});

test('a silence is an outage from three seconds on', async () => {
  for (const [silentMs, isOver] of [
    [2999, false],
    [3000, true],
  ] as const) {
    const { clock, reachability, over, wait } = open();
    reachability.missed();
    wait('one', 30_000);
    await clock.advance(silentMs, settle);
    reachability.answered();
    await settle();
    expect(over.length > 0, `${silentMs} ms`).toBe(isOver);
  }
});

test('where some are answered and some are not, everybody waits as long as it meant to', async () => {
  const { clock, reachability, over, wait } = open();
  wait('one', 30_000);
  for (let second = 0; second < 29; second += 1) {
    reachability.missed();
    await clock.advance(1000, settle);
    reachability.answered();
  }
  expect(over).toEqual([]);
  await clock.advance(1000, settle);
  expect(over).toEqual(['one']);
});

test('answers without an outage before them end nothing, however long nothing was asked', async () => {
  const { clock, reachability, over, wait } = open();
  reachability.answered();
  await clock.advance(60_000, settle);
  wait('one', 30_000);
  reachability.answered();
  await settle();
  expect(over).toEqual([]);
});

test('a wait ends with its signal, also with one that has ended before, and leaves nothing behind', async () => {
  const { clock, reachability, over, wait } = open();
  const leaving = new AbortController();
  wait('one', 30_000, leaving.signal);
  leaving.abort();
  wait('two', 30_000, leaving.signal);
  await settle();
  expect(over).toEqual(['one', 'two']);
  expect(clock.pending).toBe(0);
  reachability.missed();
  await clock.advance(5000, settle);
  reachability.answered();
  expect(over).toEqual(['one', 'two']);
});

test('who called off its interest hears of no return', async () => {
  const { clock, reachability } = open();
  let returns = 0;
  const callOff = reachability.onReturn(() => (returns += 1));
  callOff();
  reachability.missed();
  await clock.advance(5000, settle);
  reachability.answered();
  expect(returns).toBe(0);
});
