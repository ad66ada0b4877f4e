import fc from 'fast-check';
import { expect, test } from 'vitest';
import { publicationsAfter } from '../../../client/sums.ts';
import { readMessage } from '../../../client/wire.ts';

test('a publication below the position is known, one above it is told as it came, without its parts', () => {
  const publications = [
    { offset: 3, data: 'a' },
    { offset: 5, data: 'b', count: 4 },
    { offset: 6, data: 'c', count: 5, parts: [2, 1, 3] },
  ];
  expect(publicationsAfter(publications, 3)).toEqual([
    { offset: 5, data: 'b', count: 4 },
    { offset: 6, data: 'c', count: 5 },
  ]);
  expect(publicationsAfter(publications, 5)).toEqual([{ offset: 6, data: 'c', count: 2 }]);
  expect(publicationsAfter(publications, 6)).toEqual([]);
});

test('wherever a sum is cut, what lies above the cut and what lies below it are all of it', () => {
  const steps = fc.array(fc.record({ step: fc.integer({ min: 1, max: 5 }), count: fc.integer({ min: 1, max: 9 }) }), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(steps, fc.nat(160), (all, cut) => {
      let offset = 0;
      const placed = all.map(({ step, count }) => ({ offset: (offset += step), count }));
      const parts = placed.toReversed().flatMap((each, index, newestFirst) => {
        const before = newestFirst[index + 1];
        return before === undefined ? [each.count] : [each.count, each.offset - before.offset];
      });
      const total = placed.reduce((sum, { count }) => sum + count, 0);
      const above = placed.filter((each) => each.offset > cut).reduce((sum, { count }) => sum + count, 0);
      const told = publicationsAfter([{ offset, count: total, parts }], cut);
      expect(told).toEqual(offset > cut ? [{ offset, count: above }] : []);
    }),
  );
});

test.each([[[]], [[1, 1]], [[1, 0, 1]], [[1, '1', 1]], ['1'], [[-1]], [[1, 1, null]]])('parts that are none (%j) are refused', (parts) => {
  const item = { offset: 9, count: 2, parts, data: 'like' };
  const batch = { type: 'batch', channel: 'c', epoch: 'e', after: 0, upto: 9, leftOut: 8, items: [item] };
  expect(() => readMessage(JSON.stringify(batch))).toThrow('malformed message: item');
});
