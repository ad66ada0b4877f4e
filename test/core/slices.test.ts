import { expect, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { inSlices } from '../../core/slices.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** Walks over so many items that each take a time, and notes what each slice took and whether it is over. */
class Walk {
  readonly clock = new FakeClock();
  readonly slicesMs: number[] = [];
  readonly seen: number[] = [];
  isDone = false;
  readonly callOff: () => void;

  constructor(items: Iterable<number>, stepMs: number) {
    this.callOff = inSlices(items, {
      clock: this.clock,
      step: (item) => {
        this.seen.push(item);
        this.clock.time += stepMs;
      },
      onSlice: (milliseconds) => this.slicesMs.push(milliseconds),
      onDone: () => (this.isDone = true),
    });
  }
}

const thousand = Array.from({ length: 1000 }, (_, index) => index);

test('a few items are one slice, done at once', () => {
  const walk = new Walk([1, 2, 3], 1);
  expect([walk.seen, walk.slicesMs, walk.isDone]).toEqual([[1, 2, 3], [3], true]);
  expect(new Walk([], 1).isDone).toBe(true);
});

test('many are walked in slices below the bound, each item once, with others having their turn in between', async () => {
  const walk = new Walk(thousand, 0.25);
  expect(walk.isDone).toBe(false);
  const seenByOthers: number[] = [];
  walk.clock.soon(() => seenByOthers.push(walk.seen.length));
  await walk.clock.advance(1000);
  expect(walk.isDone).toBe(true);
  expect(walk.seen).toEqual(thousand);
  expect(Math.max(...walk.slicesMs)).toBeLessThanOrEqual(limits.turnMsMax);
  expect(walk.slicesMs.length).toBeGreaterThan(10);
  expect(seenByOthers[0]).toBeLessThan(200);
});

test('what is called off stops after its slice, and is not done', async () => {
  const walk = new Walk(thousand, 1);
  walk.callOff();
  await walk.clock.advance(1000);
  expect(walk.seen.length).toBeLessThan(100);
  expect(walk.isDone).toBe(false);
});

test('a map that changes meanwhile is walked as it is', async () => {
  const items = new Map(thousand.map((index) => [index, index]));
  const walk = new Walk(items.values(), 1);
  items.delete(999);
  items.set(5000, 5000);
  await walk.clock.advance(5000);
  expect(walk.seen).toEqual([...thousand.slice(0, -1), 5000]);
});
