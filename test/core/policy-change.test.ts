import fc from 'fast-check';
import { expect, test } from 'vitest';
import { policiesAfter, policyChangeBetween, policyChangeSchema } from '../../core/pool/policy-change.ts';
import { policiesHash } from '../../core/pool/pool-document.ts';

const entry = fc.record({ channel: fc.string({ unit: 'binary', maxLength: 6 }), window: fc.integer({ min: 0, max: 99 }) });
/** One or more parts, some of them without an entry. */
const parts = fc
  .array(fc.array(entry, { maxLength: 4 }), { minLength: 1, maxLength: 4 })
  .map((all) => all.map((entries) => JSON.stringify({ channels: entries })));

function withHash(of: readonly string[]): { readonly hash: string; readonly parts: readonly string[] } {
  return { hash: policiesHash(of), parts: of };
}

test('whatever the policies were and are: a pod makes the same parts of the change, also after it has travelled as JSON', () => {
  fc.assert(
    fc.property(parts, parts, (before, after) => {
      const change = policyChangeBetween(withHash(before), after);
      const travelled = policyChangeSchema.parse(JSON.parse(Buffer.from(JSON.stringify(change)).toString()));
      expect(policiesAfter(before, travelled)).toEqual(after);
    }),
    { numRuns: 500 },
  );
});

test('one edit among many is told by its own bytes', () => {
  const channels = Array.from({ length: 1_000 }, (_, index) => ({ channel: `video:${index}`, window: 50 }));
  const text = (of: readonly object[]): string => JSON.stringify({ channels: of });
  const before = [text(channels.slice(0, 500)), text(channels.slice(500))];
  const after = [before[0] ?? '', text(channels.slice(500).map((each) => (each.channel === 'video:700' ? { ...each, window: 70 } : each)))];
  const change = policyChangeBetween(withHash(before), after);
  expect(change).toMatchObject({ from: policiesHash(before), gone: 1, text: '7' });
});

test('what is no change of these policies makes none', () => {
  const own = [JSON.stringify({ channels: [{ channel: 'a' }] })];
  expect(policyChangeBetween(withHash(['{"channels" : []}']), own)).toBeUndefined();
  expect(policyChangeBetween(withHash([]), own)).toBeUndefined();
  expect(policyChangeBetween(withHash(own), [])).toBeUndefined();
  const fits = { from: policiesHash(own), at: 0, gone: 0, text: '', lengths: [15] };
  expect(policiesAfter(own, fits)).toEqual(own);
  for (const wrong of [{ at: 16 }, { gone: 16 }, { lengths: [14] }, { lengths: [16] }, { lengths: [] }, { lengths: [7, 8] }])
    expect(policiesAfter(own, { ...fits, ...wrong }), JSON.stringify(wrong)).toBeUndefined();
  expect(policiesAfter([], fits)).toBeUndefined();
});
