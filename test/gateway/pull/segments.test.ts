import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KeptPublication } from '../../../core/history.ts';
import {
  fromBeginning,
  keptUntil,
  lacksOldest,
  openAfter,
  openPart,
  orderOf,
  segmentNumberMax,
  segmentOffsets,
  segmentSpan,
  standingOf,
} from '../../../gateway/pull/segments.ts';
import { withoutContent } from '../../../core/recall.ts';
import { publication } from '../../support/publications.ts';

const history = { size: 1000, ttlSeconds: 60 };

function kept(from: number, to: number, acceptedAt = 1_000): readonly KeptPublication[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => ({
    offset: from + index,
    publication: publication(`p${from + index}`, { acceptedAt }),
  }));
}

test('segments cover every offset once, and the open one begins where the last closed one ends', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: segmentNumberMax * segmentOffsets }), (offset) => {
      const number = Math.floor((offset - 1) / segmentOffsets);
      const { after, upto } = segmentSpan(number);
      expect(after < offset && offset <= upto && upto - after === segmentOffsets).toBe(true);
      const isClosed = standingOf({ epoch: 'e', offset }, { epoch: 'e', number, after }).kind === 'closed';
      expect(isClosed).toBe(openAfter(offset) === upto);
    }),
  );
  expect(segmentSpan(0)).toEqual({ after: 0, upto: 50 });
  expect(Number.isSafeInteger(segmentSpan(segmentNumberMax).upto)).toBe(true);
});

test('an order says of a segment whether it is closed, open, ended or unknown', () => {
  const order = { epoch: 'b', offset: 230, earlier: { epoch: 'a', offset: 120 } };
  const of = (epoch: string, number: number, after = number * 50) => standingOf(order, { epoch, number, after });
  expect(of('b', 3)).toEqual({ kind: 'closed', span: { after: 150, upto: 200 } });
  expect(of('b', 3, 170)).toEqual({ kind: 'closed', span: { after: 170, upto: 200 } });
  expect(of('b', 4)).toEqual({ kind: 'ahead' });
  expect(of('b', 23)).toEqual({ kind: 'ahead' });
  expect(of('b', 24)).toEqual({ kind: 'open' });
  expect(of('a', 1)).toEqual({ kind: 'closed', span: { after: 50, upto: 100 } });
  expect(of('a', 2)).toEqual({ kind: 'closed', span: { after: 100, upto: 120 } });
  expect(of('a', 2, 120)).toEqual({ kind: 'ended' });
  expect(of('a', 3)).toEqual({ kind: 'ended' });
  expect(of('c', 0)).toEqual({ kind: 'unknown' });
  // The beginning of a name is no name: a cache would keep the segments of several epochs under it.
  expect(standingOf({ epoch: 'abc', offset: 100 }, { epoch: 'a', number: 0, after: 0 })).toEqual({ kind: 'unknown' });
});

test('until the first publication of a new epoch the earlier one is in force', () => {
  const earlier = { epoch: 'old1', offset: 70 };
  expect(orderOf({ position: { epoch: 'new', offset: 70 }, earlier, publications: [] })).toEqual({ epoch: 'old1', offset: 70 });
  const order = { epoch: 'new1', offset: 71, earlier };
  expect(orderOf({ position: { epoch: 'new1', offset: 71 }, earlier, publications: [] })).toEqual(order);
});

test('a span begins with its first publication, or is lost', () => {
  const span = { after: 50, upto: 100 };
  expect(fromBeginning(kept(51, 130), span)?.map(({ offset }) => offset)).toEqual(kept(51, 100).map(({ offset }) => offset));
  expect(fromBeginning(kept(51, 70), span)).toHaveLength(20);
  expect(fromBeginning(kept(52, 100), span)).toBeUndefined();
  expect(fromBeginning([], span)).toBeUndefined();
});

test('a span is kept as long as its oldest publication is, which need not be the first', () => {
  expect(keptUntil([...kept(1, 2, 5_000), ...kept(3, 3, 4_000)], history)).toBe(64_000);
});

test('the open part has all that is kept of the open segment, up to the newest offset', () => {
  const order = { epoch: 'e', offset: 130 };
  const keep = { history, now: 2_000 };
  const offsets = (read: Parameters<typeof openPart>[1], now = keep.now) =>
    openPart(order, read, { history, now }).map(({ offset }) => offset);
  expect(offsets({ newest: kept(81, 130) })).toEqual(kept(101, 130).map(({ offset }) => offset));
  expect(offsets({ newest: kept(120, 130) })).toEqual(kept(120, 130).map(({ offset }) => offset));
  expect(offsets({ newest: [] })).toEqual([]);
  // The newest are not kept: nothing before them is told, since the position would be wrong.
  expect(offsets({ newest: kept(100, 129) })).toEqual([]);
  expect(offsets({ newest: [...kept(101, 110), ...kept(112, 130)] })).toEqual(kept(112, 130).map(({ offset }) => offset));
  expect(offsets({ newest: kept(101, 130) }, 61_001)).toEqual([]);
  expect(openPart({ epoch: 'e', offset: 100 }, { newest: kept(51, 100) }, keep)).toEqual([]);
});

test('an open segment that is larger than one answer is told from its beginning', () => {
  const order = { epoch: 'e', offset: 130 };
  expect(lacksOldest(order, kept(81, 130), 0)).toBe(false);
  expect(lacksOldest(order, kept(101, 130), 0)).toBe(false);
  const bytes = 29 * 'p130'.length;
  expect(lacksOldest(order, kept(102, 130), 2 * bytes)).toBe(true);
  expect(lacksOldest(order, kept(102, 130), 2 * bytes + 1)).toBe(false);
  expect(lacksOldest(order, [], 1)).toBe(false);
  // What was recalled took its part of the answer, and has no bytes any more.
  const recalled = kept(102, 130).map(({ offset, publication: each }) => ({ offset, publication: withoutContent(each) }));
  expect(lacksOldest(order, recalled, 2 * bytes + 1)).toBe(true);
  const keep = { history, now: 2_000 };
  expect(openPart(order, { newest: kept(110, 130), oldest: kept(101, 121) }, keep)).toEqual(kept(101, 121));
  expect(openPart(order, { newest: kept(110, 130), oldest: kept(110, 130) }, keep)).toEqual(kept(110, 130));
});
