import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { priorities, type PlacedPublication, type Priority } from '../../../core/publication.ts';
import { conflate } from '../../../gateway/merging/conflation.ts';
import { sample } from '../../../gateway/merging/sampling.ts';
import { anyWindow, latest, placed, sum } from '../../support/publications.ts';

function offsets(window: readonly PlacedPublication[]): readonly number[] {
  return window.map(({ offset }) => offset);
}

function ofPriority(window: readonly PlacedPublication[], priority: Priority): number {
  return window.filter(({ publication }) => publication.priority === priority).length;
}

/** Each publication of the window is in one of the two, and both are in order. */
function splits(
  window: readonly PlacedPublication[],
  parts: { kept: readonly PlacedPublication[]; leftOut: readonly PlacedPublication[] },
): void {
  expect([...offsets(parts.kept), ...offsets(parts.leftOut)].toSorted((a, b) => a - b)).toEqual(offsets(window));
  for (const part of [parts.kept, parts.leftOut]) expect(offsets(part)).toEqual(offsets(part).toSorted((a, b) => a - b));
}

test('a sample keeps at most its budget, keeps the order, and leaves out no more than it must', () => {
  fc.assert(
    fc.property(anyWindow, fc.integer({ min: 0, max: 50 }), (window, budget) => {
      const sampled = sample(window, budget);
      splits(window, sampled);
      expect(sampled.kept).toHaveLength(Math.min(window.length, budget));
    }),
  );
});

test('high is never left out before normal, nor normal before low', () => {
  fc.assert(
    fc.property(anyWindow, fc.integer({ min: 0, max: 40 }), (window, budget) => {
      const { kept, leftOut } = sample(window, budget);
      for (const [index, priority] of priorities.entries()) {
        if (ofPriority(leftOut, priority) === 0) continue;
        for (const lower of priorities.slice(index + 1)) expect(ofPriority(kept, lower)).toBe(0);
      }
    }),
  );
});

test('of one priority the sample is spread over the window', () => {
  const window = Array.from({ length: 100 }, (_, index) => placed(index + 1));
  const kept = offsets(sample(window, 10).kept);
  expect(kept.slice(1).map((offset, index) => offset - (kept[index] ?? 0))).toEqual(Array.from({ length: 9 }, () => 10));
});

test('a budget below nothing keeps nothing', () => {
  expect(sample([placed(1)], -3).kept).toEqual([]);
});

test('conflation keeps the newest of each key, and all that has no key', () => {
  fc.assert(
    fc.property(anyWindow, (window) => {
      const conflated = conflate(window, true);
      splits(window, conflated);
      const keyOf = ({ publication: { conflation, sender, priority } }: PlacedPublication) =>
        conflation && [conflation.mode, conflation.key, sender === undefined, priority].join(' ');
      const newest = new Map(window.map((each) => [keyOf(each), each.offset]));
      for (const each of conflated.kept) if (keyOf(each) !== undefined) expect(each.offset).toBe(newest.get(keyOf(each)));
      expect(conflated.leftOut.every((each) => keyOf(each) !== undefined)).toBe(true);
    }),
  );
});

test('a sum loses no count', () => {
  fc.assert(
    fc.property(anyWindow, (window) => {
      const summed = (all: readonly PlacedPublication[]) => all.filter(({ publication }) => publication.conflation?.mode === 'Sum');
      const published = summed(window).reduce((total, { publication }) => total + (publication.conflation?.count ?? 0), 0);
      const sent = summed(conflate(window, true).kept).reduce((total, { count }) => total + (count ?? 0), 0);
      expect(sent).toBe(published);
      expect(summed(conflate(window, false).kept)).toHaveLength(summed(window).length);
    }),
  );
});

test.each([latest('k'), sum('k')])('a client can neither replace a backend’s publication nor speak with its count (%o)', (conflation) => {
  const gift = placed(1, { conflation: { ...conflation, count: 1_000_000 }, priority: 'normal' });
  const window = [gift, placed(2, { conflation, sender: 77 }), placed(3, { conflation, sender: 78 })];
  const { kept, leftOut } = conflate(window, true);
  // Clients share their keys: a thousand likes of as many clients are one publication.
  expect(offsets(kept)).toEqual([1, 3]);
  expect(offsets(leftOut)).toEqual([2]);
  const counts = kept.map(({ count }) => count);
  expect(counts).toEqual(conflation.mode === 'Sum' ? [1_000_000, 2] : [undefined, undefined]);
});

test('what is left out before it replaces nothing', () => {
  const window = [placed(1, { conflation: latest('k'), priority: 'high' }), placed(2, { conflation: latest('k'), priority: 'low' })];
  expect(offsets(conflate(window, true).kept)).toEqual([1, 2]);
});

test('Latest and Sum with the same key are two keys', () => {
  const window = [placed(1, { conflation: latest('k') }), placed(2, { conflation: sum('k', 3) })];
  expect(conflate(window, true).kept.map(({ offset, count }) => [offset, count])).toEqual([
    [1, undefined],
    [2, 3],
  ]);
});

test('a sum knows what it is made of, also where it is summed up again; one publication alone is known by its offset', () => {
  const like = (offset: number, count: number): PlacedPublication => placed(offset, { conflation: sum('k', count) });
  const [once] = conflate([like(3, 5)], true).kept;
  expect([once?.count, once?.parts]).toEqual([5, undefined]);
  const [first] = conflate([like(3, 5), placed(4), like(6, 1)], true).kept.filter(({ parts }) => parts !== undefined);
  expect([first?.offset, first?.count, first?.parts]).toEqual([6, 6, [3, 5, 6, 1]]);
  const [again] = conflate([first as PlacedPublication, like(9, 2)], true).kept;
  expect([again?.offset, again?.count, again?.parts]).toEqual([9, 8, [3, 5, 6, 1, 9, 2]]);
});

test('a sum keeps as many parts as may be, and above that puts neighbours together', () => {
  const likes = (count: number): PlacedPublication[] =>
    Array.from({ length: count }, (_, index) => placed(index + 1, { conflation: sum('k') }));
  const [full] = conflate(likes(limits.sumPartsMax), true).kept;
  expect(full?.parts).toHaveLength(2 * limits.sumPartsMax);
  const [over] = conflate(likes(limits.sumPartsMax + 1), true).kept;
  expect(over?.count).toBe(limits.sumPartsMax + 1);
  expect(over?.parts?.length).toBeLessThanOrEqual(limits.sumPartsMax + 2);
  expect(over?.parts?.slice(0, 4)).toEqual([2, 2, 4, 2]);
  expect(over?.parts?.at(-2)).toBe(limits.sumPartsMax + 1);
  const counts = over?.parts?.filter((_, index) => index % 2 === 1).reduce((all, count) => all + count, 0);
  expect(counts).toBe(limits.sumPartsMax + 1);
});
