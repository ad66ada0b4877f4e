import { expect, test } from 'vitest';
import { defaultPolicy, policyFileSchema, type ChannelPolicy } from '../../../core/policy.ts';
import { Room, classFor, classDensity, type ClassCut, type Cut, type MemberClass } from '../../../gateway/room.ts';
import { latest, logBatch, publication, sum } from '../../support/publications.ts';

function policyOf(fields: object): ChannelPolicy {
  const [policy] = policyFileSchema.parse({ channels: [{ channel: 'c', ...fields }] }).channels;
  return policy ?? defaultPolicy;
}

/** A room at offset 0 of epoch `e` with these classes open since the time 0. */
function roomOf(fields: object = {}, classes: readonly MemberClass[] = ['full']): Room {
  const room = new Room({ channel: 'c', policy: policyOf(fields), position: { epoch: 'e', offset: 0 } });
  for (const memberClass of classes) room.openClass(memberClass, 0);
  return room;
}

function some(count: number, more: Parameters<typeof publication>[1] = {}): ReturnType<typeof publication>[] {
  return Array.from({ length: count }, () => publication('x', more));
}

function spans(cuts: readonly Cut[]): readonly (readonly [after: number, upto: number])[] {
  return cuts.map(({ after, upto }) => [after, upto] as const);
}

function only(cuts: readonly Cut[], memberClass: MemberClass = 'full'): ClassCut {
  expect(cuts).toHaveLength(1);
  const classCut = cuts[0]?.classes.find((each) => each.memberClass === memberClass);
  if (classCut === undefined) throw new Error(`the cut has no class ${memberClass}`);
  return classCut;
}

test('a quiet room sends at once, then collects for a window, then is quiet again', () => {
  const room = roomOf();
  expect(spans(room.receive(logBatch(1, some(1)), 1000))).toEqual([[0, 1]]);
  expect(room.dueAt).toBe(1100);
  expect(room.receive(logBatch(2, some(1)), 1010)).toEqual([]);
  expect(room.receive(logBatch(3, some(2)), 1099)).toEqual([]);
  expect(room.position).toEqual({ epoch: 'e', offset: 1 });
  expect(room.tick(1099)).toEqual([]);
  expect(spans(room.tick(1100))).toEqual([[1, 4]]);
  expect(room.dueAt).toBe(1200);
  expect(room.tick(1200)).toEqual([]);
  expect(room.dueAt).toBeUndefined();
  expect(spans(room.receive(logBatch(5, some(1)), 1201))).toEqual([[4, 5]]);
});

test('a window is cut at publicationsMax and at bytesMax, not one later', () => {
  const room = roomOf({ merge: { publicationsMax: 3, bytesMax: 1024 } });
  room.receive(logBatch(1, some(1)), 0);
  expect(room.receive(logBatch(2, some(2)), 1)).toEqual([]);
  expect(spans(room.receive(logBatch(4, some(1)), 2))).toEqual([[1, 4]]);
  expect(room.receive(logBatch(5, [publication('x'.repeat(1023))]), 3)).toEqual([]);
  expect(spans(room.receive(logBatch(6, some(1)), 4))).toEqual([[4, 6]]);
  expect(spans(room.receive(logBatch(7, some(7)), 5))).toEqual([
    [6, 9],
    [9, 12],
  ]);
  // The window began anew with the last cut, at 5 ms.
  expect(room.tick(104)).toEqual([]);
  expect(spans(room.tick(105))).toEqual([[12, 13]]);
});

test('a window of 0 sends each bus batch at once', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } });
  expect(spans(room.receive(logBatch(1, some(1)), 0))).toEqual([[0, 1]]);
  expect(spans(room.receive(logBatch(2, some(3)), 0))).toEqual([[1, 4]]);
  expect(room.dueAt).toBeUndefined();
});

test('what was received before is not cut twice', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } });
  room.receive(logBatch(1, some(3)), 0);
  expect(room.receive(logBatch(2, some(2)), 1)).toEqual([]);
  expect(only(room.receive(logBatch(3, some(2)), 2)).items.map(({ offset }) => offset)).toEqual([4]);
});

test('a hole ends the open window, and the next cut begins after the hole', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, some(1)), 10);
  expect(spans(room.receive(logBatch(9, some(1)), 20))).toEqual([[1, 2]]);
  expect(spans(room.tick(100))).toEqual([[8, 9]]);
});

test('another epoch ends the open window and begins its own order', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, some(1)), 10);
  const [before] = room.receive(logBatch(1, some(1), 'f'), 20);
  expect(before).toMatchObject({ epoch: 'e', after: 1, upto: 2 });
  expect(room.tick(100)).toMatchObject([{ epoch: 'f', after: 0, upto: 1 }]);
});

test('spans that were wholly left out are told before a hole, so that the hole is told at its true size', () => {
  for (const interrupted of ['a batch', 'a resubscription']) {
    const room = roomOf({}, ['dense5']);
    room.receive(logBatch(1, some(5)), 0);
    room.receive(logBatch(6, some(2)), 10);
    const events = interrupted === 'a batch' ? room.receive(logBatch(20, some(1)), 20) : room.resubscribed({ epoch: 'e', offset: 19 }, 20);
    const told = events.flatMap((event) => (event.kind === 'cut' ? event.classes.filter(({ send }) => send) : []));
    expect(told).toMatchObject([{ after: 5, upto: 7, leftOut: 2, items: [] }]);
    if (interrupted !== 'a batch') expect(events.at(-1)).toMatchObject({ kind: 'missing', after: 7, position: { offset: 19 } });
  }
});

test('a resubscription at the position that the room has is no interruption', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(3)), 0);
  expect(room.resubscribed({ epoch: 'e', offset: 3 }, 1)).toEqual([]);
  expect(room.resubscribed({ epoch: 'e', offset: 2 }, 1)).toEqual([]);
});

test('a resubscription further on first sends the open window, then says what is missing', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, some(1)), 1);
  expect(room.resubscribed({ epoch: 'e', offset: 7 }, 2)).toMatchObject([
    { kind: 'cut', after: 1, upto: 2 },
    { kind: 'missing', after: 2, position: { epoch: 'e', offset: 7 } },
  ]);
  expect(room.position).toEqual({ epoch: 'e', offset: 7 });
});

test('a publication expires at acceptedAt + ttlMs, and not before', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, [publication('gone', { ttlMs: 100, acceptedAt: 0 }), publication('still', { ttlMs: 101, acceptedAt: 0 })]), 10);
  const cut = only(room.tick(100));
  expect(cut.items.map(({ offset }) => offset)).toEqual([3]);
  expect(cut.dropped).toMatchObject([{ placed: { offset: 2 }, reason: 'expired' }]);
  expect(cut).toMatchObject({ after: 1, upto: 3, leftOut: 1 });
});

test('the plain class gets every publication of a sum, barrage.v1 the newest with the count; both get only the latest', () => {
  const room = roomOf({}, ['plain', 'full']);
  const window = [sum('like', 2), sum('like', 3), latest('score'), latest('score')].map((conflation) => publication('x', { conflation }));
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, window), 1);
  const [cut] = room.tick(100);
  const offsets = (memberClass: MemberClass) =>
    cut?.classes.find((each) => each.memberClass === memberClass)?.items.map(({ offset, count }) => [offset, count]);
  expect(offsets('plain')).toEqual(
    [
      [2, 2],
      [3, 3],
      [5, undefined],
    ].map(([offset]) => [offset, undefined]),
  );
  expect(offsets('full')).toEqual([
    [3, 5],
    [5, undefined],
  ]);
});

test('a budget holds over a second, with a burst of one second', () => {
  const room = roomOf({ budget: { publicationsPerSecond: 10 }, merge: { windowMilliseconds: 100 } });
  let given = 0;
  let offset = 1;
  for (let at = 0; at <= 10_000; at += 100) {
    for (const cut of [...room.tick(at), ...room.receive(logBatch(offset, some(20)), at)]) given += cut.classes[0]?.items.length ?? 0;
    offset += 20;
  }
  expect(given).toBeGreaterThanOrEqual(105);
  expect(given).toBeLessThanOrEqual(10 + 100);
});

test('a class that was left everything out is told so by its next batch', () => {
  const room = roomOf({}, ['dense5']);
  expect(only(room.receive(logBatch(1, some(5)), 0), 'dense5').items).toHaveLength(5);
  room.receive(logBatch(6, some(2)), 10);
  expect(only(room.tick(100), 'dense5')).toMatchObject({ send: false });
  expect(room.untold('dense5')).toEqual({ after: 5, upto: 7, leftOut: 2 });
  room.receive(logBatch(8, some(1)), 150);
  expect(only(room.tick(200), 'dense5')).toMatchObject({ after: 5, upto: 8, leftOut: 2, items: [{ offset: 8 }], send: true });
  expect(room.untold('dense5')).toBeUndefined();
});

test('a class that was left everything out is told so when the room goes quiet', () => {
  const room = roomOf({}, ['dense5']);
  room.receive(logBatch(1, some(5)), 0);
  room.receive(logBatch(6, some(2)), 10);
  room.tick(100);
  expect(only(room.tick(200), 'dense5')).toMatchObject({ after: 5, upto: 7, leftOut: 2, items: [], send: true });
  expect(room.dueAt).toBeUndefined();
});

test('without a window too, a class that was left everything out is told so within a second', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } }, ['dense5']);
  room.receive(logBatch(1, some(5)), 0);
  room.receive(logBatch(6, some(2)), 1);
  const { dueAt = Infinity } = room;
  expect(dueAt).toBeLessThanOrEqual(1001);
  expect(only(room.tick(dueAt), 'dense5')).toMatchObject({ after: 5, upto: 7, leftOut: 2, send: true });
});

test('one who joins gets the whole open window', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, some(2)), 10);
  const position = room.position;
  room.openClass('dense20', 20);
  const cut = room.tick(100)[0]?.classes.find(({ memberClass }) => memberClass === 'dense20');
  expect(cut).toMatchObject({ after: position.offset, upto: 3, leftOut: 0 });
});

test('an overloaded process stretches the window to a second at most and shrinks the budgets', () => {
  const room = roomOf({ budget: { publicationsPerSecond: 10 } });
  room.setCadence({ windowMs: 5000, budgetFactor: 0.5 });
  expect(room.windowMs).toBe(1000);
  room.receive(logBatch(1, some(1)), 0);
  room.receive(logBatch(2, some(10)), 1);
  expect(only(room.tick(1000)).items.length).toBeLessThanOrEqual(5);
});

test('a new policy is in force from the next publication on', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), 0);
  room.setPolicy(policyOf({ merge: { publicationsMax: 2 } }));
  expect(spans(room.receive(logBatch(2, some(2)), 1))).toEqual([[1, 3]]);
});

test('a client is never put in a class that gives more than it asks for', () => {
  const policy = policyOf({ budget: { publicationsPerSecond: 30 } });
  const rates: readonly (readonly [density: number | undefined, rate: number | undefined])[] = [
    [undefined, 30],
    [100, 30],
    [30, 30],
    [29.9, 20],
    [20, 20],
    [19, 5],
    [5, 5],
  ];
  for (const [density, rate] of rates) expect(classDensity(classFor(density, policy), policy)).toBe(rate);
  expect(classDensity(classFor(undefined, defaultPolicy), defaultPolicy)).toBeUndefined();
  expect(classDensity(classFor(1000, defaultPolicy), defaultPolicy)).toBe(50);
});
