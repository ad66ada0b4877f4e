import { expect, test } from 'vitest';
import { Delivery } from '../../../gateway/rooms/delivery.ts';
import { FlushRecords } from '../../../gateway/rooms/flush-records.ts';
import type { Member } from '../../../gateway/rooms/members.ts';
import type { ClassCut, Cut } from '../../../gateway/merging/merger.ts';
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
  readonly records = new FlushRecords(this.clock);

  /** Cuts the next so many offsets. Returns how to end the flush. */
  cut(count = 1): () => void {
    const [after, upto] = [this.position.offset, this.position.offset + count];
    const items = Array.from({ length: count }, (_, index) => placed(after + 1 + index));
    const classCut: ClassCut = { memberClass: 'full', after, upto, leftOut: 0, items, dropped: [], send: true };
    const { epoch } = this.position;
    const cut: Cut = { kind: 'cut', channel: 'c', epoch, after, upto, publications: items, thinned: [0, 0, 0], classes: [classCut] };
    const members = Array.from({ length: this.size }, () => ({}) as Member);
    const delivery = new Delivery({ cut: classCut, epoch: cut.epoch, frame: Buffer.alloc(1), members, tallies: [], meter: { sent() {} } });
    const record = this.records.begin(cut, [delivery], () => this.size);
    this.position = { epoch: cut.epoch, offset: upto };
    return () => {
      delivery.handed(this.size);
      this.records.done(record);
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

test('what a full window only counted is told as left out for want of budget, to the offset', async () => {
  const { records } = new Flushing();
  const classes: ClassCut[] = [{ memberClass: 'full', after: 0, upto: 4, leftOut: 3, items: [placed(2)], dropped: [], send: true }];
  const span = { epoch: 'e', after: 0, upto: 4 };
  records.done(records.begin({ kind: 'cut', channel: 'c', ...span, publications: [placed(2)], thinned: [0, 3, 0], classes }, [], () => 5));
  const room = { position: { epoch: 'e', offset: 4 }, size: 5 };
  expect(await records.result({ epoch: 'e', offset: 2 }, never, room)).toEqual({ delivered: 0, dropped: {}, pending: 0 });
  for (const offset of [1, 3, 4])
    expect(await records.result({ epoch: 'e', offset }, never, room)).toEqual({ delivered: 0, dropped: { budget: 5 }, pending: 0 });
});

test('of flushes that are over, a thousand are remembered for a second, and sixteen longer; the others are said to be forgotten', async () => {
  const room = new Flushing();
  for (let made = 0; made < 1_001; made++) room.cut()();
  expect(await room.ask(1)).toBe('forgotten');
  expect(await room.ask(2)).toMatchObject({ delivered: 3 });
  room.clock.time += 1_000;
  room.cut()();
  expect(await room.ask(986)).toBe('forgotten');
  expect(await room.ask(987)).toMatchObject({ delivered: 3 });
  room.clock.time += 999_000;
  expect(await room.ask(1_002)).toMatchObject({ delivered: 3 });
});
