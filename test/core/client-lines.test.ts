import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { ClientLines } from '../../core/process/client-lines.ts';
import { Journal, type LogTable } from '../../core/process/journal.ts';
import { processJournal } from '../../core/process/log-lines.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordedLog } from '../support/recorded-log.ts';

const table = {
  knocked: { level: 'debug', message: 'a client knocked', fields: ['address'] },
  spoke: { level: 'debug', message: 'a client spoke', fields: ['address'] },
} as const satisfies LogTable;

const { clientLinesBurst: burst, clientLinesPerSecondMax: perSecond } = limits;

function newLines() {
  const clock = new FakeClock();
  const { logger, lines } = recordedLog('debug');
  const registry = new Registry();
  const journal = new Journal({ logger, clock, lines: table });
  const clientLines = new ClientLines({ journal, summaries: processJournal(logger, clock), clock, registry });
  const knock = (times: number): void => {
    for (let count = 0; count < times; count++) clientLines.write('knocked', { address: '192.0.2.1' });
  };
  const leftOut = async (): Promise<unknown> => (await registry.getSingleMetric('barrage_log_lines_left_out_total')?.get())?.values;
  return { clock, lines, registry, clientLines, knock, leftOut, summaries: () => lines.filter(({ event }) => event === 'lines-left-out') };
}

test('at the bound every line is written; one past it is left out, counted, and told within a second', async () => {
  const { clock, lines, clientLines, knock, leftOut, summaries } = newLines();
  knock(burst);
  await clock.advance(1_000);
  expect([lines.length, summaries()]).toEqual([burst, []]);
  expect(await leftOut()).toEqual([]);

  knock(perSecond);
  expect(lines).toHaveLength(burst + perSecond);
  knock(1);
  expect(lines).toHaveLength(burst + perSecond);
  expect(await leftOut()).toEqual([{ labels: { event: 'knocked' }, value: 1 }]);
  knock(6);
  clientLines.write('spoke', { address: '192.0.2.1' });
  expect(lines.at(-1)).toMatchObject({ event: 'spoke' });
  await clock.advance(999);
  expect(summaries()).toEqual([]);
  await clock.advance(1);
  expect(summaries()).toMatchObject([{ level: 'info', of: 'knocked', times: 7 }]);
  await clock.advance(60_000);
  expect(summaries()).toHaveLength(1);
});

test('a flood goes on as so many lines a second and one summary', async () => {
  const { clock, lines, knock, summaries } = newLines();
  knock(burst);
  for (let second = 0; second < 10; second++) {
    for (let tenth = 0; tenth < 10; tenth++) {
      knock(perSecond);
      await clock.advance(100);
    }
  }
  const told = summaries().reduce((sum, line) => sum + Number(line['times']), 0);
  expect(summaries().length).toBeLessThanOrEqual(10);
  expect(lines.length - summaries().length).toBeLessThanOrEqual(burst + 10 * perSecond);
  expect(lines.length - summaries().length + told).toBe(burst + 100 * perSecond);
});

test('at the end of a process what was left out is told at once; two parts of a process count together', async () => {
  const { clock, registry, clientLines, knock, leftOut, summaries } = newLines();
  const { logger } = recordedLog('debug');
  const other = new ClientLines({
    journal: new Journal({ logger, clock, lines: table }),
    summaries: processJournal(logger),
    clock,
    registry,
  });
  knock(burst + 1);
  for (let count = 0; count <= burst; count++) other.write('knocked', {});
  clientLines.tell();
  expect(summaries()).toMatchObject([{ times: 1 }]);
  expect(await leftOut()).toEqual([{ labels: { event: 'knocked' }, value: 2 }]);
});
