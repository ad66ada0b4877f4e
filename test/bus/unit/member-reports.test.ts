import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RoomCounts } from '../../../core/bus/bus.ts';
import { ReportFault, ReportReader, ReportWriter } from '../../../core/bus/report-message.ts';
import { ReportTable } from '../../../core/bus/report-table.ts';
import { RoomReporter } from '../../../core/bus/room-reporter.ts';
import { limits } from '../../../core/limits.ts';
import { seededRandom } from '../model.ts';

const identity = { number: 1, name: 'gateway-a', life: 'first' };
const plenty = 1_000_000;

function rooms(count: number, ready = 1): Map<string, RoomCounts> {
  return new Map(Array.from({ length: count }, (_, index) => [`room:${index}`, { ready, full: 0 }]));
}

/** What a report says, in the order of its entries. */
function entriesOf(report: Buffer): readonly (readonly [index: number, channel: string | undefined, ready: number, full: number])[] {
  const reader = new ReportReader(report);
  const entries: [number, string | undefined, number, number][] = [];
  while (reader.next()) entries.push([reader.index, reader.channel, reader.ready, reader.full]);
  return entries;
}

test('a report is read as it was written, whatever it says', () => {
  const entry = fc.tuple(
    fc.nat(2 * limits.roomsMax),
    fc.option(fc.string({ maxLength: 60, unit: 'grapheme' }), { nil: undefined }),
    fc.nat(2 ** 40),
    fc.nat(2 ** 40),
  );
  const header = fc.record({
    kind: fc.constantFrom('changes', 'snapshot', 'snapshot-end', 'gone'),
    gateway: fc.integer({ min: 1, max: 1000 }),
    name: fc.string({ maxLength: 300, unit: 'grapheme' }),
    life: fc.stringMatching(/^[0-9a-f]{24}$/),
    sequence: fc.nat(2 ** 40),
    since: fc.nat(2 ** 40),
    part: fc.nat(9),
  });
  fc.assert(
    fc.property(header, fc.array(entry, { maxLength: 200 }), (said, entries) => {
      const writer = new ReportWriter(said);
      for (const [index, channel, ready, full] of entries) writer.entry(index, channel, ready, full);
      const isSnapshot = said.kind.startsWith('snapshot');
      expect(new ReportReader(writer.finish()).header).toEqual(isSnapshot ? said : { ...said, since: 0, part: 0 });
      expect(entriesOf(writer.finish())).toEqual(entries);
    }),
    { numRuns: 300 },
  );
});

test('bytes that are no report are a fault, and never anything else', () => {
  const report = new RoomReporter(identity).next(rooms(3), plenty);
  for (let length = 0; length < report.length; length++) {
    const read = (): unknown => entriesOf(report.subarray(0, length));
    // Between two entries it is a shorter report.
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(ReportFault);
    }
  }
  expect(() => new ReportReader(Buffer.from('{"gateway":1}'))).toThrow(ReportFault);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        entriesOf(Buffer.from([1, ...bytes]));
      } catch (error) {
        expect(error).toBeInstanceOf(ReportFault);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a room index at its bound is read, one beyond it is a fault', () => {
  const report = (index: number): Buffer => {
    const writer = new ReportWriter({ ...identity, gateway: 1, kind: 'changes', sequence: 1, since: 0, part: 0 });
    writer.entry(index, 'a', 1, 0);
    return writer.finish();
  };
  expect(entriesOf(report(2 * limits.roomsMax))).toHaveLength(1);
  expect(() => entriesOf(report(2 * limits.roomsMax + 1))).toThrow(ReportFault);
});

test('the first report names the rooms, the next ones tell what has changed, and one without changes says that the gateway lives', () => {
  const reporter = new RoomReporter(identity);
  const members = new Map([
    ['a', { ready: 1, full: 0 }],
    ['b', { ready: 2, full: 0 }],
  ]);
  const first = reporter.next(members, plenty);
  expect(new ReportReader(first).header).toMatchObject({ kind: 'changes', sequence: 1, gateway: 1, name: 'gateway-a', life: 'first' });
  expect(entriesOf(first)).toEqual([
    [0, 'a', 1, 0],
    [1, 'b', 2, 0],
  ]);
  members.set('b', { ready: 1, full: 1 });
  members.delete('a');
  expect(entriesOf(reporter.next(members, plenty))).toEqual([
    [0, undefined, 0, 0],
    [1, undefined, 1, 1],
  ]);
  const nothing = reporter.next(members, plenty);
  expect(entriesOf(nothing)).toEqual([]);
  expect(new ReportReader(nothing).header.sequence).toBe(3);
  members.set('c', { ready: 4, full: 0 });
  expect(entriesOf(reporter.next(members, plenty))).toEqual([[0, 'c', 4, 0]]);
});

test('a change of one room of 10,000 costs four bytes at most', () => {
  const reporter = new RoomReporter(identity);
  reporter.next(rooms(10_000), plenty);
  const idle = reporter.next(rooms(10_000), plenty).length;
  expect(reporter.next(rooms(10_000, 2), plenty).length - idle).toBeLessThanOrEqual(40_000);
});

test('where more changes than may be told each room waits its turn, and none is left out', () => {
  const reporter = new RoomReporter(identity);
  const table = new ReportTable('own');
  table.accept(reporter.next(rooms(1000), plenty), 0);
  const idle = reporter.next(rooms(1000), plenty);
  const idleBytes = idle.length;
  table.accept(idle, 0);
  const told = new Set<number>();
  for (let round = 1; round <= 10; round++) {
    const report = reporter.next(rooms(1000, 1 + round), 299);
    const entries = entriesOf(report);
    // It is full, and its last entry of three bytes began within the bound.
    expect(report.length - idleBytes).toBeGreaterThanOrEqual(299);
    expect(report.length - idleBytes).toBeLessThanOrEqual(299 + 2);
    for (const [index] of entries) told.add(index);
    expect(reporter.waiting).toBe(1000 - entries.length);
    table.accept(report, 0);
  }
  expect(told.size).toBeGreaterThan(990);
  while (reporter.waiting > 0) table.accept(reporter.next(rooms(1000, 11), 299), 0);
  for (let index = 0; index < 1000; index++) expect(table.memberCounts(`room:${index}`)).toEqual({ ready: 11, full: 0 });
});

test('rooms that are closed are told first, and rooms that came and went untold never', () => {
  const reporter = new RoomReporter(identity);
  reporter.next(rooms(10), plenty);
  expect(entriesOf(reporter.next([['new', { ready: 1, full: 0 }]], 1)).map(([, , ready]) => ready)).toEqual([0]);
  expect(reporter.waiting).toBe(10);
  expect(entriesOf(reporter.next([], plenty)).map(([, channel, ready]) => [channel, ready])).toEqual(Array(9).fill([undefined, 0]));
  expect(reporter.waiting).toBe(0);
});

test('who misses a report asks for what it missed, once a second, and holds later ones until it has it', () => {
  const reporter = new RoomReporter(identity);
  const table = new ReportTable('own');
  expect(table.accept(reporter.next(rooms(1, 1), plenty), 0)).toBeUndefined();
  reporter.next(rooms(2, 2), plenty);
  expect(table.accept(reporter.next(rooms(2, 3), plenty), 2000)).toEqual({ gateway: 1, since: 1 });
  expect(table.accept(reporter.next(rooms(2, 4), plenty), 2900)).toBeUndefined();
  expect(table.accept(reporter.next(rooms(2, 5), plenty), 3000)).toEqual({ gateway: 1, since: 1 });
  expect(table.memberCounts('room:0')).toEqual({ ready: 1, full: 0 });
  const [snapshot] = reporter.snapshot(1);
  const later = reporter.next(rooms(2, 6), plenty);
  expect(table.accept(later, 3500)).toBeUndefined();
  expect(table.accept(snapshot!, 3600)).toBeUndefined();
  expect(table.memberCounts('room:1')).toEqual({ ready: 6, full: 0 });
  expect(table.isWhole(3600)).toBe(true);
});

test('a snapshot of what was missed has nothing else in it, and all of it', () => {
  const reporter = new RoomReporter(identity);
  const members = rooms(5);
  reporter.next(members, plenty);
  members.delete('room:1');
  members.set('room:3', { ready: 9, full: 0 });
  reporter.next(members, plenty);
  expect(reporter.snapshot(1).map(entriesOf)).toEqual([
    [
      [1, undefined, 0, 0],
      [3, 'room:3', 9, 0],
    ],
  ]);
  expect(reporter.snapshot(2).map(entriesOf)).toEqual([[]]);
});

test('a large snapshot comes in parts, and one without all its parts is none', () => {
  const reporter = new RoomReporter(identity);
  reporter.next(rooms(50_000), 10 * plenty);
  const parts = reporter.snapshot(0);
  expect(parts.length).toBeGreaterThan(2);
  const table = new ReportTable('own');
  for (const part of parts.toSpliced(1, 1)) table.accept(part, 0);
  expect(table.complete).toBe(0);
  expect(table.isWhole(0)).toBe(false);
  expect(table.accept(reporter.next(rooms(50_000), plenty), 2000)).toEqual({ gateway: 1, since: 0 });
  for (const part of parts) table.accept(part, 2001);
  expect(table.complete).toBe(1);
  expect(table.memberCounts('room:49999')).toEqual({ ready: 1, full: 0 });
});

test('a gateway that is silent for 3 s is not counted, after 15 s it is forgotten, and one that leaves is gone at once', () => {
  const reporter = new RoomReporter(identity);
  const table = new ReportTable('own');
  table.accept(reporter.next(rooms(1), plenty), 1000);
  table.sweep(4000);
  expect(table.memberCounts('room:0')).toEqual({ ready: 1, full: 0 });
  table.sweep(4001);
  expect(table.memberCounts('room:0')).toEqual({ ready: 0, full: 0 });
  expect(table.gateways(4001)).toEqual([{ number: 1, name: 'gateway-a', condition: 'silent' }]);
  table.accept(reporter.next(rooms(1), plenty), 5000);
  expect(table.memberCounts('room:0')).toEqual({ ready: 1, full: 0 });
  expect(table.gateways(5000)).toEqual([{ number: 1, name: 'gateway-a', condition: 'alive' }]);
  table.accept(new RoomReporter({ ...identity, life: 'another' }).gone(), 5000);
  table.sweep(20_000);
  expect(table.gateways(20_000)).toHaveLength(1);
  table.sweep(20_001);
  expect(table.gateways(20_001)).toEqual([]);
  const successor = new RoomReporter(identity);
  table.accept(successor.next(rooms(1), plenty), 21_000);
  table.accept(successor.gone(), 21_000);
  expect(table.gateways(21_000)).toEqual([]);
  expect(table.memberCounts('room:0')).toEqual({ ready: 0, full: 0 });
});

test('two gateways that hold one number by mistake are counted both, and none of them is asked for what it told', () => {
  const table = new ReportTable('own');
  const [one, other] = [new RoomReporter(identity), new RoomReporter({ ...identity, life: 'second' })];
  for (let second = 0; second < 5; second++)
    for (const reporter of [one, other]) expect(table.accept(reporter.next(rooms(1, 2), plenty), second * 1000)).toBeUndefined();
  expect(table.memberCounts('room:0')).toEqual({ ready: 4, full: 0 });
});

test('a process that gave up a number and took another has the new one alone, with all that it reports', () => {
  const table = new ReportTable('listener');
  table.accept(new RoomReporter(identity).next(rooms(3), plenty), 0);
  const again = new RoomReporter({ ...identity, number: 7 });
  table.accept(again.next(rooms(2), plenty), 100);
  table.accept(again.next(rooms(2, 5), plenty), 200);
  expect(table.gateways(300)).toEqual([{ number: 7, name: 'gateway-a', condition: 'alive' }]);
  expect([0, 1, 2].map((room) => table.memberCounts(`room:${room}`).ready)).toEqual([5, 5, 0]);
  expect(table.channels).toBe(2);
});

test('a process takes no notice of its own reports', () => {
  const table = new ReportTable('first');
  table.accept(new RoomReporter(identity).next(rooms(1), plenty), 0);
  expect(table.gateways(0)).toEqual([]);
});

test('counts are not whole while a gateway has told nothing, or a report has been missing for 3 s', () => {
  const reporter = new RoomReporter(identity);
  reporter.next(rooms(1), plenty);
  const table = new ReportTable('own');
  expect(table.isWhole(0)).toBe(true);
  table.accept(reporter.next(rooms(1), plenty), 0);
  expect(table.isWhole(0)).toBe(false);
  for (const part of reporter.snapshot(0)) table.accept(part, 10);
  expect(table.isWhole(10)).toBe(true);
  reporter.next(rooms(1), plenty);
  table.accept(reporter.next(rooms(1), plenty), 2000);
  expect(table.isWhole(5000)).toBe(true);
  expect(table.isWhole(5001)).toBe(false);
});

test('200 gateways that were killed leave nothing behind, though nobody asks', () => {
  const table = new ReportTable('own');
  for (let number = 1; number <= 200; number++) {
    const reporter = new RoomReporter({ number, name: `gateway-${number}`, life: `life${number}` });
    table.accept(reporter.next(rooms(100), plenty), number * 3_600_000);
    table.sweep(number * 3_600_000);
    expect(table.gateways(number * 3_600_000)).toHaveLength(1);
  }
  table.sweep(201 * 3_600_000);
  expect(table.channels).toBe(0);
});

test('through lost reports and little room for them the table comes to agree with the rooms', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const reporter = new RoomReporter(identity);
    const table = new ReportTable('own');
    const members = new Map<string, RoomCounts>();
    const step = (now: number, lossy: boolean): void => {
      const arrives = (): boolean => !lossy || random() < 0.7;
      for (let change = 0; lossy && change < 5; change++) {
        const channel = `room:${Math.floor(random() * 20)}`;
        if (random() < 0.4) members.delete(channel);
        else members.set(channel, { ready: 1 + Math.floor(random() * 9), full: Math.floor(random() * 3) });
      }
      const report = reporter.next(members, lossy ? random() * 40 : plenty);
      const wish = arrives() ? table.accept(report, now) : undefined;
      if (wish === undefined || !arrives()) return;
      const answer = reporter.snapshot(wish.since);
      // The next report may overtake the answer.
      if (random() < 0.3) table.accept(reporter.next(members, lossy ? random() * 40 : plenty), now);
      for (const part of answer) if (arrives()) table.accept(part, now);
    };
    for (let second = 0; second < 40; second++) step(second * 1000, true);
    for (let second = 40; second < 44; second++) step(second * 1000, false);
    for (let index = 0; index < 20; index++)
      expect(table.memberCounts(`room:${index}`), `seed ${seed}`).toEqual(members.get(`room:${index}`) ?? { ready: 0, full: 0 });
    table.sweep(100_000);
    expect(table.channels, `seed ${seed}`).toBe(0);
  }
});
