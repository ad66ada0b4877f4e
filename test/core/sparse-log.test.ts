import { expect, test } from 'vitest';
import { SparseLog, reasonOf } from '../../core/process/sparse-log.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Line {
  readonly at: number;
  readonly reason: string;
  readonly times: number;
}

function newLog(): { readonly log: SparseLog; readonly lines: Line[]; readonly clock: FakeClock } {
  const clock = new FakeClock();
  const lines: Line[] = [];
  const log = new SparseLog({ clock, write: ({ reason, times }) => void lines.push({ at: clock.time, reason, times }) });
  return { log, lines, clock };
}

test('an hour of one fault is told at its beginning, at growing distances, and then once a minute; every time is counted', () => {
  const { log, lines, clock } = newLog();
  for (; clock.time < 3_600_000; clock.time += 500) log.warn(new Error('away'));
  expect(lines.slice(0, 8).map(({ at }) => at / 1000)).toEqual([0, 1, 3, 7, 15, 31, 63, 123]);
  expect(lines).toHaveLength(6 + 59);
  expect(log.total).toBe(7200);
  expect(lines[0]!.times).toBe(1);
  expect(lines.reduce((sum, { times }) => sum + times, 0)).toBeGreaterThan(7200 - 120);
});

test('a change of the reason is told at once, but never two lines within a second', () => {
  const { log, lines, clock } = newLog();
  for (; clock.time < 20_000; clock.time += 500) log.warn(new Error('away'));
  log.warn(new Error('refused'));
  clock.time += 999;
  log.warn(new Error('away again'));
  clock.time += 1;
  log.warn(new Error('away again'));
  expect(lines.slice(-2)).toEqual([
    { at: 20_000, reason: 'refused', times: expect.any(Number) },
    { at: 21_000, reason: 'away again', times: 2 },
  ]);
});

test('reasons that take turns are one line a second', () => {
  const { log, lines, clock } = newLog();
  for (; clock.time < 10_000; clock.time += 100) log.warn(new Error(`at ${clock.time}`));
  expect(lines).toHaveLength(10);
});

test('a fault that comes back after a quiet minute begins anew', () => {
  const { log, lines, clock } = newLog();
  for (; clock.time < 40_000; clock.time += 500) log.warn(new Error('away'));
  const told = lines.length;
  clock.time += 59_000;
  log.warn(new Error('away'));
  expect(lines).toHaveLength(told + 1);
  clock.time += 60_000;
  log.warn(new Error('away'));
  clock.time += 1000;
  log.warn(new Error('away'));
  expect(lines).toHaveLength(told + 3);
});

test('what Redis quotes of a command that it does not know is left out: it may be a publication', () => {
  const answer = "ERR unknown command 'EVALSHA', with args beginning with: 'a1b2' '3' 'a secret' ";
  expect(reasonOf(new Error(answer))).toBe("ERR unknown command 'EVALSHA'");
});
