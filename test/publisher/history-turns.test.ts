import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { HistoryPage } from '../../core/history.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { publisherBounds } from '../../publisher/bounds.ts';
import { HistoryTurns, type EndTurn } from '../../publisher/history-turns.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { faultyLog, Rig } from './rig.ts';

const { historyAnswersMax, historyReadsMax, historySendMsMax, historyWaitMsMax } = publisherBounds;
const channels = [{ channel: 'video:*', history: { size: 100, ttlSeconds: 60 } }];
const path = '/v1/channels/video%3A1/history';
const readers = 'barrage_publisher_history_readers';

async function allTurns(turns: HistoryTurns): Promise<readonly EndTurn[]> {
  const ends = await Promise.all(Array.from({ length: historyAnswersMax }, () => turns.take()));
  return ends.map((end) => {
    if (end === undefined) throw new Error('a turn within the bound was not given');
    return end;
  });
}

test('as many readers as may be have a turn, others get one in their order as turns end', async () => {
  const turns = new HistoryTurns(new FakeClock(), historyAnswersMax);
  const [first] = await allTurns(turns);
  const got: string[] = [];
  const waiting = ['a', 'b'].map(async (name) => {
    const end = await turns.take();
    got.push(name);
    return end;
  });
  expect(turns.size).toBe(historyAnswersMax + 2);
  first?.();
  const end = await waiting[0];
  expect([got, turns.size]).toEqual([['a'], historyAnswersMax + 1]);
  end?.();
  await waiting[1];
  expect([got, turns.size]).toEqual([['a', 'b'], historyAnswersMax]);
});

test('a reader waits so long and no longer, and then takes no turn from others', async () => {
  const clock = new FakeClock();
  const turns = new HistoryTurns(clock, historyAnswersMax);
  const [first] = await allTurns(turns);
  const late = turns.take();
  await clock.advance(historyWaitMsMax - 1);
  expect(turns.size).toBe(historyAnswersMax + 1);
  await clock.advance(1);
  expect(await late).toBeUndefined();
  first?.();
  expect(turns.size).toBe(historyAnswersMax - 1);
  expect(await turns.take()).toBeDefined();
  expect(clock.pending).toBe(0);
});

test('histories are read by so many at a time; who waits too long is told to repeat, and publications go on', async () => {
  const bus = createMemoryBus();
  const ends: ((page: HistoryPage) => void)[] = [];
  const log = {
    ...faultyLog(bus, (...parcel) => bus.log.append(...parcel)),
    history: () => new Promise<HistoryPage>((resolve) => ends.push(resolve)),
  };
  const clock = new FakeClock();
  await using rig = await Rig.start({ bus: { ...bus, log }, channels, clock });
  const answers = Array.from({ length: historyAnswersMax + 1 }, () => rig.ask('GET', path));
  await expect.poll(() => rig.metric(readers)).toBe(historyAnswersMax + 1);
  expect((await rig.publish({ c: 'video:1', d: 'x' })).status).toBe(200);
  await clock.advance(historyWaitMsMax);
  const { status, headers, body } = await Promise.any(answers);
  expect([status, headers['retry-after'], body.E]).toEqual([429, '1', { c: 502, m: 'too many histories are being read, repeat' }]);
  expect(ends.length).toBe(historyReadsMax);
  for (const end of ends) end({ position: { epoch: 'e', offset: 0 }, publications: [] });
  const statuses = (await Promise.all(answers)).map((answer) => answer.status);
  expect(statuses.filter((each) => each === 200).length).toBe(historyReadsMax);
  await expect.poll(() => rig.metric(readers)).toBe(0);
});

test('a reader that goes away, or takes nothing, gives its turn back', async () => {
  const clock = new FakeClock();
  await using rig = await Rig.start({ channels, clock });
  const d = 'x'.repeat(60_000);
  for (let index = 0; index < 60; index++) await rig.publish({ c: 'video:1', d });
  const demand = async (): Promise<Socket> => {
    const reader = await rig.raw();
    reader.pause();
    // Together they are more than the buffers between the two take.
    reader.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(8));
    await expect.poll(() => rig.metric(readers)).toBeGreaterThan(0);
    return reader;
  };
  (await demand()).destroy();
  await expect.poll(() => rig.metric(readers)).toBe(0);
  await demand();
  const later = async (): Promise<number | undefined> => {
    await clock.advance(historySendMsMax);
    return await rig.metric(readers);
  };
  await expect.poll(later).toBe(0);
});
