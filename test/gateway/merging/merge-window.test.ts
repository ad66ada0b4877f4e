import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import { priorities } from '../../../core/publication.ts';
import { MergeWindow, windowCaps, type WindowPolicy } from '../../../gateway/merging/merge-window.ts';
import { placed } from '../../support/publications.ts';

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

test('whatever is thinned how often, all that came is handed over or counted by its priority', () => {
  const anyCame = fc.array(fc.record({ priority: fc.constantFrom(...priorities), thin: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(anyCame, (came) => {
      const window = new MergeWindow();
      for (const [index, { priority, thin }] of came.entries()) {
        window.add(placed(index + 1, { priority }));
        if (thin) window.thin();
      }
      expect(window.isEmpty).toBe(came.length === 0);
      expect(window.isFull({ publications: came.length, bytes: Infinity })).toBe(true);
      expect(window.isFull({ publications: came.length + 1, bytes: Infinity })).toBe(false);
      const { publications, thinned, thinnedCount } = window.take();
      for (const [index, priority] of priorities.entries()) {
        const kept = publications.filter(({ publication }) => publication.priority === priority).length;
        expect(kept + (thinned[index] ?? 0)).toBe(came.filter((each) => each.priority === priority).length);
      }
      expect(publications.length + thinnedCount).toBe(came.length);
      expect(publications.map(({ offset }) => offset)).toEqual(publications.map(({ offset }) => offset).toSorted((a, b) => a - b));
      expect(window.isEmpty).toBe(true);
      expect(window.take()).toEqual({ publications: [], thinned: [0, 0, 0], thinnedCount: 0 });
    }),
  );
});

test('one publication is never given up for being large', () => {
  const window = new MergeWindow();
  window.add(placed(1, { payload: Buffer.alloc(1_000_000) }));
  window.thin();
  expect(window.take()).toMatchObject({ publications: [{ offset: 1 }], thinnedCount: 0 });
});
