import { expect, test } from 'vitest';
import type { RoomCounts } from '../../../core/bus/bus.ts';
import { ReportTable, RoomReporter, roomsPerReportMax } from '../../../core/bus/room-reports.ts';
import { seededRandom } from '../model.ts';

const identity = { number: 1, name: 'gateway-a', life: 'first' };

function rooms(count: number): Map<string, RoomCounts> {
  return new Map(Array.from({ length: count }, (_, index) => [`room:${index}`, { ready: index + 1, full: 0 }]));
}

test('the first report is full, the next ones tell what has changed, and one without changes still says that the gateway lives', () => {
  const reporter = new RoomReporter(identity);
  const members = new Map([
    ['a', { ready: 1, full: 0 }],
    ['b', { ready: 2, full: 0 }],
  ]);
  expect(reporter.next(members)).toMatchObject([
    {
      kind: 'full',
      sequence: 1,
      rooms: [
        ['a', 1, 0],
        ['b', 2, 0],
      ],
    },
  ]);
  members.set('b', { ready: 1, full: 1 });
  members.delete('a');
  expect(reporter.next(members)).toMatchObject([
    {
      kind: 'changes',
      sequence: 2,
      rooms: [
        ['b', 1, 1],
        ['a', 0, 0],
      ],
    },
  ]);
  expect(reporter.next(members)).toMatchObject([{ kind: 'changes', sequence: 3, rooms: [] }]);
  reporter.wantFull();
  expect(reporter.next(members)).toMatchObject([{ kind: 'full', sequence: 4, rooms: [['b', 1, 1]] }]);
});

test('many rooms are told in several reports, of which only the first begins anew', () => {
  const reporter = new RoomReporter(identity);
  const table = new ReportTable();
  const reports = reporter.next(rooms(2 * roomsPerReportMax + 1));
  expect(reports.map(({ kind, rooms: part }) => [kind, part.length])).toEqual([
    ['full', roomsPerReportMax],
    ['changes', roomsPerReportMax],
    ['changes', 1],
  ]);
  for (const report of reports) expect(table.accept(report, 0)).toBe('taken');
  expect(table.memberCounts(`room:${2 * roomsPerReportMax}`, 0)).toEqual({ ready: 2 * roomsPerReportMax + 1, full: 0 });
});

test('whoever misses a report asks for a full one, at most once a second, until it has one', () => {
  const reporter = new RoomReporter(identity);
  const table = new ReportTable();
  const next = (members: number) => reporter.next(rooms(members))[0]!;
  expect(table.accept(next(1), 0)).toBe('taken');
  next(2);
  expect(table.accept(next(2), 2000)).toBe('ask');
  expect(table.accept(next(2), 2900)).toBe('taken');
  expect(table.accept(next(2), 3000)).toBe('ask');
  reporter.wantFull();
  expect(table.accept(next(2), 4000)).toBe('taken');
  expect(table.accept(next(2), 9000)).toBe('taken');
  expect(table.memberCounts('room:1', 9000)).toEqual({ ready: 2, full: 0 });
});

test('a gateway that is silent for 3 s is not counted, after 15 s it is forgotten, and one that leaves is gone at once', () => {
  const reporter = new RoomReporter(identity);
  const table = new ReportTable();
  table.accept(reporter.next(rooms(1))[0]!, 1000);
  expect(table.memberCounts('room:0', 4000)).toEqual({ ready: 1, full: 0 });
  expect(table.memberCounts('room:0', 4001)).toEqual({ ready: 0, full: 0 });
  expect(table.gateways(4001)).toEqual([{ number: 1, name: 'gateway-a', condition: 'silent' }]);
  table.accept(reporter.next(rooms(1))[0]!, 5000);
  expect(table.gateways(5000)).toEqual([{ number: 1, name: 'gateway-a', condition: 'alive' }]);
  table.accept({ ...reporter.gone(), life: 'another' }, 5000);
  expect(table.gateways(20_001)).toEqual([]);
  table.accept(reporter.next(rooms(1))[0]!, 21_000);
  table.accept(reporter.gone(), 21_000);
  expect(table.gateways(21_000)).toEqual([]);
});

test('a gateway that took over a number begins with nothing of its predecessor', () => {
  const table = new ReportTable();
  table.accept(new RoomReporter(identity).next(rooms(3))[0]!, 0);
  const successor = new RoomReporter({ ...identity, life: 'second' });
  table.accept(successor.next([['other', { ready: 5, full: 0 }]])[0]!, 0);
  expect(table.memberCounts('room:0', 0)).toEqual({ ready: 0, full: 0 });
  expect(table.memberCounts('other', 0)).toEqual({ ready: 5, full: 0 });
});

test('through lost reports the table comes to agree with the rooms', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const reporter = new RoomReporter(identity);
    const table = new ReportTable();
    const members = new Map<string, RoomCounts>();
    const step = (now: number, lossy: boolean): void => {
      for (let change = 0; change < 5; change++) {
        const channel = `room:${Math.floor(random() * 20)}`;
        if (random() < 0.4) members.delete(channel);
        else members.set(channel, { ready: 1 + Math.floor(random() * 9), full: Math.floor(random() * 3) });
      }
      for (const report of reporter.next(members))
        if ((!lossy || random() < 0.7) && table.accept(report, now) === 'ask' && (!lossy || random() < 0.7)) reporter.wantFull();
    };
    for (let second = 0; second < 30; second++) step(second * 1000, true);
    for (let second = 30; second < 34; second++) step(second * 1000, false);
    for (let index = 0; index < 20; index++)
      expect(table.memberCounts(`room:${index}`, 33_000), `seed ${seed}`).toEqual(members.get(`room:${index}`) ?? { ready: 0, full: 0 });
  }
});
