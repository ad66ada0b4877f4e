import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerFrom, HistoryRing, isInOrder, reachOf, withoutExpired, type HistoryPage, type HistoryQuery } from '../../core/history.ts';
import type { Publication } from '../../core/publication.ts';

const bytesMax = 1_000_000;

function publication(text: string, acceptedAt = 1_000): Publication {
  return {
    kind: 'text',
    payload: Buffer.from(text),
    priority: 'normal',
    acceptedAt,
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
  };
}

function page(offset: number, offsets: readonly number[], epoch = 'now'): HistoryPage {
  return { position: { epoch, offset }, publications: offsets.map((each) => ({ offset: each, publication: publication('x') })) };
}

const query: fc.Arbitrary<HistoryQuery> = fc.oneof(
  fc.record({ kind: fc.constant('after' as const), offset: fc.nat(70), limit: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    kind: fc.constant('newest' as const),
    before: fc.option(fc.integer({ min: 1, max: 70 }), { nil: undefined }),
    limit: fc.integer({ min: 1, max: 20 }),
  }),
);

test('a ring answers as a list of the newest would, whatever was added and asked', () => {
  const additions = fc.array(fc.record({ count: fc.integer({ min: 1, max: 7 }), skipped: fc.nat(8).map((each) => (each === 8 ? 1 : 0)) }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(additions, fc.integer({ min: 1, max: 15 }), query, (added, size, question) => {
      const ring = new HistoryRing(bytesMax);
      let model: number[] = [];
      let next = 1;
      for (const { count, skipped } of added) {
        next += skipped;
        if (skipped > 0) model = [];
        const offsets = Array.from({ length: count }, (_, index) => next + index);
        ring.add(
          next,
          offsets.map((offset) => publication(String(offset))),
          size,
        );
        model = [...model, ...offsets].slice(-size);
        next += count;
      }
      const wanted =
        question.kind === 'after'
          ? model.filter((offset) => offset > question.offset).slice(0, question.limit)
          : model.filter((offset) => offset < (question.before ?? Infinity)).slice(-question.limit);
      const answer = ring.read(question, bytesMax);
      expect(answer.map(({ offset }) => offset)).toEqual(wanted);
      for (const { offset, publication: kept } of answer) expect(kept.payload.toString()).toBe(String(offset));
    }),
    { numRuns: 500 },
  );
});

test('a ring holds its bytes, at the bound and one past it', () => {
  const ring = new HistoryRing(10);
  const offsets = (): readonly number[] => ring.read({ kind: 'newest', limit: 99 }, bytesMax).map(({ offset }) => offset);
  ring.add(1, [publication('12345'), publication('12345')], 99);
  expect(offsets()).toEqual([1, 2]);
  ring.add(3, [publication('1')], 99);
  expect(offsets()).toEqual([2, 3]);
  ring.add(4, [publication('12345678901')], 99);
  expect(offsets()).toEqual([]);
  ring.add(5, [publication('1234567890')], 99);
  expect(offsets()).toEqual([5]);
});

test('an answer ends before a hole, at its limit and at its bytes, but has one publication', () => {
  const batches = [
    { firstOffset: 1, publications: [publication('aa'), publication('bb')] },
    { firstOffset: 4, publications: [publication('dd'), publication('ee'), publication('ff')] },
  ];
  const offsets = (question: HistoryQuery, bytes = bytesMax): readonly number[] =>
    answerFrom(batches, question, bytes).map(({ offset }) => offset);
  expect(offsets({ kind: 'after', offset: 0, limit: 9 })).toEqual([1, 2]);
  expect(offsets({ kind: 'after', offset: 3, limit: 9 })).toEqual([4, 5, 6]);
  expect(offsets({ kind: 'newest', limit: 9 })).toEqual([4, 5, 6]);
  expect(offsets({ kind: 'newest', limit: 2 })).toEqual([5, 6]);
  expect(offsets({ kind: 'newest', limit: 9 }, 4)).toEqual([5, 6]);
  expect(offsets({ kind: 'newest', limit: 9 }, 3)).toEqual([6]);
  expect(offsets({ kind: 'after', offset: 3, limit: 9 }, 1)).toEqual([4]);
});

test.each([
  ['every publication after it', page(9, [7, 8, 9]), { epoch: 'now', offset: 6 }, 'whole'],
  ['nothing was published since', page(9, []), { epoch: 'now', offset: 9 }, 'whole'],
  ['the limit held back some', page(9, [7, 8]), { epoch: 'now', offset: 6 }, 'more'],
  ['the next one is not kept any more', page(9, [8, 9]), { epoch: 'now', offset: 6 }, 'lost'],
  ['none is kept', page(9, []), { epoch: 'now', offset: 6 }, 'lost'],
  ['another order', page(9, [7, 8, 9]), { epoch: 'then', offset: 6 }, 'lost'],
  ['an offset that the order has not reached', page(9, []), { epoch: 'now', offset: 10 }, 'lost'],
  ['the beginning of the epoch’s name, before its first publication', page(9, [7, 8, 9], 'nowABC'), { epoch: 'now', offset: 6 }, 'whole'],
] as const)('how far a page reaches: %s', (_, read, from, reach) => {
  expect(reachOf(read, from)).toBe(reach);
});

test('the epoch before a failover is good up to its end, and no further', () => {
  const read: HistoryPage = { ...page(9, [7, 8, 9]), earlier: { epoch: 'then', offset: 7 } };
  expect(reachOf(read, { epoch: 'then', offset: 6 })).toBe('whole');
  expect(isInOrder(read, { epoch: 'then', offset: 7 })).toBe(true);
  expect(isInOrder(read, { epoch: 'then', offset: 8 })).toBe(false);
  expect(reachOf(read, { epoch: 'then', offset: 8 })).toBe('lost');
});

test('a position from before the first publication of an epoch that has ended is good as far', () => {
  const read: HistoryPage = { ...page(9, [7, 8, 9]), earlier: { epoch: 'then7', offset: 7 } };
  expect(isInOrder(read, { epoch: 'then', offset: 7 })).toBe(true);
  expect(isInOrder(read, { epoch: 'then', offset: 8 })).toBe(false);
});

test('what is older than the policy keeps it is left out', () => {
  const kept = [1_000, 2_000, 3_000].map((acceptedAt, index) => ({ offset: index + 1, publication: publication('x', acceptedAt) }));
  const left = (now: number): readonly number[] => withoutExpired(kept, { size: 10, ttlSeconds: 2 }, now).map(({ offset }) => offset);
  expect(left(3_000)).toEqual([1, 2, 3]);
  expect(left(3_001)).toEqual([2, 3]);
  expect(left(9_000)).toEqual([]);
});
