import { expect, test } from 'vitest';
import { Journal, type LogLine } from '../../core/process/journal.ts';
import { FakeClock } from '../support/fake-clock.ts';

const table = {
  stepped: { level: 'info', message: 'a step was taken' },
  stumbled: { level: 'warn', message: 'a step failed' },
} as const satisfies Readonly<Record<string, LogLine>>;

function newJournal() {
  const clock = new FakeClock();
  const lines: object[] = [];
  const writer = (level: string) => (fields: object, message: string) => void lines.push({ level, message, ...fields });
  const logger = { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error'), fatal: writer('fatal') };
  return { clock, lines, journal: new Journal({ logger: logger as never, clock, lines: table }) };
}

test('a line has the level, message and name of the table, and no credential of a URL', () => {
  const { journal, lines } = newJournal();
  journal.write('stepped', { pool: 'live', note: 'see https://me:word@host/path?token=a', count: 1 });
  expect(lines).toEqual([
    { level: 'info', message: 'a step was taken', event: 'stepped', pool: 'live', note: 'see https://…@host/path?…', count: 1 },
  ]);
});

test('a change is written once, however often its step is taken, and again after a minute or another change', () => {
  const { journal, lines, clock } = newJournal();
  const take = (change: string): number => {
    journal.writeChange('stepped', { subject: 'pod-0', change }, { change });
    return lines.length;
  };
  expect(take('drain')).toBe(1);
  clock.time += 30_000;
  expect(take('drain')).toBe(1);
  clock.time += 29_999;
  expect(take('drain')).toBe(1);
  expect(take('delete')).toBe(2);
  expect(take('drain')).toBe(3);
  journal.writeChange('stepped', { subject: 'pod-1', change: 'drain' }, {});
  expect(lines).toHaveLength(4);
});

test('a change that goes on is written once a minute, not once for ever', () => {
  const { journal, lines, clock } = newJournal();
  for (; clock.time < 300_000; clock.time += 1_000) journal.writeChange('stepped', { subject: 'pod-0', change: 'drain' }, {});
  expect(lines).toHaveLength(5);
});

test('a trouble that flaps writes ever fewer lines, each subject for itself', () => {
  const { journal, lines, clock } = newJournal();
  for (; clock.time < 3_600_000; clock.time += 1_000) journal.writeTrouble('stumbled', 'pod-0', new Error('away'), { pod: 'pod-0' });
  expect(lines.length).toBeLessThan(70);
  expect(lines[0]).toEqual({
    level: 'warn',
    message: 'a step failed',
    event: 'stumbled',
    pod: 'pod-0',
    reason: 'away',
    times: 1,
  });
  const before = lines.length;
  journal.writeTrouble('stumbled', 'pod-1', new Error('away'), { pod: 'pod-1' });
  expect(lines.length).toBe(before + 1);
});
