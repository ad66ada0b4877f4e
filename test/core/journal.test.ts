import { expect, test } from 'vitest';
import { Journal, type LogTable } from '../../core/process/journal.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordedLog } from '../support/recorded-log.ts';

const table = {
  stepped: { level: 'info', message: 'a step was taken', fields: ['pool', 'note', 'count', 'change'] },
  stumbled: { level: 'warn', message: 'a step failed', fields: ['pod', 'reason', 'times'] },
  looked: { level: 'debug', message: 'it looked', fields: ['pod'] },
} as const satisfies LogTable;

function newJournal(level = 'info') {
  const clock = new FakeClock();
  const { logger, lines } = recordedLog(level);
  return { clock, lines, journal: new Journal({ logger, clock, lines: table }) };
}

test('a line has the level, message and name of the table, and no credential of a URL', () => {
  const { journal, lines } = newJournal();
  journal.write('stepped', { pool: 'live', note: 'see https://me:word@host/path?token=a', count: 1 });
  const { time, ...line } = lines[0]!;
  expect(line).toEqual({
    level: 'info',
    message: 'a step was taken',
    event: 'stepped',
    part: 'test',
    pool: 'live',
    note: 'see https://…@host/path?…',
    count: 1,
  });
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('a line below the level is not written, and none of its fields is looked at', () => {
  const { journal, lines } = newJournal();
  const fields = {
    get pod(): string {
      throw new Error('it was looked at');
    },
  };
  journal.write('looked', fields);
  expect([lines, journal.hasDebug, newJournal('debug').journal.hasDebug]).toEqual([[], false, true]);
  expect(() => newJournal('debug').journal.write('looked', fields)).toThrow('looked at');
});

test('an error is told by its words: what a library hangs on it may be a publication', () => {
  const { logger, lines } = recordedLog();
  const error = Object.assign(new Error('ERR'), { code: 'E1', command: { name: 'evalsha', args: ['payload'] } });
  logger.error({ err: error }, 'it failed');
  logger.error({ err: { payload: 'payload' } }, 'it failed');
  expect(lines[0]?.['err']).toEqual({ type: 'Error', message: 'ERR', code: 'E1', stack: expect.stringContaining('    at ') });
  expect(JSON.stringify(lines)).not.toContain('payload');
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
  expect(lines[0]).toMatchObject({ level: 'warn', message: 'a step failed', event: 'stumbled', pod: 'pod-0', reason: 'away', times: 1 });
  const before = lines.length;
  journal.writeTrouble('stumbled', 'pod-1', new Error('away'), { pod: 'pod-1' });
  expect(lines.length).toBe(before + 1);
});
