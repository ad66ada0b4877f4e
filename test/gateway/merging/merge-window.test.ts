import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import { priorities } from '../../../core/publication.ts';
import { MergeWindow, windowCaps, type WindowPolicy } from '../../../gateway/merging/merge-window.ts';
import { anyPublication, placed, sum } from '../../support/publications.ts';

function policyOf(merge: Partial<WindowPolicy['merge']>): WindowPolicy {
  return { ...defaultPolicy, merge: { ...defaultPolicy.merge, ...merge } };
}

test('caps grow with the window, up to what a window and a connection may hold, and never shrink', () => {
  const policy = policyOf({ windowMilliseconds: 50, publicationsMax: 100, bytesMax: 10_000 });
  expect([0, 50, 100, 1_000].map((windowMs) => windowCaps(policy, windowMs))).toEqual([
    { publications: 100, bytes: 10_000 },
    { publications: 100, bytes: 10_000 },
    { publications: 200, bytes: 20_000 },
    { publications: 2_000, bytes: 200_000 },
  ]);
  const large = policyOf({ windowMilliseconds: 10, publicationsMax: 5_000, bytesMax: 600_000 });
  expect(windowCaps(large, 1_000)).toEqual({ publications: limits.windowPublicationsMax, bytes: 600_000 });
  // Those of a policy without a window are meant for the default one.
  expect(windowCaps(policyOf({ windowMilliseconds: 0 }), 200)).toEqual({ publications: 1_000, bytes: 131_072 });
});

const small = { publications: 8, bytes: Infinity };

test.each([true, false])(
  'whatever comes, and however crowded it gets, each publication is handed over or left out once (canSum: %s)',
  (canSum) => {
    fc.assert(
      fc.property(fc.array(anyPublication, { maxLength: 60 }), fc.constantFrom(0, 100), (came, wall) => {
        const window = new MergeWindow(canSum, 0);
        for (const [index, published] of came.entries()) {
          window.add({ offset: index + 1, publication: published, count: undefined });
          if (window.isCrowded(small)) window.compact(small, wall);
          expect(window.isCrowded(small)).toBe(false);
        }
        const { publications, leftOut } = window.take(wall, came.length);
        const kept = publications.map(({ offset }) => offset);
        expect(kept).toEqual(kept.toSorted((a, b) => a - b));
        expect(kept.length + (leftOut?.total ?? 0)).toBe(came.length);
        for (const [index, { priority }] of came.entries()) {
          const reason = leftOut?.reasonOf(index + 1);
          expect(reason === undefined).toBe(kept.includes(index + 1));
          if (reason !== undefined) expect(leftOut?.count(reason, priority)).toBeGreaterThan(0);
        }
        for (const priority of priorities) {
          const sent = publications.filter((each) => each.publication.priority === priority).length;
          expect(sent + (leftOut?.ofPriority(priority) ?? 0)).toBe(came.filter((each) => each.priority === priority).length);
        }
        expect(window.take(wall, came.length)).toEqual({ canSum, hasTombstones: false, publications: [], leftOut: undefined });
      }),
    );
  },
);

test('a crowded window that conflation empties gives nothing up, and its sums lose no count', () => {
  const window = new MergeWindow(true, 0);
  for (let offset = 1; offset <= 1_000; offset++) {
    window.add(placed(offset, { conflation: sum(`key ${offset % 3}`, 2) }));
    if (window.isCrowded(small)) window.compact(small, 0);
  }
  const { publications, leftOut } = window.take(0, 1_000);
  expect(publications.map(({ offset, count }) => [offset, count])).toEqual([
    [998, 666],
    [999, 666],
    [1_000, 668],
  ]);
  expect([leftOut?.count('conflated', 'normal'), leftOut?.count('budget', 'normal')]).toEqual([997, 0]);
});

test('one publication is never given up for being large', () => {
  const window = new MergeWindow(true, 0);
  window.add(placed(1, { payload: Buffer.alloc(1_000_000) }));
  window.compact({ publications: 10, bytes: 1_000 }, 0);
  expect(window.take(0, 1)).toMatchObject({ publications: [{ offset: 1 }] });
});
