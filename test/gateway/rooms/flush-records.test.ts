import { expect, test } from 'vitest';
import { Delivery } from '../../../gateway/rooms/delivery.ts';
import { LeftOut } from '../../../gateway/merging/left-out.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import { FlushRecords, rememberedMs, type ClassRecord } from '../../../gateway/rooms/flush-records.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { placed } from '../../support/publications.ts';

/** So long that a test which waits for it fails by its own time. */
const never = 60_000;
const nobody = { delivered: 0, dropped: {}, pending: 0 };

/** A room of three members, whose flushes are over when the test says so. */
class Flushing {
  readonly clock = new FakeClock();
  readonly size = 3;
  position = { epoch: 'e', offset: 0 };
  readonly done: DoneFlushes<readonly ClassRecord[]>;
  readonly records: FlushRecords;

  constructor(done = new DoneFlushes<readonly ClassRecord[]>()) {
    this.done = done;
    this.records = new FlushRecords(this.clock, done);
  }

  /** Cuts the next so many offsets. Returns how to end the flush. */
  cut(count = 1): () => void {
    const [after, upto] = [this.position.offset, this.position.offset + count];
    const { epoch } = this.position;
    const span = { epoch, after, upto };
    const members = Array.from({ length: this.size }, () => 'member');
    const frame = { frame: Buffer.alloc(1), frames: 1, publications: [0, count, 0] };
    const delivery = new Delivery({ span, ...frame, members, tallies: [], meter: { sent() {} } });
    this.records.begin(span, [{ members: this.size, dropped: undefined, delivery }]);
    this.position = { epoch, offset: upto };
    return () => {
      delivery.handed(this.size);
      this.records.done();
    };
  }

  ask(offset: number, deadlineMs = never, epoch = 'e'): Promise<unknown> {
    return this.records.result({ epoch, offset }, deadlineMs, this);
  }
}

test('however many flushes are under way, each answers for its own offsets when it is over', async () => {
  const room = new Flushing();
  const ends = Array.from({ length: 3_000 }, () => room.cut());
  const early = Promise.all(Array.from({ length: 900 }, (_, index) => room.ask(index + 1)));
  for (const end of ends) end();
  expect(await early).toEqual(Array.from({ length: 900 }, () => ({ delivered: 3, dropped: {}, pending: 0 })));
});

test('a flush is waited for before it is cut, and after', async () => {
  const room = new Flushing();
  const [first, third] = [room.ask(1), room.ask(3)];
  const end = room.cut(3);
  const second = room.ask(2);
  end();
  for (const result of [first, second, third]) expect(await result).toEqual({ delivered: 3, dropped: {}, pending: 0 });
});

test('what was cut before this room opened reached nobody here, and is answered at once', async () => {
  const room = new Flushing();
  room.position = { epoch: 'e', offset: 7 };
  expect(await room.ask(7)).toEqual(nobody);
  room.cut()();
  expect(await room.ask(3)).toEqual(nobody);
  expect(await room.ask(8)).toMatchObject({ delivered: 3 });
});

test('what the bus lost is answered with the flush behind the hole, or at the deadline, and is not pending', async () => {
  const room = new Flushing();
  const [lost, lostLater] = [room.ask(2), room.ask(4, 20)];
  room.position = { epoch: 'e', offset: 2 };
  room.cut()();
  expect(await lost).toEqual(nobody);
  room.position = { epoch: 'e', offset: 9 };
  await room.clock.advance(20);
  expect(await lostLater).toEqual(nobody);
});

test('at the deadline what is not cut yet, and what is under way, is pending', async () => {
  const room = new Flushing();
  room.cut();
  const asked = [room.ask(1, 5), room.ask(2, 5), room.ask(1, 5, 'another')];
  await room.clock.advance(5);
  const pending = { delivered: 0, dropped: {}, pending: 3 };
  expect(await Promise.all(asked)).toEqual([pending, pending, pending]);
});

test('the reason is told for which an offset was left out for a class, beside what the other classes got', async () => {
  const { records } = new Flushing();
  const dropped = new LeftOut(0);
  for (const [offset, reason] of [
    [1, 'budget'],
    [3, 'conflated'],
    [4, 'expired'],
  ] as const)
    dropped.note(placed(offset), reason);
  const delivery = { result: () => ({ delivered: 2, slow: 1, disconnected: 0, pending: 4 }) };
  records.begin({ epoch: 'e', after: 0, upto: 4 }, [
    { members: 5, dropped, delivery: undefined },
    { members: 7, dropped: undefined, delivery },
  ]);
  records.done();
  const room = { position: { epoch: 'e', offset: 4 }, size: 12 };
  const resultOf = (offset: number) => records.result({ epoch: 'e', offset }, never, room);
  const others = { delivered: 2, pending: 4 };
  expect(await resultOf(1)).toEqual({ ...others, dropped: { budget: 5, slow: 1 } });
  expect(await resultOf(2)).toEqual({ ...others, dropped: { slow: 1 } });
  expect(await resultOf(3)).toEqual({ ...others, dropped: { conflated: 5, slow: 1 } });
  expect(await resultOf(4)).toEqual({ ...others, dropped: { expired: 5, slow: 1 } });
});

test('a flush that is over is remembered for five seconds, and said to be forgotten after that', async () => {
  const room = new Flushing();
  room.cut()();
  room.clock.time += rememberedMs - 1;
  room.cut()();
  expect(await room.ask(1)).toMatchObject({ delivered: 3 });
  room.clock.time += 1;
  expect(await room.ask(1)).toBe('forgotten');
  expect(await room.ask(2)).toMatchObject({ delivered: 3 });
});

test('all rooms of a gateway share one bound: at it every flush is known, and one past it the oldest is forgotten', async () => {
  const done = new DoneFlushes<readonly ClassRecord[]>(10);
  const [room, other] = [new Flushing(done), new Flushing(done)];
  for (let made = 0; made < 5; made++) {
    room.cut()();
    other.cut(2)();
  }
  expect(await room.ask(1)).toMatchObject({ delivered: 3 });
  other.cut()();
  expect(await room.ask(1)).toBe('forgotten');
  for (const offset of [1, 2, 9, 10, 11]) expect(await other.ask(offset)).toMatchObject({ delivered: 3 });
});

test('what still waits in a queue when its flush is over is pending, until it is handed over or dropped', async () => {
  const { records } = new Flushing();
  const delivery = new Delivery({
    span: { epoch: 'e', after: 0, upto: 1 },
    frame: Buffer.alloc(1),
    frames: 1,
    publications: [0, 1, 0],
    members: ['a', 'b', 'c'],
    tallies: [],
    meter: { sent() {} },
  });
  records.begin({ epoch: 'e', after: 0, upto: 1 }, [{ members: 3, dropped: undefined, delivery }]);
  delivery.handed(1);
  records.done();
  const ask = () => records.result({ epoch: 'e', offset: 1 }, never, { position: { epoch: 'e', offset: 1 }, size: 3 });
  expect(await ask()).toEqual({ delivered: 1, dropped: {}, pending: 2 });
  delivery.handed(1);
  delivery.dropped('slow', 1);
  expect(await ask()).toEqual({ delivered: 2, dropped: { slow: 1 }, pending: 0 });
});

test('offsets of an epoch that ended are still known, and never taken for those of the next', async () => {
  const room = new Flushing();
  room.cut(3)();
  room.position = { epoch: 'f', offset: 0 };
  room.cut()();
  expect(await room.ask(3)).toMatchObject({ delivered: 3 });
  expect(await room.ask(1, never, 'f')).toMatchObject({ delivered: 3 });
});

test('a flush that is under way is remembered, however long it takes', async () => {
  const room = new Flushing();
  const end = room.cut();
  room.clock.time += 10 * rememberedMs;
  end();
  expect(await room.ask(1)).toMatchObject({ delivered: 3 });
});
