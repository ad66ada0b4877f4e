import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cursor } from '../../../client/cursor.ts';
import { follow } from '../../../client/position.ts';

test('a span that begins at the position is next, and without a position every span is', () => {
  expect(follow({ epoch: 'a', offset: 5 }, { epoch: 'a', after: 5, upto: 7 })).toBe(5);
  expect(follow(undefined, { epoch: 'a', after: 5, upto: 7 })).toBe(5);
});

test('a span up to the position is covered, one beyond it that began earlier overlaps', () => {
  expect(follow({ epoch: 'a', offset: 5 }, { epoch: 'a', after: 2, upto: 5 })).toBe('covered');
  expect(follow({ epoch: 'a', offset: 5 }, { epoch: 'a', after: 2, upto: 6 })).toBe(5);
});

test('a span that begins later, or of another epoch, is a gap up to its beginning', () => {
  const from = { epoch: 'a', offset: 5 };
  expect(follow(from, { epoch: 'a', after: 6, upto: 7 })).toBe('gap');
  expect(follow(from, { epoch: 'b', after: 2, upto: 3 })).toBe('gap');
  for (const [batch, reason] of [
    [{ epoch: 'a', after: 6, upto: 7 }, 'missed'],
    [{ epoch: 'b', after: 2, upto: 3 }, 'epoch'],
  ] as const) {
    const cursor = new Cursor();
    cursor.subscribed(from, false);
    const to = { epoch: batch.epoch, offset: batch.after };
    expect(cursor.batch(batch)).toEqual([
      { kind: 'gap', from, to, reason },
      { kind: 'batch', batch, deliverAfter: batch.after },
    ]);
  }
});

test('a position from before the first publication has only the beginning of its epoch, and is continued by it', () => {
  const from = { epoch: 'a', offset: 5 };
  expect(follow(from, { epoch: 'a7', after: 5, upto: 7 })).toBe(5);
  expect(follow(from, { epoch: 'a7', after: 6, upto: 7 })).toBe('gap');
  expect(follow({ epoch: 'a7', offset: 5 }, { epoch: 'a8', after: 5, upto: 6 })).toBe('gap');
  const cursor = new Cursor();
  cursor.subscribed(from, false);
  expect(cursor.batch({ epoch: 'a7', after: 5, upto: 6 })).toMatchObject([{ kind: 'batch', deliverAfter: 5 }]);
  // A gateway that has not heard of the publication yet is behind, and no gap.
  expect(cursor.reached(from)).toBe(true);
  expect(cursor.subscribed(from, true)).toEqual([]);
  expect(cursor.position).toEqual({ epoch: 'a7', offset: 6 });
});

test('a span of another gateway may have only the beginning of the epoch, and the position keeps the whole name', () => {
  const from = { epoch: 'a7', offset: 5 };
  expect(follow(from, { epoch: 'a', after: 3, upto: 5 })).toBe('covered');
  expect(follow(from, { epoch: 'a', after: 3, upto: 7 })).toBe(5);
  expect(follow(from, { epoch: '', after: 0, upto: 0 })).toBe('gap');
  const cursor = new Cursor();
  cursor.subscribed(from, false);
  cursor.batch({ epoch: 'a', after: 5, upto: 7 });
  expect(cursor.position).toEqual({ epoch: 'a7', offset: 7 });
});

test('a gateway that lags behind a change of epoch repeats what is known; beyond what both epochs share is a gap', () => {
  const cursor = new Cursor();
  cursor.subscribed({ epoch: 'a', offset: 5 }, false);
  cursor.batch({ epoch: 'a', after: 5, upto: 9 });
  cursor.continued('b', { epoch: 'a', offset: 9 });
  cursor.batch({ epoch: 'b', after: 9, upto: 12 });
  expect(cursor.reached({ epoch: 'a', offset: 9 })).toBe(true);
  expect(cursor.subscribed({ epoch: 'a', offset: 7 }, false)).toEqual([]);
  expect(cursor.batch({ epoch: 'a', after: 7, upto: 9 })).toEqual([]);
  expect(cursor.gap({ epoch: 'a', after: 7, upto: 9, reason: 'bus' })).toEqual([]);
  expect(cursor.batch({ epoch: 'b', after: 7, upto: 13 })).toMatchObject([{ kind: 'batch', deliverAfter: 12 }]);
  // Publications 10 and 11 of the earlier epoch are others: a failover has lost them, and the gateway had them.
  expect(cursor.reached({ epoch: 'a', offset: 10 })).toBe(false);
  expect(cursor.batch({ epoch: 'a', after: 9, upto: 11 })).toMatchObject([{ kind: 'gap' }, { kind: 'batch' }]);
  // From there on the epoch before is nothing special.
  expect(cursor.reached({ epoch: 'b', offset: 3 })).toBe(false);
});

test('a resume that was recovered in another epoch makes the epoch before known; eight of them are remembered', () => {
  const cursor = new Cursor();
  cursor.subscribed({ epoch: 'e0', offset: 5 }, false);
  for (let epoch = 1; epoch <= 9; epoch++) cursor.subscribed({ epoch: `e${epoch}`, offset: 5 }, true);
  expect(cursor.position).toEqual({ epoch: 'e9', offset: 5 });
  expect(cursor.reached({ epoch: 'e1', offset: 4 })).toBe(true);
  expect(cursor.reached({ epoch: 'e0', offset: 4 })).toBe(false);
});

test('whatever spans of one epoch arrive, in whatever order, every offset is accounted for once, rising', () => {
  const spans = fc.array(fc.tuple(fc.nat(40), fc.nat(6)).map(([after, length]) => ({ epoch: 'a', after, upto: after + length })));
  fc.assert(
    fc.property(spans, fc.nat(40), (arriving, start) => {
      const cursor = new Cursor<(typeof arriving)[number]>();
      cursor.subscribed({ epoch: 'a', offset: start }, false);
      let accounted = start;
      for (const told of arriving.flatMap((span) => cursor.batch(span))) {
        const [from, to] = told.kind === 'gap' ? [told.from?.offset, told.to.offset] : [told.deliverAfter, told.batch.upto];
        expect(from).toBe(accounted);
        expect(to).toBeGreaterThanOrEqual(accounted);
        accounted = to;
      }
      expect(cursor.position).toEqual({ epoch: 'a', offset: accounted });
      expect(accounted).toBe(
        Math.max(start, ...arriving.filter(({ after, upto }) => upto > start || after > start).map(({ upto }) => upto)),
      );
    }),
  );
});

test('a gap notice is told once, with the reason that the gateway gave', () => {
  const cursor = new Cursor();
  cursor.subscribed({ epoch: 'a', offset: 3 }, false);
  const notice = { epoch: 'a', after: 3, upto: 9, reason: 'slow' } as const;
  expect(cursor.gap(notice)).toEqual([{ kind: 'gap', from: { epoch: 'a', offset: 3 }, to: { epoch: 'a', offset: 9 }, reason: 'slow' }]);
  expect(cursor.gap(notice)).toEqual([]);
  expect(cursor.gap({ ...notice, after: 9, upto: 10, reason: 'bus' })).toMatchObject([{ reason: 'missed' }]);
});

test('a subscription that was recovered, or is behind the position, is no gap; any other later one is', () => {
  const at = (offset: number, epoch = 'a') => ({ epoch, offset });
  const cursor = new Cursor();
  expect(cursor.subscribed(at(10), false)).toEqual([]);
  expect(cursor.subscribed(at(12), true)).toEqual([]);
  expect(cursor.position).toEqual(at(12));
  expect(cursor.subscribed(at(11), false)).toEqual([]);
  expect(cursor.position).toEqual(at(12));
  expect(cursor.subscribed(at(20), false)).toEqual([{ kind: 'gap', from: at(12), to: at(20), reason: 'reconnect' }]);
  expect(cursor.subscribed(at(1, 'b'), false)).toEqual([{ kind: 'gap', from: at(20), to: at(1, 'b'), reason: 'reconnect' }]);
});
