import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { BusUnavailable } from '../../../core/bus/bus.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import type { HistoryPage, HistoryQuery } from '../../../core/history.ts';
import { limits } from '../../../core/limits.ts';
import type { Recall } from '../../../core/publication.ts';
import { tombstone } from '../../../core/recall.ts';
import { HistoryReads } from '../../../gateway/pull/history-reads.ts';
import { PullDocuments, type Answer } from '../../../gateway/pull/pull-documents.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { PulledBatch, PulledHead } from '../../support/poller.ts';
import { publication } from '../../support/publications.ts';

const history = { size: 1_000, ttlSeconds: 60 };
const channel = 'video:1';

/** Documents of a channel on a memory bus whose reads are counted, and may fail or wait. */
class Rig {
  readonly clock = new FakeClock();
  readonly bus = createMemoryBus({ random: () => 0.5 });
  readonly documents: PullDocuments;
  readonly encoded: string[] = [];
  reads = 0;
  readonly refused: string[] = [];
  epoch = '';
  read: (of: string, query: HistoryQuery) => Promise<HistoryPage> = (of, query) => this.bus.log.history(of, query);

  constructor(cacheBytesMax = 10_000_000) {
    const { clock } = this;
    const log = { history: (of: string, query: HistoryQuery) => this.read(of, query) };
    this.documents = new PullDocuments({
      reads: new HistoryReads({ log, clock, onRead: () => this.reads++, onRefused: (of) => this.refused.push(of) }),
      clock,
      onEncoded: (kind) => this.encoded.push(kind),
      cacheBytesMax,
    });
  }

  async publish(count: number, bytes = 5): Promise<void> {
    for (let index = 0; index < count; index++) {
      const one = publication('x'.repeat(bytes), { acceptedAt: this.clock.wall() });
      this.epoch = (await this.bus.log.append(channel, [one], history)).epoch;
    }
  }

  async recall(recall: Recall): Promise<void> {
    await this.bus.log.append(channel, [tombstone(recall, this.clock.wall())], history);
  }

  head(): Promise<Answer> {
    return this.documents.head(channel, history);
  }

  segment(number: number, more: { readonly epoch?: string; readonly after?: number } = {}): Promise<Answer> {
    return this.documents.segment(channel, { epoch: this.epoch, number, after: number * 50, ...more }, history);
  }
}

function codeOf(answer: Answer): string {
  return answer.kind === 'refused' ? answer.refusal.code : 'document';
}

function bodyOf<Body>(answer: Answer): Body {
  if (answer.kind === 'refused') throw new Error(answer.refusal.message);
  const { plain, gzip } = answer.document;
  expect(gunzipSync(gzip.bytes).equals(plain.bytes)).toBe(true);
  return JSON.parse(plain.bytes.toString()) as Body;
}

test('10,000 who ask for a head at once, and all who ask within a second, cost one read', async () => {
  const rig = new Rig();
  await rig.publish(70);
  const answers = await Promise.all(Array.from({ length: 10_000 }, () => rig.head()));
  expect(new Set(answers).size).toBe(1);
  rig.clock.time += 999;
  expect(await rig.head()).toBe(answers[0]);
  expect([rig.reads, rig.encoded]).toEqual([1, ['head']]);
  rig.clock.time += 1;
  await rig.publish(1);
  expect(bodyOf<PulledHead>(await rig.head())).toMatchObject({ offset: 71, open: { after: 50, upto: 71 } });
  expect(rig.reads).toBe(2);
});

test('10,000 who ask for a segment cost one read of it, and later ones only that of a head a second', async () => {
  const rig = new Rig();
  await rig.publish(100);
  const answers = await Promise.all(Array.from({ length: 10_000 }, () => rig.segment(1)));
  expect(new Set(answers).size).toBe(1);
  expect(bodyOf<PulledBatch>(await rig.segment(1))).toMatchObject({ after: 50, upto: 100, items: { length: 50 } });
  rig.clock.time += 30_000;
  expect([rig.reads, rig.encoded]).toEqual([2, ['head', 'segment']]);
  for (let index = 0; index < 100; index++) await rig.segment(1);
  expect([rig.reads, rig.encoded]).toEqual([3, ['head', 'segment', 'head']]);
});

test('a segment that is not closed is refused for a second, without a read where the head shows it', async () => {
  const rig = new Rig();
  await rig.publish(99);
  expect(codeOf(await rig.segment(1))).toBe('not_closed');
  expect(rig.reads).toBe(2);
  await rig.publish(1);
  expect(codeOf(await rig.segment(1))).toBe('not_closed');
  expect(codeOf(await rig.segment(1_000))).toBe('not_closed');
  expect(rig.reads).toBe(2);
  rig.clock.time += 1_000;
  expect(codeOf(await rig.segment(1))).toBe('document');
});

test('a segment that closed after the head was read is there at once: another gateway may have told of it', async () => {
  const rig = new Rig();
  await rig.publish(20);
  await rig.head();
  await rig.publish(80);
  expect(codeOf(await rig.segment(1))).toBe('document');
});

test('what history has lost is gone, and costs one read', async () => {
  const rig = new Rig();
  await rig.bus.log.append(channel, [publication('not kept')]);
  await rig.publish(120);
  for (let index = 0; index < 3; index++) expect(codeOf(await rig.segment(0))).toBe('gone');
  expect(codeOf(await rig.segment(1))).toBe('document');
  expect(rig.reads).toBe(3);
});

test('a segment is gone when its oldest publication is, in the cache or not; the head leaves it out', async () => {
  const rig = new Rig();
  await rig.publish(60);
  expect(codeOf(await rig.segment(0))).toBe('document');
  rig.clock.time += 60_000;
  await rig.publish(1);
  expect(codeOf(await rig.segment(0))).toBe('document');
  rig.clock.time += 1;
  expect(codeOf(await rig.segment(0))).toBe('gone');
  rig.clock.time += 1_000;
  expect(bodyOf<PulledHead>(await rig.head())).toMatchObject({ offset: 61, open: { after: 60, upto: 61 } });
  // A shorter time to live counts at once.
  const shorter = { size: 10, ttlSeconds: 1 };
  rig.clock.time += 1_000;
  expect(codeOf(await rig.documents.segment(channel, { epoch: rig.epoch, number: 0, after: 0 }, shorter))).toBe('gone');
});

test('a tombstone is in the head; what it recalls is left out there, and of segments that were encoded before', async () => {
  const rig = new Rig();
  await rig.publish(60);
  const before = await rig.segment(0);
  expect(bodyOf<PulledBatch>(before)).toMatchObject({ leftOut: 0, items: { length: 50 } });
  await rig.recall({ kind: 'offsets', offsets: [7, 55] });
  rig.clock.time += 1_000;
  const after = bodyOf<PulledBatch>(await rig.segment(0));
  expect(after).toMatchObject({ after: 0, upto: 50, leftOut: 1, items: { length: 49 } });
  expect(after.items.map(({ offset }) => offset)).not.toContain(7);
  const { open } = bodyOf<PulledHead>(await rig.head());
  expect(open).toMatchObject({ after: 50, upto: 61, leftOut: 1, items: { length: 10 } });
  expect(open.items.at(-1)).toEqual({ offset: 61, recall: { offsets: [7, 55] } });
  // The segment is read again once, and then held.
  const { reads } = rig;
  await rig.segment(0);
  expect(rig.reads).toBe(reads);
  await rig.recall({ kind: 'all' });
  rig.clock.time += 1_000;
  expect(bodyOf<PulledBatch>(await rig.segment(0))).toMatchObject({ after: 0, upto: 50, leftOut: 50, items: [] });
  expect(bodyOf<PulledHead>(await rig.head()).open.items).toEqual([
    { offset: 61, recall: { offsets: [7, 55] } },
    { offset: 62, recall: { upto: 61 } },
  ]);
});

test('a history that is shorter than the open segment costs no second read', async () => {
  const rig = new Rig();
  for (let number = 1; number <= 30; number++) {
    const { epoch } = await rig.bus.log.append(channel, [publication('p', { acceptedAt: rig.clock.wall() })], { size: 10, ttlSeconds: 60 });
    rig.epoch = epoch;
  }
  expect(bodyOf<PulledHead>(await rig.head())).toMatchObject({ offset: 30, open: { after: 20, upto: 30 } });
  expect(rig.reads).toBe(1);
});

test('an epoch that nobody knows is refused, without a read of its own', async () => {
  const rig = new Rig();
  await rig.publish(50);
  for (const epoch of ['other', rig.epoch.slice(0, -1)]) expect(codeOf(await rig.segment(0, { epoch }))).toBe('epoch_unknown');
  expect(rig.reads).toBe(1);
});

test('after a failover the old epoch is good up to its end, and the new one from the beginning', async () => {
  const rig = new Rig();
  await rig.publish(130);
  const page =
    (offset: number, epoch: string) =>
    async (of: string, query: HistoryQuery): Promise<HistoryPage> => {
      const { publications } = await rig.bus.log.history(of, query);
      return { position: { epoch, offset }, earlier: { epoch: rig.epoch, offset: 120 }, publications };
    };
  rig.read = page(120, 'new');
  expect(bodyOf<PulledHead>(await rig.head())).toMatchObject({ epoch: rig.epoch, offset: 120 });
  rig.clock.time += 1_000;
  rig.read = page(130, 'new1');
  expect(bodyOf<PulledHead>(await rig.head())).toMatchObject({ epoch: 'new1', offset: 130, earlier: { epoch: rig.epoch, offset: 120 } });
  expect(bodyOf<PulledBatch>(await rig.segment(1))).toMatchObject({ epoch: rig.epoch, after: 50, upto: 100 });
  expect(bodyOf<PulledBatch>(await rig.segment(2))).toMatchObject({ epoch: rig.epoch, after: 100, upto: 120 });
  expect(codeOf(await rig.segment(2, { after: 120 }))).toBe('epoch_ended');
  expect(bodyOf<PulledBatch>(await rig.segment(1, { epoch: 'new1' }))).toMatchObject({ epoch: 'new1', after: 50, upto: 100 });
});

test('a bus that fails is left alone for a second, and its answer given to all', async () => {
  const rig = new Rig();
  await rig.publish(50);
  const { read } = rig;
  rig.read = () => Promise.reject(new BusUnavailable('away'));
  for (let index = 0; index < 100; index++) expect(codeOf(await rig.head())).toBe('unavailable');
  expect(codeOf(await rig.segment(0))).toBe('unavailable');
  expect(rig.reads).toBe(1);
  rig.read = read;
  rig.clock.time += 1_000;
  expect(codeOf(await rig.segment(0))).toBe('document');
  rig.read = () => Promise.reject(new TypeError('a bug'));
  rig.clock.time += 1_000;
  await expect(rig.head()).rejects.toThrow('a bug');
});

test('the cache forgets at its bound what was asked for least recently, and reads it again', async () => {
  const rig = new Rig(40_000);
  await rig.publish(1_000);
  for (let number = 0; number < 20; number++) {
    await rig.segment(number);
    expect(rig.documents.bytes).toBeLessThanOrEqual(40_000);
  }
  const segments = () => rig.encoded.filter((kind) => kind === 'segment').length;
  expect(segments()).toBe(20);
  await rig.segment(19);
  expect(segments()).toBe(20);
  await rig.segment(0);
  expect(segments()).toBe(21);
});

test('a segment that is larger than one answer comes in parts, and the open one from its beginning', async () => {
  const rig = new Rig();
  const bytes = Math.ceil(limits.historyBytesMax / 30);
  await rig.publish(50, bytes);
  const first = bodyOf<PulledBatch>(await rig.segment(0));
  expect(first.upto).toBe(29);
  expect(bodyOf<PulledBatch>(await rig.segment(0, { after: 29 }))).toMatchObject({ after: 29, upto: 50, items: { length: 21 } });
  await rig.publish(40, bytes);
  rig.clock.time += 1_000;
  const head = bodyOf<PulledHead>(await rig.head());
  expect(head).toMatchObject({ offset: 90, open: { after: 50, upto: 79 } });
});

/** Pages of channels whose names begin with "made-up" are empty; the others have a publication. */
function pageOf(of: string): HistoryPage {
  if (of.startsWith('made-up')) return { position: { epoch: 'e', offset: 0 }, publications: [] };
  return { position: { epoch: 'e', offset: 1 }, publications: [{ offset: 1, publication: publication('x') }] };
}

test('reads are bounded at once and by the second; beyond it the answer is to come back', async () => {
  const rig = new Rig();
  const { pullReadsInFlightMax, pullReadsPerSecondMax, pullUnknownReadsInFlightMax, pullUnknownReadsPerSecondMax } = limits;
  const head = (of: string): Promise<Answer> => rig.documents.head(of, history);
  rig.read = (of) => Promise.resolve(pageOf(of));
  // Found to exist, over some seconds: no channel is known at first.
  const known = Array.from({ length: pullReadsPerSecondMax }, (_, index) => `known ${index}`);
  for (const each of known) {
    expect(codeOf(await head(each))).toBe('document');
    rig.clock.time += 2;
  }
  rig.clock.time += 1_000;
  const waiting: (() => void)[] = [];
  rig.read = (of) => new Promise((resolve) => waiting.push(() => resolve(pageOf(of))));
  // Names that nobody has published to have their share, and leave the rest to the others.
  const madeUp = Array.from({ length: pullUnknownReadsInFlightMax }, (_, index) => head(`made-up ${index}`));
  expect(codeOf(await head('made-up one more'))).toBe('unavailable');
  const heads = known.slice(0, pullReadsInFlightMax - pullUnknownReadsInFlightMax).map(head);
  expect(codeOf(await head(known.at(-1)!))).toBe('unavailable');
  expect(rig.refused).toEqual(['unknown', 'known']);
  for (const resolve of waiting) resolve();
  for (const answer of await Promise.all([...madeUp, ...heads])) expect(codeOf(answer)).toBe('document');

  rig.clock.time += 1_000;
  rig.read = (of) => Promise.resolve(pageOf(of));
  for (let index = 0; index < pullUnknownReadsPerSecondMax; index++) expect(codeOf(await head(`made-up again ${index}`))).toBe('document');
  expect(codeOf(await head('made-up one more'))).toBe('unavailable');
  for (const each of known.slice(0, pullReadsPerSecondMax - pullUnknownReadsPerSecondMax))
    expect(codeOf(await head(each))).toBe('document');
  expect(codeOf(await head(known.at(-1)!))).toBe('unavailable');
  rig.clock.time += 1;
  expect(codeOf(await head(known.at(-1)!))).toBe('document');
  expect(codeOf(await head('made-up one more'))).toBe('unavailable');
  rig.clock.time += 1;
  expect(codeOf(await head('made-up one more'))).toBe('document');
});

test('a channel that was known before the bus was away is still known afterwards', async () => {
  const rig = new Rig();
  rig.read = (of) => Promise.resolve(pageOf(of));
  expect(codeOf(await rig.documents.head('known', history))).toBe('document');
  rig.clock.time += 1_000;
  rig.read = () => Promise.reject(new BusUnavailable('away'));
  expect(codeOf(await rig.documents.head('known', history))).toBe('unavailable');
  rig.clock.time += 1_000;
  rig.read = (of) => Promise.resolve(pageOf(of));
  const { pullUnknownReadsPerSecondMax: share } = limits;
  for (let index = 0; index < share; index++) await rig.documents.head(`made-up ${index}`, history);
  expect(codeOf(await rig.documents.head('made-up one more', history))).toBe('unavailable');
  expect(codeOf(await rig.documents.head('known', history))).toBe('document');
});
