import { expect, test } from 'vitest';
import type { Publication, Recall } from '../../../core/publication.ts';
import { tombstone, withoutContent } from '../../../core/recall.ts';
import type { ClassCut, Cut } from '../../../gateway/merging/cut.ts';
import { only, roomOf, some, type ClassName } from '../../support/mergers.ts';
import { latest, logBatch, moment, publication, sum } from '../../support/publications.ts';

const recalling = (...offsets: readonly number[]): Publication => tombstone({ kind: 'offsets', offsets }, 0);
const clearing: Recall = { kind: 'all' };

function offsetsOf({ items }: ClassCut): readonly number[] {
  return items.map(({ offset }) => offset);
}

function reasonsOf({ dropped, after, upto }: ClassCut): Readonly<Record<number, string>> {
  const offsets = Array.from({ length: upto - after }, (_, index) => after + 1 + index);
  return Object.fromEntries(
    offsets.map((offset) => [offset, dropped?.reasonOf(offset) ?? ''] as const).filter(([, reason]) => reason !== ''),
  );
}

/** What waits in a window after a first publication at 1, and its cut. */
function cutOf(publications: readonly Publication[], fields: object = {}, classes: readonly ClassName[] = ['full']): readonly Cut[] {
  const room = roomOf(fields, classes);
  room.receive(logBatch(1, some(1)), moment(0));
  expect(room.receive(logBatch(2, publications), moment(10))).toEqual([]);
  return room.tick(moment(100));
}

test('what waits and is recalled is left out and counted, and the tombstone is sent in its place', () => {
  const cut = only(cutOf([...some(3), recalling(1, 3, 4), ...some(1)]));
  expect(offsetsOf(cut)).toEqual([2, 5, 6]);
  expect(cut).toMatchObject({ after: 1, upto: 6, leftOut: 2, send: true });
  expect(reasonsOf(cut)).toEqual({ 3: 'recalled', 4: 'recalled' });
  expect(cut.dropped?.count('recalled', 'normal')).toBe(2);
});

test('a clear leaves out all that waits before it, but no tombstone, and nothing after it', () => {
  const cut = only(cutOf([...some(2), recalling(1), tombstone(clearing, 0), ...some(1)]));
  expect(offsetsOf(cut)).toEqual([4, 5, 6]);
  expect(cut.leftOut).toBe(2);
});

test('a quiet room sends a tombstone at once', () => {
  const room = roomOf();
  expect(offsetsOf(only(room.receive(logBatch(1, [tombstone(clearing, 0)]), moment(0))))).toEqual([1]);
});

test.each<[string, object, ClassName, number]>([
  ['the lowest density', {}, 'dense5', 1],
  ['the least budget', { budget: { publicationsPerSecond: 1 } }, 'full', 1],
  ['an overloaded process', {}, 'full', 0.001],
])('%s leaves no tombstone out, however many publications of a high priority there are', (_, fields, name, budgetFactor) => {
  const room = roomOf(fields, [name]);
  room.setCadence({ windowMs: 1_000, budgetFactor });
  room.receive(logBatch(1, some(1)), moment(0));
  const crowd = some(100, { priority: 'high' });
  const tombstones = Array.from({ length: 20 }, (_each, index) => recalling(index + 1));
  expect(room.receive(logBatch(2, [...crowd, ...tombstones, ...crowd]), moment(10))).toEqual([]);
  const offsets = offsetsOf(only(room.tick(moment(1_000)), name));
  expect(offsets).toEqual(expect.arrayContaining(Array.from({ length: 20 }, (_each, index) => 102 + index)));
  expect(offsets.length).toBeLessThan(100);
});

test('a crowded window of a room that is held keeps every tombstone', () => {
  const room = roomOf({ merge: { publicationsMax: 3, windowMilliseconds: 10 } });
  room.setUnderWayMax(1);
  room.receive(logBatch(1, some(1)), moment(0));
  let offset = 2;
  const tombstones: number[] = [];
  for (let round = 0; round < 40; round++) {
    room.receive(logBatch(offset, [...some(20, { priority: 'high', ttlMs: 1 }), recalling(offset)]), moment(round));
    tombstones.push((offset += 21) - 1);
  }
  const cut = only(room.written(moment(1_000)));
  expect(offsetsOf(cut)).toEqual(expect.arrayContaining(tombstones));
  expect(cut.items.length + cut.leftOut).toBe(cut.upto - cut.after);
  expect(cut.dropped?.total).toBe(cut.leftOut);
});

test('members whose protocol has no form for a tombstone get none, and the accounts say so', () => {
  const [cut, ...more] = cutOf([...some(2), recalling(2)], {}, ['full', 'plain']);
  expect(more).toEqual([]);
  expect(offsetsOf(only([cut!]))).toEqual([3, 4]);
  const plain = only([cut!], 'plain');
  expect(offsetsOf(plain)).toEqual([3]);
  expect(reasonsOf(plain)).toEqual({ 2: 'recalled', 4: 'recalled' });
  expect(plain.dropped?.count('recalled', 'high')).toBe(1);
});

test('a cut that has a tombstone alone sends nothing to them', () => {
  const room = roomOf({}, ['plain']);
  const cut = only(room.receive(logBatch(1, [recalling(1)]), moment(0)), 'plain');
  expect(cut).toMatchObject({ send: false, items: [] });
  expect(cut.dropped?.total).toBe(1);
});

test('a publication that came recalled already, from a history, is left out', () => {
  const room = roomOf();
  const cut = only(room.receive(logBatch(1, [withoutContent(publication('x')), publication('y')]), moment(0)));
  expect(offsetsOf(cut)).toEqual([2]);
  expect(reasonsOf(cut)).toEqual({ 1: 'recalled' });
});

test('the publication before takes the place of the newest of its key, if that is recalled', () => {
  const cut = only(cutOf([publication('a', { conflation: latest('k') }), publication('b', { conflation: latest('k') }), recalling(3)]));
  expect(cut.items.map(({ publication: each }) => each.payload.toString())).toEqual(['a', '{"offsets":[3]}']);
});

test('a sum has no count of what was recalled', () => {
  const likes = [5, 7, 11].map((count) => publication('like', { conflation: sum('like', count) }));
  expect(only(cutOf([...likes, recalling(3)])).items[0]).toMatchObject({ offset: 4, count: 16, parts: [2, 5, 4, 11] });
  expect(only(cutOf([...likes, recalling(4)])).items[0]).toMatchObject({ offset: 3, count: 12 });
});

test('a sum that a crowded window has made has no count of what was recalled; it goes with its newest publication', () => {
  const crowded = (...offsets: readonly number[]): ClassCut => {
    const likes = Array.from({ length: 29 }, () => publication('like', { conflation: sum('like', 2) }));
    const held = roomOf({ merge: { publicationsMax: 3, windowMilliseconds: 10, bytesMax: 1024 } });
    held.setUnderWayMax(1);
    held.receive(logBatch(1, some(1)), moment(0));
    held.receive(logBatch(2, likes), moment(1));
    held.receive(logBatch(31, [recalling(...offsets)]), moment(2));
    return only(held.written(moment(1_000)));
  };
  expect(crowded(3, 4).items[0]).toMatchObject({ offset: 30, count: 54 });
  expect(crowded(30).items.every(({ offset }) => offset !== 30)).toBe(true);
});

test('a class that opens while something waits is given no recalled publication', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, [...some(2), recalling(2)]), moment(1));
  const classes = roomOf({}, ['plain']);
  expect(classes.position.offset).toBe(0);
  const { memberClass } = only(classes.receive(logBatch(1, some(1)), moment(0)), 'plain');
  room.openClass(memberClass, 2);
  const plain = only(room.tick(moment(100)), 'plain');
  expect(offsetsOf(plain)).toEqual([3]);
  expect(plain.dropped?.total).toBe(2);
});
