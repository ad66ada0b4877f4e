import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueHeap } from '../../../operator/runtime/due-heap.ts';
import { defaultRetries, WorkQueue } from '../../../operator/runtime/work-queue.ts';

function emptyQueue(): WorkQueue {
  return new WorkQueue({ retries: defaultRetries, now: 0 });
}

function keys(queue: WorkQueue, now: number): readonly string[] {
  const taken: string[] = [];
  for (let next = queue.take(now); next !== undefined; next = queue.take(now)) taken.push(next.key);
  return taken;
}

test('keys come out in the order in which they went in, once each', () => {
  const queue = emptyQueue();
  for (const key of ['b', 'a', 'b', 'c', 'a']) queue.add(key, 0);
  expect(keys(queue, 0)).toEqual(['b', 'a', 'c']);
  expect(queue.figures(0)).toMatchObject({ adds: 3, depth: 0 });
});

test('a key that is added while it is processed is processed once more afterwards, however often it was added', () => {
  const queue = emptyQueue();
  queue.add('a', 0);
  expect(queue.take(5)).toEqual({ key: 'a', waitedMs: 5 });
  for (let time = 0; time < 3; time += 1) queue.add('a', 6);
  expect(queue.take(7)).toBeUndefined();
  expect(queue.figures(9)).toEqual({ depth: 1, adds: 2, retries: 0, unfinishedMs: 4, longestRunningMs: 4 });
  expect(queue.done('a', 10)).toBe(5);
  expect(keys(queue, 10)).toEqual(['a']);
});

test('being done with a key that nobody took is a bug', () => {
  expect(() => emptyQueue().done('a', 0)).toThrow('not taken');
});

test('a failing key waits twice as long each time, up to ten seconds, and starts anew when it is forgotten', () => {
  const queue = emptyQueue();
  const delays = Array.from({ length: 20 }, (_, failure) => queue.addAfterFailure('a', failure * 2_000_000));
  expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
  expect(delays.slice(-2)).toEqual([10_000, 10_000]);
  expect([queue.failures('a'), queue.figures(0).retries]).toEqual([20, 20]);
  queue.forget('a');
  expect(queue.addAfterFailure('a', 1e9)).toBe(5);
});

test('failures of many keys at once are tried again at ten a second after the first hundred', () => {
  const queue = emptyQueue();
  const delays = Array.from({ length: 150 }, (_, index) => queue.addAfterFailure(`key-${index}`, 0));
  expect(delays.slice(0, 100).every((delayMs) => delayMs === 5)).toBe(true);
  expect(delays[149]).toBe(5000);
});

test('of several delays the earliest counts, and a key that is added at once is not taken again when its delay is over', () => {
  const queue = emptyQueue();
  queue.addAfter('a', 100, 0);
  queue.addAfter('a', 50, 0);
  queue.addAfter('a', 80, 0);
  expect(queue.nextAt(0)).toBe(50);
  expect(keys(queue, 49)).toEqual([]);
  expect(keys(queue, 50)).toEqual(['a']);
  expect(queue.nextAt(50)).toBeUndefined();
});

test('any order of adds, takes and ends keeps the promises: nothing is lost, nothing runs twice at once', () => {
  const step = fc.record({ act: fc.constantFrom('add', 'later', 'fail', 'take', 'end', 'pass'), key: fc.constantFrom('a', 'b', 'c', 'd') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = emptyQueue();
      const running = new Set<string>();
      /** Said since its last take began: must come out again. */
      const owed = new Set<string>();
      let now = 0;
      const take = (): boolean => {
        const key = queue.take(now)?.key;
        if (key === undefined) return false;
        expect(running.has(key)).toBe(false);
        running.add(key);
        owed.delete(key);
        return true;
      };
      for (const { act, key } of steps) {
        if (act === 'add') queue.add(key, now);
        if (act === 'later') queue.addAfter(key, 30, now);
        if (act === 'fail') queue.addAfterFailure(key, now);
        if (act === 'add' || act === 'later' || act === 'fail') owed.add(key);
        if (act === 'take') take();
        if (act === 'end' && running.delete(key)) queue.done(key, now);
        if (act === 'pass') now += 17;
      }
      for (const key of running) queue.done(key, now);
      running.clear();
      for (let nextAt = queue.nextAt(now); nextAt !== undefined; nextAt = queue.nextAt(now)) {
        now = Math.max(now, nextAt);
        expect(take()).toBe(true);
        for (const key of running) queue.done(key, now);
        running.clear();
      }
      expect([...owed]).toEqual([]);
      expect(queue.figures(now).depth).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test('a heap of times is what a sorted list is', () => {
  const entry = fc.tuple(fc.string({ maxLength: 2 }), fc.integer({ min: 0, max: 50 }));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 60 }), (entries) => {
      const heap = new DueHeap();
      const model = new Map<string, number>();
      for (const [key, at] of entries) {
        heap.set(key, at);
        model.set(key, Math.min(at, model.get(key) ?? Infinity));
      }
      expect(heap.earliest()).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
      const taken: [string, number][] = [];
      for (let now = 0; now <= 50; now += 1) for (let key = heap.take(now); key !== undefined; key = heap.take(now)) taken.push([key, now]);
      expect(new Map(taken)).toEqual(model);
      expect(taken).toHaveLength(model.size);
    }),
  );
});
