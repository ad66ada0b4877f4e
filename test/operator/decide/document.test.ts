import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextDocument } from '../../../operator/decide/document.ts';

test('what is stored and known is kept', () => {
  expect(nextDocument({ stored: { epoch: 4, content: 'a' }, content: 'a', polledEpochs: [3, 4, 0] })).toEqual({ kind: 'keep', epoch: 4 });
});

test('a change, a first document, and a pod that is ahead of the store each take a higher epoch', () => {
  expect(nextDocument({ stored: { epoch: 4, content: 'a' }, content: 'b', polledEpochs: [4] })).toMatchObject({ kind: 'write', epoch: 5 });
  expect(nextDocument({ stored: undefined, content: 'a', polledEpochs: [] })).toMatchObject({ kind: 'write', epoch: 1 });
  expect(nextDocument({ stored: undefined, content: 'a', polledEpochs: [9] })).toMatchObject({ kind: 'write', epoch: 10 });
  expect(nextDocument({ stored: { epoch: 4, content: 'a' }, content: 'a', polledEpochs: [7] })).toMatchObject({ kind: 'write', epoch: 8 });
});

test('a pod that says it has an epoch which no operator gets to is not believed, so that there is always a next one', () => {
  const made = nextDocument({ stored: { epoch: 4, content: 'a' }, content: 'b', polledEpochs: [4, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER] });
  expect(made).toMatchObject({ kind: 'write', epoch: 5 });
  const most = nextDocument({ stored: undefined, content: 'a', polledEpochs: [2 ** 52] });
  expect(most).toMatchObject({ kind: 'write', epoch: 2 ** 52 + 1 });
  // From there on what the store says counts.
  const stored = { epoch: 2 ** 52 + 5, content: 'a' };
  expect(nextDocument({ stored, content: 'b', polledEpochs: [2 ** 52 + 5, 2 ** 53 - 1] })).toMatchObject({ epoch: 2 ** 52 + 6 });
});

test('what is written is above all that anybody has, and deciding again keeps it', () => {
  const stored = fc.option(fc.record({ epoch: fc.nat(100), content: fc.constantFrom('a', 'b') }), { nil: undefined });
  fc.assert(
    fc.property(stored, fc.constantFrom('a', 'b'), fc.array(fc.nat(100)), (known, content, polledEpochs) => {
      const { epoch, kind } = nextDocument({ stored: known, content, polledEpochs });
      for (const polled of polledEpochs) expect(epoch).toBeGreaterThanOrEqual(polled);
      if (kind === 'write') for (const other of [...polledEpochs, known?.epoch ?? 0]) expect(epoch).toBeGreaterThan(other);
      expect(nextDocument({ stored: { epoch, content }, content, polledEpochs }).kind).toBe('keep');
    }),
  );
});
