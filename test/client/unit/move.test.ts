import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cursor, type Told } from '../../../client/cursor.ts';
import { ChannelMove, type HeldBatch } from '../../../client/move.ts';

function batch(after: number, upto: number, epoch = 'a'): HeldBatch {
  return { type: 'batch', epoch, after, upto, publications: Array.from({ length: upto - after }) };
}

function begun(offset: number): { cursor: Cursor<HeldBatch>; move: ChannelMove<HeldBatch> } {
  const cursor = new Cursor<HeldBatch>();
  cursor.subscribed({ epoch: 'a', offset }, false);
  return { cursor, move: new ChannelMove(cursor, 10) };
}

/** `[from, to]` of everything told, with `gap` in front of a gap. */
function spans(tolds: readonly Told<HeldBatch>[]): readonly unknown[] {
  return tolds.map((told) => (told.kind === 'gap' ? ['gap', told.from?.offset, told.to.offset] : [told.deliverAfter, told.batch.upto]));
}

test('the old connection is read until it reaches the new subscription, then what the new one held back', () => {
  const { move } = begun(5);
  expect(spans(move.targetAt({ epoch: 'a', offset: 8 }, false))).toEqual([]);
  expect(spans(move.fromNew(batch(8, 10)))).toEqual([]);
  expect(spans(move.fromOld(batch(5, 7)))).toEqual([[5, 7]]);
  expect(move.done).toBe(false);
  expect(spans(move.fromOld(batch(7, 9)))).toEqual([
    [7, 9],
    [9, 10],
  ]);
  expect(move.done).toBe(true);
  expect(spans(move.fromOld(batch(9, 10)))).toEqual([]);
  expect(spans(move.fromNew(batch(10, 11)))).toEqual([[10, 11]]);
});

test('a recovered subscription, or one behind the old connection, needs no waiting', () => {
  const recovered = begun(5);
  expect(spans(recovered.move.targetAt({ epoch: 'a', offset: 5 }, true))).toEqual([]);
  expect(recovered.move.done).toBe(true);
  const behind = begun(5);
  expect(spans(behind.move.targetAt({ epoch: 'a', offset: 4 }, false))).toEqual([]);
  expect(behind.move.done).toBe(true);
  expect(spans(behind.move.fromNew(batch(4, 6)))).toEqual([[5, 6]]);
});

test('recovered in another epoch needs no waiting, unless the old connection has gone on since the question', () => {
  const recovered = begun(5);
  expect(spans(recovered.move.targetAt({ epoch: 'b', offset: 5 }, true))).toEqual([]);
  expect(recovered.move.done).toBe(true);
  expect(spans(recovered.move.fromNew(batch(5, 6, 'b')))).toEqual([[5, 6]]);
  const goneOn = begun(5);
  expect(spans(goneOn.move.fromOld(batch(5, 6)))).toEqual([[5, 6]]);
  expect(spans(goneOn.move.targetAt({ epoch: 'b', offset: 5 }, true))).toEqual([]);
  expect(goneOn.move.done).toBe(false);
  expect(spans(goneOn.move.fromNew(batch(5, 7, 'b')))).toEqual([]);
  goneOn.move.fromOld({ type: 'epoch', epoch: 'b', before: { epoch: 'a', offset: 6 } });
  expect(goneOn.move.done).toBe(true);
  expect(goneOn.cursor.position).toEqual({ epoch: 'b', offset: 7 });
});

test('a move to a gateway that lags behind a change of epoch misses nothing and repeats nothing', () => {
  const { cursor, move } = begun(5);
  cursor.continued('b', { epoch: 'a', offset: 6 });
  expect(spans(move.fromOld(batch(5, 9, 'b')))).toEqual([[5, 9]]);
  expect(spans(move.targetAt({ epoch: 'a', offset: 4 }, false))).toEqual([]);
  expect(move.done).toBe(true);
  expect(spans(move.fromNew(batch(4, 6)))).toEqual([]);
  move.fromNew({ type: 'epoch', epoch: 'b', before: { epoch: 'a', offset: 6 } });
  expect(spans(move.fromNew(batch(6, 11, 'b')))).toEqual([[9, 11]]);
});

test('a channel whose first publication comes during the move is told it once, whichever gateway heard of it first', () => {
  for (const target of [
    { epoch: 'a', offset: 5 },
    { epoch: 'a7', offset: 6 },
  ]) {
    const { move } = begun(5);
    expect(spans(move.fromOld(batch(5, 6, 'a7')))).toEqual([[5, 6]]);
    expect(spans(move.targetAt(target, false))).toEqual([]);
    expect(spans(move.fromNew(batch(target.offset, 7, 'a7')))).toEqual([[6, 7]]);
    expect(move.done).toBe(true);
  }
  const { move } = begun(5);
  expect(spans(move.targetAt({ epoch: 'a7', offset: 6 }, false))).toEqual([]);
  expect(spans(move.fromNew(batch(6, 7, 'a7')))).toEqual([]);
  expect(spans(move.fromOld(batch(5, 6, 'a7')))).toEqual([
    [5, 6],
    [6, 7],
  ]);
});

test('an old connection that closes first leaves a gap, and what was held back follows', () => {
  const { move } = begun(5);
  expect(spans(move.giveUp())).toEqual([]);
  move.targetAt({ epoch: 'a', offset: 8 }, false);
  move.fromNew(batch(8, 10));
  expect(spans(move.giveUp())).toEqual([
    ['gap', 5, 8],
    [8, 10],
  ]);
  expect(move.done).toBe(true);
});

test('more than is held back at most ends the waiting with a gap, and loses nothing of what was held', () => {
  const { move } = begun(5);
  move.targetAt({ epoch: 'a', offset: 8 }, false);
  expect(spans(move.fromNew(batch(8, 18)))).toEqual([]);
  expect(spans(move.fromNew(batch(18, 19)))).toEqual([
    ['gap', 5, 8],
    [8, 18],
    [18, 19],
  ]);
});

test('where the old connection hears of a new epoch first, the rest of the old epoch is discarded on the new one', () => {
  const { move, cursor } = begun(5);
  move.targetAt({ epoch: 'a', offset: 7 }, false);
  expect(spans(move.fromOld(batch(9, 11, 'b')))).toEqual([
    ['gap', 5, 9],
    [9, 11],
  ]);
  expect(spans(move.fromNew(batch(7, 9)))).toEqual([]);
  expect(spans(move.fromNew(batch(9, 12, 'b')))).toEqual([[11, 12]]);
  expect(move.done).toBe(true);
  expect(cursor.position).toEqual({ epoch: 'b', offset: 12 });
});

test('however two gateways cut the same publications, a move misses and repeats none while the old connection lives', () => {
  const end = 60;
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: end }), { maxLength: 20 }).map((at) => [...at.toSorted((a, b) => a - b), end]);
  fc.assert(
    fc.property(cuts, cuts, fc.nat(end), fc.array(fc.boolean(), { maxLength: 80 }), (oldCuts, newCuts, joinedAt, order) => {
      const cursor = new Cursor<HeldBatch>();
      cursor.subscribed({ epoch: 'a', offset: 0 }, false);
      const move = new ChannelMove(cursor, 1000);
      const target = newCuts.filter((cut) => cut <= joinedAt).at(-1) ?? 0;
      const old = spansBetween(0, oldCuts).map((span) => (): readonly Told<HeldBatch>[] => move.fromOld(span));
      const fresh = [
        (): readonly Told<HeldBatch>[] => move.targetAt({ epoch: 'a', offset: target }, false),
        ...spansBetween(target, newCuts).map((span) => (): readonly Told<HeldBatch>[] => move.fromNew(span)),
      ];
      const steps = [...order, ...Array.from({ length: 80 }, (_, index) => index % 2 === 0)];
      const tolds = steps.flatMap((takesOld) => (takesOld ? old : fresh).shift()?.() ?? []);
      let position = 0;
      for (const told of tolds) {
        expect(told.kind).toBe('batch');
        if (told.kind === 'batch') {
          expect(told.deliverAfter).toBe(position);
          position = told.batch.upto;
        }
      }
      expect(position).toBe(end);
      expect(move.done).toBe(true);
    }),
  );
});

function spansBetween(start: number, cuts: readonly number[]): readonly ReturnType<typeof batch>[] {
  const ends = cuts.filter((cut) => cut > start);
  return ends.map((upto, index) => batch(ends[index - 1] ?? start, upto));
}
