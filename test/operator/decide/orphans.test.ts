import { expect, test } from 'vitest';
import { isOrphan } from '../../../operator/decide/orphans.ts';

const labels = { 'app.kubernetes.io/managed-by': 'barrage-operator', 'barrage.dev/pool': 'live' };

test('an object of an earlier pool of this name is an orphan once it has no controller', () => {
  expect(isOrphan({ metadata: { labels } }, 'live', true)).toBe(true);
  expect(isOrphan({ metadata: { labels, ownerReferences: [{}, { controller: false }] } }, 'live', true)).toBe(true);
});

test.each([
  ['has a controller, gone or not', { labels, ownerReferences: [{ controller: true }] }, true],
  ['is of another pool', { labels: { ...labels, 'barrage.dev/pool': 'other' } }, true],
  ['has lost our label', { labels: { 'barrage.dev/pool': 'live' } }, true],
  ['has no labels', {}, true],
  ['was written by somebody else', { labels }, false],
] as const)('what %s is not ours to take', (_what, metadata, isWrittenByUs) => {
  expect(isOrphan({ metadata }, 'live', isWrittenByUs)).toBe(false);
});
