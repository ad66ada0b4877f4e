import { expect, test } from 'vitest';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import { densityFor, rateOf } from '../../../gateway/merging/density.ts';
import { classOf, only, policyOf, roomOf, some, spans, type ClassName } from '../../support/mergers.ts';
import { latest, logBatch, moment, publication, sum } from '../../support/publications.ts';

test('a quiet room sends at once, then collects for a window, then is quiet again', () => {
  const room = roomOf();
  expect(spans(room.receive(logBatch(1, some(1)), moment(1000)))).toEqual([[0, 1]]);
  expect(room.receive(logBatch(2, some(1)), moment(1010))).toEqual([]);
  expect(room.dueAt).toBe(1100);
  expect(room.receive(logBatch(3, some(2)), moment(1099))).toEqual([]);
  expect(room.position).toEqual({ epoch: 'e', offset: 1 });
  expect(room.tick(moment(1099))).toEqual([]);
  expect(spans(room.tick(moment(1100)))).toEqual([[1, 4]]);
  expect(room.tick(moment(1200))).toEqual([]);
  expect(room.dueAt).toBeUndefined();
  expect(spans(room.receive(logBatch(5, some(1)), moment(1201)))).toEqual([[4, 5]]);
});

test('a window with nothing in it ends by itself: no timer is needed, and the next publication is sent at once', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(1000));
  expect(room.dueAt).toBeUndefined();
  expect(room.receive(logBatch(2, some(1)), moment(1099))).toEqual([]);
  expect(spans(room.tick(moment(1100)))).toEqual([[1, 2]]);
  expect(room.dueAt).toBeUndefined();
  expect(spans(room.receive(logBatch(3, some(1)), moment(1200)))).toEqual([[2, 3]]);
  expect(room.receive(logBatch(4, some(1)), moment(1299))).toEqual([]);
  expect(room.dueAt).toBe(1300);
});

test('a window is cut at publicationsMax and at bytesMax, not one later', () => {
  const room = roomOf({ merge: { publicationsMax: 3, bytesMax: 1024 } });
  room.receive(logBatch(1, some(1)), moment(0));
  expect(room.receive(logBatch(2, some(2)), moment(1))).toEqual([]);
  expect(spans(room.receive(logBatch(4, some(1)), moment(2)))).toEqual([[1, 4]]);
  expect(room.receive(logBatch(5, [publication('x'.repeat(1023))]), moment(3))).toEqual([]);
  expect(spans(room.receive(logBatch(6, some(1)), moment(4)))).toEqual([[4, 6]]);
  expect(spans(room.receive(logBatch(7, some(7)), moment(5)))).toEqual([
    [6, 9],
    [9, 12],
  ]);
  // The window began anew with the last cut, at 5 ms.
  expect(room.tick(moment(104))).toEqual([]);
  expect(spans(room.tick(moment(105)))).toEqual([[12, 13]]);
});

test('a window of 0 sends each bus batch at once', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } });
  expect(spans(room.receive(logBatch(1, some(1)), moment(0)))).toEqual([[0, 1]]);
  expect(spans(room.receive(logBatch(2, some(3)), moment(0)))).toEqual([[1, 4]]);
  expect(room.dueAt).toBeUndefined();
});

test('what was received before is not cut twice', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } });
  room.receive(logBatch(1, some(3)), moment(0));
  expect(room.receive(logBatch(2, some(2)), moment(1))).toEqual([]);
  expect(only(room.receive(logBatch(3, some(2)), moment(2))).items.map(({ offset }) => offset)).toEqual([4]);
});

test('a hole ends the open window, and the next cut begins after the hole', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, some(1)), moment(10));
  expect(spans(room.receive(logBatch(9, some(1)), moment(20)))).toEqual([[1, 2]]);
  expect(spans(room.tick(moment(100)))).toEqual([[8, 9]]);
});

test('another epoch ends the open window and begins its own order', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, some(1)), moment(10));
  const [before] = room.receive(logBatch(1, some(1), 'f'), moment(20));
  expect(before).toMatchObject({ epoch: 'e', after: 1, upto: 2 });
  expect(room.tick(moment(100))).toMatchObject([{ epoch: 'f', after: 0, upto: 1 }]);
});

test('spans that were wholly left out are told before a hole, so that the hole is told at its true size', () => {
  for (const interrupted of ['a batch', 'a resubscription']) {
    const room = roomOf({}, ['dense5']);
    room.receive(logBatch(1, some(5)), moment(0));
    room.receive(logBatch(6, some(2)), moment(10));
    const events =
      interrupted === 'a batch'
        ? room.receive(logBatch(20, some(1)), moment(20))
        : room.resubscribed({ epoch: 'e', offset: 19 }, moment(20));
    const told = events.flatMap((event) => (event.kind === 'cut' ? event.classes.filter(({ send }) => send) : []));
    expect(told).toMatchObject([{ after: 5, upto: 7, leftOut: 2, items: [] }]);
    if (interrupted !== 'a batch') expect(events.at(-1)).toMatchObject({ kind: 'missing', after: 7, position: { offset: 19 } });
  }
});

test('a resubscription at the position that the room has is no interruption', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(3)), moment(0));
  expect(room.resubscribed({ epoch: 'e', offset: 3 }, moment(1))).toEqual([]);
  expect(room.resubscribed({ epoch: 'e', offset: 2 }, moment(1))).toEqual([]);
});

test('a resubscription at the beginning of the epoch of which publications were read before is no interruption', () => {
  const room = roomOf();
  room.receive(logBatch(9, some(2), 'f7'), moment(0));
  expect(room.resubscribed({ epoch: 'f', offset: 8 }, moment(1))).toEqual([]);
  expect(room.received).toEqual({ epoch: 'f7', offset: 10 });
  expect(room.resubscribed({ epoch: 'f', offset: 11 }, moment(2)).at(-1)).toMatchObject({ kind: 'missing' });
});

test('a resubscription further on first sends the open window, then says what is missing', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, some(1)), moment(1));
  expect(room.resubscribed({ epoch: 'e', offset: 7 }, moment(2))).toMatchObject([
    { kind: 'cut', after: 1, upto: 2 },
    { kind: 'missing', after: 2, position: { epoch: 'e', offset: 7 } },
  ]);
  expect(room.position).toEqual({ epoch: 'e', offset: 7 });
});

test('the first publication goes on from a position that has only the beginning of its epoch, and gives the room its name', () => {
  const room = roomOf();
  room.resubscribed({ epoch: 'f', offset: 2 }, moment(0));
  expect(room.resubscribed({ epoch: 'f', offset: 2 }, moment(0))).toEqual([]);
  expect(room.receive(logBatch(3, some(1), 'f7'), moment(1))).toMatchObject([{ epoch: 'f7', after: 2, upto: 3 }]);
  expect(room.position).toEqual({ epoch: 'f7', offset: 3 });
  // Another order of the same reign is another order.
  room.receive(logBatch(4, some(1), 'f8'), moment(2));
  expect(room.position).toEqual({ epoch: 'f8', offset: 3 });
  expect(room.resubscribed({ epoch: 'f', offset: 9 }, moment(3)).at(-1)).toMatchObject({ kind: 'missing', position: { epoch: 'f' } });
});

test('what was missed of an epoch that was not begun yet is told at its size', () => {
  const room = roomOf();
  room.resubscribed({ epoch: 'f', offset: 2 }, moment(0));
  expect(room.resubscribed({ epoch: 'f7', offset: 5 }, moment(1))).toMatchObject([
    { kind: 'missing', after: 2, position: { epoch: 'f7', offset: 5 } },
  ]);
});

test('a publication expires at acceptedAt + ttlMs, and not before', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(
    logBatch(2, [publication('gone', { ttlMs: 100, acceptedAt: 0 }), publication('still', { ttlMs: 101, acceptedAt: 0 })]),
    moment(10),
  );
  const cut = only(room.tick(moment(100)));
  expect(cut.items.map(({ offset }) => offset)).toEqual([3]);
  expect([cut.dropped?.total, cut.dropped?.reasonOf(2)]).toEqual([1, 'expired']);
  expect(cut).toMatchObject({ after: 1, upto: 3, leftOut: 1 });
});

test('a publication expires by the machine clock, whatever it was set to; the window ends by the monotonic one', () => {
  for (const setBy of [-3_600_000, 3_600_000]) {
    const room = roomOf();
    room.receive(logBatch(1, some(1)), moment(0));
    const acceptedAt = 10 + setBy;
    const publications = [publication('gone', { ttlMs: 90, acceptedAt }), publication('still', { ttlMs: 91, acceptedAt })];
    room.receive(logBatch(2, publications), { monotonic: 10, wall: acceptedAt });
    expect(room.tick({ monotonic: 99, wall: 100 + setBy })).toEqual([]);
    const cut = only(room.tick({ monotonic: 100, wall: 100 + setBy }));
    expect(cut.items.map(({ offset }) => offset)).toEqual([3]);
    expect([cut.dropped?.total, cut.dropped?.reasonOf(2)]).toEqual([1, 'expired']);
  }
});

test('the plain class gets every publication of a sum, barrage.v1 the newest with the count; both get only the latest', () => {
  const room = roomOf({}, ['plain', 'full']);
  const window = [sum('like', 2), sum('like', 3), latest('score'), latest('score')].map((conflation) => publication('x', { conflation }));
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, window), moment(1));
  const [cut] = room.tick(moment(100));
  const offsets = (name: ClassName) =>
    cut?.classes.find((each) => each.memberClass === classOf(name))?.items.map(({ offset, count }) => [offset, count]);
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
    for (const cut of [...room.tick(moment(at)), ...room.receive(logBatch(offset, some(20)), moment(at))])
      given += cut.classes[0]?.items.length ?? 0;
    offset += 20;
  }
  expect(given).toBeGreaterThanOrEqual(105);
  expect(given).toBeLessThanOrEqual(10 + 100);
});

test('a class that was left everything out is told so by its next batch', () => {
  const room = roomOf({}, ['dense5']);
  expect(only(room.receive(logBatch(1, some(5)), moment(0)), 'dense5').items).toHaveLength(5);
  room.receive(logBatch(6, some(2)), moment(10));
  expect(only(room.tick(moment(100)), 'dense5')).toMatchObject({ send: false });
  expect(room.untold(classOf('dense5'))).toEqual({ after: 5, upto: 7, leftOut: 2 });
  room.receive(logBatch(8, some(1)), moment(150));
  expect(only(room.tick(moment(200)), 'dense5')).toMatchObject({ after: 5, upto: 8, leftOut: 2, items: [{ offset: 8 }], send: true });
  expect(room.untold(classOf('dense5'))).toBeUndefined();
});

test('a class that was left everything out is told so when the room goes quiet', () => {
  const room = roomOf({}, ['dense5']);
  room.receive(logBatch(1, some(5)), moment(0));
  room.receive(logBatch(6, some(2)), moment(10));
  room.tick(moment(100));
  expect(only(room.tick(moment(200)), 'dense5')).toMatchObject({ after: 5, upto: 7, leftOut: 2, items: [], send: true });
  expect(room.dueAt).toBeUndefined();
});

test('without a window too, a class that was left everything out is told so within a second', () => {
  const room = roomOf({ merge: { windowMilliseconds: 0 } }, ['dense5']);
  room.receive(logBatch(1, some(5)), moment(0));
  room.receive(logBatch(6, some(2)), moment(1));
  const { dueAt = Infinity } = room;
  expect(dueAt).toBeLessThanOrEqual(1001);
  expect(only(room.tick(moment(dueAt)), 'dense5')).toMatchObject({ after: 5, upto: 7, leftOut: 2, send: true });
});

test('one who joins gets the whole open window', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, some(2)), moment(10));
  const position = room.position;
  room.openClass(classOf('dense20'), 20);
  const cut = room.tick(moment(100))[0]?.classes.find(({ memberClass }) => memberClass === classOf('dense20'));
  expect(cut).toMatchObject({ after: position.offset, upto: 3, leftOut: 0 });
});

test('an overloaded process stretches the window to a second at most and shrinks the budgets', () => {
  const room = roomOf({ budget: { publicationsPerSecond: 10 } });
  room.setCadence({ windowMs: 5000, budgetFactor: 0.5 });
  expect(room.windowMs).toBe(1000);
  room.receive(logBatch(1, some(1)), moment(0));
  room.receive(logBatch(2, some(10)), moment(1));
  expect(only(room.tick(moment(1000))).items.length).toBeLessThanOrEqual(5);
});

test('a new policy is in force from the next publication on', () => {
  const room = roomOf();
  room.receive(logBatch(1, some(1)), moment(0));
  room.setPolicy(policyOf({ merge: { publicationsMax: 2 } }));
  expect(spans(room.receive(logBatch(2, some(2)), moment(1)))).toEqual([[1, 3]]);
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
  for (const [density, rate] of rates) expect(rateOf(densityFor(density, policy), policy)).toBe(rate);
  expect(rateOf(densityFor(undefined, defaultPolicy), defaultPolicy)).toBeUndefined();
  expect(rateOf(densityFor(1000, defaultPolicy), defaultPolicy)).toBe(50);
});

test('a window that is stretched holds more by the same factor', () => {
  const room = roomOf({ merge: { publicationsMax: 3 } });
  room.setCadence({ windowMs: 200, budgetFactor: 1 });
  room.receive(logBatch(1, some(1)), moment(0));
  expect(room.receive(logBatch(2, some(5)), moment(1))).toEqual([]);
  expect(spans(room.receive(logBatch(7, some(1)), moment(2)))).toEqual([[1, 7]]);
});

test('where budgets are shrunk so much more may come before a window is cut, and no more is sent', () => {
  // A window of a second holds 30; at a factor of 1/3 it is cut at 90, of which 60 are kept to choose from.
  const room = roomOf({ merge: { publicationsMax: 3 } });
  room.setCadence({ windowMs: 1000, budgetFactor: 1 / 3 });
  room.receive(logBatch(1, some(1)), moment(0));
  expect(room.receive(logBatch(2, some(89)), moment(1))).toEqual([]);
  const cut = only(room.receive(logBatch(91, some(1)), moment(2)));
  expect(cut).toMatchObject({ after: 1, upto: 91, leftOut: 60 });
  expect(cut.items).toHaveLength(30);
});

test('a new policy leaves a stretched window stretched, until the cadence says otherwise', () => {
  const room = roomOf();
  room.setPolicy(policyOf({ merge: { windowMilliseconds: 50 } }));
  expect(room.windowMs).toBe(50);
  room.setCadence({ windowMs: 400, budgetFactor: 0.5 });
  room.setPolicy(policyOf({ merge: { windowMilliseconds: 20 } }));
  expect(room.windowMs).toBe(400);
  room.setPolicy(policyOf({ merge: { windowMilliseconds: 500 } }));
  expect(room.windowMs).toBe(500);
  room.setCadence({ windowMs: 500, budgetFactor: 1 });
  room.setPolicy(policyOf({ merge: { windowMilliseconds: 20 } }));
  expect(room.windowMs).toBe(20);
});
