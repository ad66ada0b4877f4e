import { expect, test } from 'vitest';
import { BusUnavailable } from '../../../core/bus/bus.ts';
import type { HistoryPage } from '../../../core/history.ts';
import { limits } from '../../../core/limits.ts';
import { HistoryReads } from '../../../gateway/rooms/history-reads.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const page: HistoryPage = { position: { epoch: 'e', offset: 0 }, publications: [] };

/** A log whose reads end when the test says so. */
function heldLog(): { readonly asked: string[]; readonly ends: (() => void)[]; history(channel: string): Promise<HistoryPage> } {
  const asked: string[] = [];
  const ends: (() => void)[] = [];
  return {
    asked,
    ends,
    history: (channel) => {
      asked.push(channel);
      return new Promise((resolve) => ends.push(() => resolve(page)));
    },
  };
}

test('as many reads as may be are under way; the next waits for the end of one, in its turn', async () => {
  const log = heldLog();
  const metrics = { historyReads: 0 };
  const reads = new HistoryReads({ log, clock: new FakeClock(), metrics });
  const all = Array.from({ length: limits.historyReadsMax + 2 }, (_, index) =>
    reads.read(`c${index}`, { kind: 'after', offset: 0, limit: 1 }),
  );
  await settle();
  expect(log.asked.length).toBe(limits.historyReadsMax);
  expect(metrics.historyReads).toBe(limits.historyReadsMax + 2);
  log.ends[3]?.();
  await settle();
  expect(log.asked.slice(limits.historyReadsMax)).toEqual([`c${limits.historyReadsMax}`]);
  for (let index = 0; index < limits.historyReadsMax + 2; index++) {
    log.ends[index]?.();
    await settle();
  }
  expect(await Promise.all(all)).toEqual(all.map(() => page));
  expect(metrics.historyReads).toBe(0);
});

test('a turn that does not come in time fails, and takes no place', async () => {
  const log = heldLog();
  const metrics = { historyReads: 0 };
  const clock = new FakeClock();
  const reads = new HistoryReads({ log, clock, metrics });
  const read = (): Promise<HistoryPage> => reads.read('c', { kind: 'after', offset: 0, limit: 1 });
  const first = Array.from({ length: limits.historyReadsMax }, read);
  const late = read();
  const failed = expect(late).rejects.toThrow(BusUnavailable);
  await clock.advance(limits.holeMsMax);
  await failed;
  for (const end of log.ends) end();
  await Promise.all(first);
  expect(metrics.historyReads).toBe(0);
  expect(log.asked.length).toBe(limits.historyReadsMax);
});
