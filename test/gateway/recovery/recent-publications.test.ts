import { expect, test } from 'vitest';
import type { HistoryPage } from '../../../core/history.ts';
import { limits } from '../../../core/limits.ts';
import type { LogBatch } from '../../../core/publication.ts';
import { tombstone, withoutContent } from '../../../core/recall.ts';
import { catchUpOf, hasReached, RecentPublications } from '../../../gateway/recovery/recent-publications.ts';
import { rewind } from '../../../gateway/recovery/rewind.ts';
import { logBatch, publication } from '../../support/publications.ts';

const most = 10;

function batch(from: number, to: number, epoch = 'e'): LogBatch {
  return logBatch(
    from,
    Array.from({ length: to - from + 1 }, (_, index) => publication(`p${from + index}`)),
    epoch,
  );
}

function page(from: number, to: number, more: Partial<HistoryPage> = {}): HistoryPage {
  const publications = Array.from({ length: to - from + 1 }, (_, index) => ({
    offset: from + index,
    publication: publication(`p${from + index}`),
  }));
  return { position: { epoch: 'e', offset: 100 }, publications, ...more };
}

function offsets(recent: RecentPublications, after: number, upto: number): readonly number[] {
  return recent.between(after, upto).map(({ offset }) => offset);
}

function at(offset: number, epoch = 'e'): { readonly epoch: string; readonly offset: number } {
  return { epoch, offset };
}

test('what the room has received is here, up to the cut; what came before is read once, and is then known to be here or lost', () => {
  const recent = new RecentPublications(at(100), { bytes: 0 });
  recent.add(batch(101, 103), most);
  expect(recent.reach(at(103), 103, most)).toBe('current');
  expect(recent.reach(at(102), 101, most)).toBe('current');
  expect(recent.reach(at(100), 103, most)).toBe('kept');
  expect(offsets(recent, 100, 102)).toEqual([101, 102]);
  expect(recent.reach(at(99), 103, most)).toBe('read');
  expect(recent.reach(at(99, 'other'), 103, most)).toBe('read');
  expect(recent.first).toBe(101);
  recent.read(page(97, 100), most);
  expect(recent.reach(at(96), 103, most)).toBe('kept');
  expect(offsets(recent, 96, 103)).toEqual([97, 98, 99, 100, 101, 102, 103]);
  expect(recent.reach(at(95), 103, most)).toBe('lost');
});

test('an unknown epoch may be a newer one: it is read for once, until the room goes on in another epoch', () => {
  const recent = new RecentPublications(at(100), { bytes: 0 });
  expect(recent.read(page(97, 100, { position: at(110, 'f'), earlier: at(100) }), most)).toBe(false);
  expect(recent.read(page(97, 100), most)).toBe(true);
  const foreign = Array.from({ length: 9 }, (_, index) => `x${index}`);
  for (const epoch of foreign) {
    expect(recent.reach(at(99, epoch), 100, most)).toBe('read');
    recent.refused(at(99, epoch));
    expect(recent.reach(at(98, epoch), 100, most)).toBe('lost');
  }
  // Eight of them are remembered.
  expect(foreign.map((epoch) => recent.reach(at(99, epoch), 100, most))).toEqual(['read', ...foreign.slice(1).map(() => 'lost')]);
  recent.continued('f', at(100));
  expect(recent.reach(at(99, 'x8'), 100, most)).toBe('read');
});

test('as many as a client may be given are given, and one more is lost without a read', () => {
  const recent = new RecentPublications(at(100), { bytes: 0 });
  expect(recent.reach(at(100 - most), 100, most)).toBe('read');
  expect(recent.reach(at(99 - most), 100, most)).toBe('lost');
  recent.read(page(91, 100), most);
  expect(recent.reach(at(100 - most), 100, most)).toBe('kept');
});

test('a page with a hole before what is here is not taken', () => {
  const bytes = { bytes: 0 };
  const recent = new RecentPublications(at(100), bytes);
  recent.add(batch(101, 101), most);
  const before = bytes.bytes;
  recent.read(page(95, 99), most);
  expect(recent.reach(at(98), 101, most)).toBe('lost');
  expect(recent.reach(at(100), 101, most)).toBe('kept');
  expect(bytes.bytes).toBe(before);
});

test('an epoch that ended with a failover is good up to the offset that the bus knows', () => {
  const recent = new RecentPublications(at(100, 'f'), { bytes: 0 });
  recent.read(page(95, 100, { position: at(100, 'f'), earlier: at(98, 'e') }), most);
  expect(recent.reach(at(98, 'e'), 100, most)).toBe('kept');
  expect(recent.reach(at(99, 'e'), 100, most)).toBe('lost');
  expect(recent.reach(at(98, 'd'), 100, most)).toBe('read');
});

test('a position from before the first publication of an epoch that has ended has the beginning of its name', () => {
  const recent = new RecentPublications(at(100, 'f'), { bytes: 0 });
  recent.read(page(95, 100, { position: at(100, 'f'), earlier: at(98, 'e7') }), most);
  expect(recent.reach(at(97, 'e'), 100, most)).toBe('kept');
  expect(recent.reach(at(99, 'e'), 100, most)).toBe('read');
});

test('before the first publication of an epoch its name is only a beginning, which continues', () => {
  const recent = new RecentPublications(at(100, 'f'), { bytes: 0 });
  recent.add(batch(101, 102, 'f23'), most);
  expect(recent.reach(at(100, 'f'), 102, most)).toBe('kept');
  expect(recent.reach(at(101, 'f23'), 102, most)).toBe('kept');
  recent.at(at(101, 'f'));
  expect(offsets(recent, 100, 102)).toEqual([101, 102]);
  expect(recent.reach(at(100, 'f'), 102, most)).toBe('kept');
});

test('behind a hole, and in another epoch, all begins anew', () => {
  const bytes = { bytes: 0 };
  const recent = new RecentPublications(at(100), bytes);
  recent.add(batch(101, 102), most);
  recent.at(at(102));
  expect(recent.reach(at(100), 102, most)).toBe('kept');
  recent.at(at(105));
  expect([recent.reach(at(102), 105, most), bytes.bytes]).toEqual(['read', 0]);
  recent.add(batch(107, 107), most);
  expect(recent.reach(at(105), 107, most)).toBe('read');
  recent.add(batch(108, 108, 'f'), most);
  expect(recent.reach(at(107), 108, most)).toBe('read');
});

test('kept are at most twice as many as a client is given, and 1 MiB', () => {
  const bytes = { bytes: 0 };
  const recent = new RecentPublications(at(0), bytes);
  for (let offset = 1; offset <= 500; offset++) recent.add(batch(offset, offset), most);
  expect(recent.first).toBe(500 - 2 * most + 1);
  expect(bytes.bytes).toBe(2 * most * 'p500'.length);
  const large = { ...publication(''), payload: Buffer.alloc(limits.recentBytesMax / 2) };
  recent.add(logBatch(501, [large, large]), most);
  expect([recent.first, bytes.bytes]).toEqual([501, limits.recentBytesMax]);
  recent.add(batch(503, 503), most);
  expect(recent.first).toBe(502);
  expect(recent.reach(at(500), 503, most)).toBe('lost');
  recent.clear();
  expect(bytes.bytes).toBe(0);
});

test('a gateway whose rooms keep as much as they may: a room forgets its own, and can still read them', () => {
  const bytes = { bytes: limits.recentOfAllBytesMax - 4 };
  const recent = new RecentPublications(at(100), bytes);
  recent.add(batch(101, 101), most);
  expect(recent.reach(at(100), 101, most)).toBe('kept');
  recent.add(batch(102, 102), most);
  expect(recent.reach(at(100), 102, most)).toBe('read');
  expect(bytes.bytes).toBe(limits.recentOfAllBytesMax - 4);
});

test('a publication is kept without the chunk in which it came', () => {
  const recent = new RecentPublications(at(0), { bytes: 0 });
  const chunk = Buffer.alloc(65_536);
  recent.add(logBatch(1, [{ ...publication(''), payload: chunk.subarray(0, 100) }]), most);
  expect(recent.between(0, 1)[0]?.publication.payload.buffer).not.toBe(chunk.buffer);
});

test('a catch-up has everything as it was published but what has expired; each sum has its own count', () => {
  const sum = { key: 'like', mode: 'Sum', count: 3 } as const;
  const latest = { key: 'score', mode: 'Latest', count: 1 } as const;
  const kept = [{ conflation: sum }, { conflation: sum }, { conflation: latest }, { conflation: latest }, { ttlMs: 10 }, {}].map(
    (more, index) => ({ offset: index + 1, publication: publication(`p${index}`, { acceptedAt: 0, ...more }) }),
  );
  expect(catchUpOf(kept, 10).map(({ offset, count }) => [offset, count])).toEqual([
    [1, 3],
    [2, 3],
    [3, undefined],
    [4, undefined],
    [6, undefined],
  ]);
  expect(catchUpOf(kept, 9).length).toBe(6);
});

test('a rewind has the newest of each key and the sum of its own span, and begins before its first', () => {
  const sum = { key: 'like', mode: 'Sum', count: 2 } as const;
  const latest = { key: 'score', mode: 'Latest', count: 1 } as const;
  const kept = [{ conflation: sum }, {}, { conflation: latest }, {}, { conflation: sum }, { conflation: latest }, { conflation: sum }].map(
    (more, index) => ({ offset: index + 1, publication: publication(`p${index}`, { acceptedAt: 0, ...more }) }),
  );
  const rewound = (count: number, canSum: boolean): unknown => {
    const answer = rewind(kept, count, { canSum, wall: 0 });
    return [answer?.after, answer?.items.map(({ offset, count: sumOf }) => [offset, sumOf])];
  };
  expect(rewound(3, true)).toEqual([
    3,
    [
      [4, undefined],
      [6, undefined],
      [7, 4],
    ],
  ]);
  expect(rewound(100, true)).toEqual([
    1,
    [
      [2, undefined],
      [4, undefined],
      [6, undefined],
      [7, 4],
    ],
  ]);
  expect(rewound(2, false)).toEqual([
    5,
    [
      [6, undefined],
      [7, undefined],
    ],
  ]);
  expect([rewind([], 5, { canSum: true, wall: 0 }), rewind(kept, 0, { canSum: true, wall: 0 })]).toEqual([undefined, undefined]);
});

test('without a history only a client that is at the end has missed nothing', () => {
  expect([hasReached(at(5), at(5)), hasReached(at(6), at(5)), hasReached(at(4), at(5)), hasReached(at(5, 'f'), at(5))]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(hasReached(at(5, 'e'), at(5, 'e23'))).toBe(true);
});

const recalling = (...recalled: readonly number[]) => tombstone({ kind: 'offsets', offsets: recalled }, 0);
const given = (recent: RecentPublications, after: number, upto: number): readonly string[] =>
  catchUpOf(recent.between(after, upto), 0).map(({ offset, publication: each }) =>
    each.recall === undefined ? each.payload.toString() : `†${offset}`,
  );

test('a tombstone takes the content of what is here, also where it came before its publications were read', () => {
  const bytes = { bytes: 0 };
  const recent = new RecentPublications(at(100), bytes);
  recent.add(batch(101, 103), most);
  const before = bytes.bytes;
  recent.add(logBatch(104, [recalling(102, 99)]), most);
  expect(given(recent, 100, 104)).toEqual(['p101', 'p103', '†104']);
  expect(bytes.bytes).toBe(before - 'p102'.length + recalling(102, 99).payload.length);
  // The page was under way when the tombstone came: it still has what was recalled.
  recent.read(page(97, 100), most);
  expect(given(recent, 96, 104)).toEqual(['p97', 'p98', 'p100', 'p101', 'p103', '†104']);
  // The places stay: nothing is missing.
  expect(offsets(recent, 96, 104)).toHaveLength(8);
  recent.add(logBatch(105, [tombstone({ kind: 'all' }, 0)]), most);
  expect(given(recent, 96, 105)).toEqual(['†104', '†105']);
  recent.clear();
  expect(bytes.bytes).toBe(0);
});

test('a page that lost the tombstones that came meanwhile is not taken', () => {
  const recent = new RecentPublications(at(100), { bytes: 0 });
  recent.add(batch(101, 101), most);
  recent.add(logBatch(102, [recalling(99)]), most);
  recent.add(batch(103, 103 + 2 * most), most);
  recent.read(page(97, 100), most);
  expect(given(recent, 96, 103)).toEqual([]);
});

test('a rewind has the newest that were not recalled, and the tombstones of its span besides', () => {
  const kept = [publication('a'), publication('b'), recalling(2), publication('c'), recalling(9)].map((each, index) => ({
    offset: index + 1,
    publication: index === 1 ? withoutContent(each) : each,
  }));
  const of = (count: number) => rewind(kept, count, { canSum: true, wall: 0 });
  expect(of(1)).toMatchObject({ after: 3, items: [{ offset: 4 }, { offset: 5 }] });
  expect(of(2)).toMatchObject({ after: 0, items: [{ offset: 1 }, { offset: 3 }, { offset: 4 }, { offset: 5 }] });
  expect(rewind(kept.slice(1, 3), 5, { canSum: true, wall: 0 })).toBeUndefined();
});
