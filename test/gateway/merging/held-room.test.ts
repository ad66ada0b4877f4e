import { expect, test } from 'vitest';
import type { MemberClass } from '../../../gateway/encoding/encoding.ts';
import { classOf, only, roomOf, some, spans } from '../../support/mergers.ts';
import { latest, logBatch, moment, publication, sum } from '../../support/publications.ts';

test('a room is held at so many cuts under way, and cuts what it collected when one is written', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } });
  room.setUnderWayMax(2);
  expect(spans(room.receive(logBatch(1, some(1)), moment(0)))).toEqual([[0, 1]]);
  expect(spans(room.receive(logBatch(2, some(1)), moment(1)))).toEqual([[1, 2]]);
  expect(room.isWaiting).toBe(false);
  expect(room.receive(logBatch(3, some(1)), moment(2))).toEqual([]);
  expect(room.receive(logBatch(4, some(2)), moment(3))).toEqual([]);
  expect(room.isWaiting).toBe(true);
  expect(spans(room.written(moment(4)))).toEqual([[2, 5]]);
  expect(room.written(moment(5))).toEqual([]);
  expect(spans(room.receive(logBatch(6, some(1)), moment(6)))).toEqual([[5, 6]]);
});

test('a window that ends, or is full, while its room is held, is cut when the room is not held any more', () => {
  for (const [publications, at] of [
    [2, 100],
    [3, 10],
  ] as const) {
    const room = roomOf({ merge: { publicationsMax: 3 } });
    room.setUnderWayMax(1);
    room.receive(logBatch(1, some(1)), moment(0));
    expect(room.receive(logBatch(2, some(publications)), moment(10))).toEqual([]);
    expect(room.tick(moment(at))).toEqual([]);
    expect(room.isWaiting).toBe(true);
    room.setUnderWayMax(2);
    expect(spans(room.written(moment(200)))).toEqual([[1, 1 + publications]]);
    expect(room.receive(logBatch(2 + publications, some(1)), moment(299))).toEqual([]);
    expect(room.dueAt).toBe(300);
  }
});

test('a held room that can hold no more gives up half by priority, and each class is told how many', () => {
  // 2 publications in 100 ms are 20 in a second.
  const room = roomOf({ merge: { publicationsMax: 2 } }, ['plain', 'full']);
  room.setUnderWayMax(1);
  room.receive(logBatch(1, some(1)), moment(0));
  const mixed = [...some(10, { priority: 'low' }), ...some(3, { priority: 'high' }), ...some(6)];
  room.receive(logBatch(2, mixed), moment(1));
  const [whole] = room.written(moment(2));
  expect(whole?.publications).toHaveLength(19);

  const full = roomOf({ merge: { publicationsMax: 2 } }, ['plain', 'full']);
  full.setUnderWayMax(1);
  full.receive(logBatch(1, some(1)), moment(0));
  full.receive(logBatch(2, [...mixed, ...some(1)]), moment(1));
  const [cut] = full.written(moment(2));
  for (const classCut of cut?.classes ?? []) {
    expect(classCut).toMatchObject({ after: 1, upto: 21, leftOut: 10 });
    expect(classCut.dropped?.count('budget', 'low')).toBe(10);
    expect(classCut.items.filter(({ publication: { priority } }) => priority === 'high')).toHaveLength(3);
  }
});

test('a held room conflates before it gives anything up: a sum is whole, and only the newest of a key is sent', () => {
  // A window of a second holds 20.
  const room = roomOf({ merge: { publicationsMax: 2 } }, ['plain', 'full']);
  room.setUnderWayMax(1);
  room.receive(logBatch(1, some(1)), moment(0));
  const burst = Array.from({ length: 20_000 }, (_, index) =>
    publication(String(index), { conflation: index % 10 === 0 ? latest('score') : sum('like', 2) }),
  );
  room.receive(logBatch(2, burst), moment(1));
  const [cut] = room.written(moment(2));
  const [plain, full] = cut?.classes ?? [];
  expect(full?.items.map(({ offset, count }) => [offset, count])).toEqual([
    [19_992, undefined],
    [20_001, 36_000],
  ]);
  expect([full?.dropped?.count('conflated', 'normal'), full?.dropped?.count('budget', 'normal')]).toEqual([19_998, 0]);
  // Plain members can't be told a count: they are given as many likes as the window holds, and the newest score.
  expect(plain?.items.length).toBeGreaterThanOrEqual(10);
  expect(plain?.items.filter(({ publication: { conflation } }) => conflation?.mode === 'Latest').length).toBeLessThanOrEqual(1);
  expect((plain?.dropped?.total ?? 0) + (plain?.items.length ?? 0)).toBe(20_000);
});

test('members of another encoding who join while a window is open get all of it', () => {
  for (const [first, second] of [
    ['plain', 'full'],
    ['full', 'plain'],
  ] as const) {
    const room = roomOf({}, [first]);
    room.receive(logBatch(1, some(1)), moment(0));
    room.receive(
      logBatch(
        2,
        [sum('like', 2), sum('like', 3)].map((conflation) => publication('x', { conflation })),
      ),
      moment(1),
    );
    room.openClass(classOf(second), 2);
    const [cut] = room.tick(moment(100));
    const found = cut?.classes.map(({ memberClass, items }) => [memberClass, items.map(({ count }) => count)]);
    expect(new Map(found as [])).toEqual(
      new Map<MemberClass, unknown>([
        [classOf('plain'), [undefined, undefined]],
        [classOf('full'), [5]],
      ]),
    );
    room.closeClass(classOf(first));
    expect(room.tick(moment(200))).toEqual([]);
    expect(only(room.receive(logBatch(4, some(1)), moment(1_000)), second).items).toHaveLength(1);
  }
});
