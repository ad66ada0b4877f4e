import { expect, test } from 'vitest';
import type { HistoryPage } from '../../../core/history.ts';
import { limits } from '../../../core/limits.ts';
import { Hole, joinsOn, type Arrival, type HoleStep } from '../../../gateway/recovery/hole.ts';
import { logBatch, publication } from '../../support/publications.ts';

const received = { epoch: 'e', offset: 10 };

function batch(firstOffset: number, count = 1, epoch = 'e'): Arrival {
  return {
    kind: 'batch',
    batch: logBatch(
      firstOffset,
      Array.from({ length: count }, (_, index) => publication(`p${firstOffset + index}`)),
      epoch,
    ),
  };
}

function page(from: number, to: number, more: Partial<HistoryPage> = {}): HistoryPage {
  const publications = Array.from({ length: to - from + 1 }, (_, index) => ({
    offset: from + index,
    publication: publication(`p${from + index}`),
  }));
  return { position: { epoch: 'e', offset: to }, publications, ...more };
}

/** What was handed on: offsets, and positions after an interruption. */
function handedOn({ handOn }: HoleStep): readonly (number | string)[] {
  return handOn.flatMap((arrival): readonly (number | string)[] =>
    arrival.kind === 'continued'
      ? [`${arrival.earlier.epoch}:${arrival.earlier.offset} is ${arrival.epoch}`]
      : arrival.kind === 'resubscribed'
        ? [`at ${arrival.position.epoch}:${arrival.position.offset}`]
        : arrival.batch.publications.map((_, index) => arrival.batch.firstOffset + index),
  );
}

function holeBefore(...arrivals: readonly Arrival[]): Hole {
  const hole = new Hole(received, { bytes: 0 }, 0);
  for (const arrival of arrivals) hole.hold(arrival);
  return hole;
}

test('what joins on is no hole: the next offset, one that is known, and the end that is known', () => {
  expect([batch(11), batch(9), batch(12), batch(11, 1, 'other')].map((arrival) => joinsOn(received, arrival))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  const at = (epoch: string, offset: number): Arrival => ({ kind: 'resubscribed', position: { epoch, offset } });
  expect([at('e', 10), at('e', 9), at('e', 11), at('f', 10)].map((arrival) => joinsOn(received, arrival))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test('a hole is read from its beginning, and what waited behind it follows', () => {
  const hole = holeBefore(batch(13), batch(14));
  expect(hole.begin()).toEqual({ handOn: [], next: { kind: 'read', after: 10 } });
  const step = hole.read(page(11, 13), 5);
  expect(handedOn(step)).toEqual([11, 12, 13, 13, 14]);
  expect(step.next).toEqual({ kind: 'closed', result: 'filled' });
});

test('after a late resubscribe with nothing newer the end of the log tells what is missing', () => {
  const hole = holeBefore({ kind: 'resubscribed', position: { epoch: 'e', offset: 12 } });
  expect(hole.begin().next).toEqual({ kind: 'read', after: 10 });
  const step = hole.read(page(11, 12), 5);
  expect(handedOn(step)).toEqual([11, 12, 'at e:12']);
  expect(step.next).toEqual({ kind: 'closed', result: 'filled' });
});

test('a long hole takes several pages, and a second hole behind the first is read too', () => {
  const hole = holeBefore(batch(20), batch(30));
  hole.begin();
  const first = hole.read(page(11, 15, { position: { epoch: 'e', offset: 30 } }), 5);
  expect(handedOn(first)).toEqual([11, 12, 13, 14, 15]);
  expect(first.next).toEqual({ kind: 'read', after: 15 });
  const second = hole.read(page(16, 20), 10);
  expect(handedOn(second)).toEqual([16, 17, 18, 19, 20, 20]);
  expect(second.next).toEqual({ kind: 'read', after: 20 });
  expect(hole.read(page(21, 30), 15).next).toEqual({ kind: 'closed', result: 'filled' });
});

test.each([
  ['does not reach back', page(12, 13)],
  ['is empty', { position: { epoch: 'e', offset: 13 }, publications: [] }],
  ['is of another order', page(11, 13, { position: { epoch: 'f', offset: 13 } })],
  [
    'is of a failover that lost what the room has',
    { ...page(11, 13), position: { epoch: 'f', offset: 13 }, earlier: { epoch: 'e', offset: 9 } },
  ],
])('a history that %s: what waited is handed on as it came, so that the room sees the hole', (_what, answer) => {
  const hole = holeBefore(batch(13), batch(14));
  hole.begin();
  const step = hole.read(answer, 5);
  expect(handedOn(step)).toEqual([13, 14]);
  expect(step.next).toEqual({ kind: 'closed', result: 'lost' });
});

test('a failover that lost nothing: the old offsets go on in the new epoch', () => {
  const hole = holeBefore(batch(13, 1, 'f'));
  hole.begin();
  const step = hole.read({ ...page(11, 13), position: { epoch: 'f', offset: 13 }, earlier: { epoch: 'e', offset: 12 } }, 5);
  expect(handedOn(step)).toEqual(['e:12 is f', 11, 12, 13, 13]);
  expect(step.next).toEqual({ kind: 'closed', result: 'filled' });
});

test('a failover that lost nothing, before anything was published: only the epoch is another', () => {
  const hole = holeBefore({ kind: 'resubscribed', position: { epoch: 'f', offset: 10 } });
  hole.begin();
  const step = hole.read({ position: { epoch: 'f', offset: 10 }, earlier: received, publications: [] }, 5);
  expect(handedOn(step)).toEqual(['e:10 is f', 'at f:10']);
  expect(step.next).toEqual({ kind: 'closed', result: 'filled' });
});

test('a position with the beginning of an epoch lies before what a page has brought of that epoch', () => {
  const beginning: Arrival = { kind: 'resubscribed', position: { epoch: 'ff', offset: 10 } };
  const hole = holeBefore(beginning, batch(11, 1, 'ff7'), batch(12, 1, 'ff7'));
  hole.begin();
  const earlier = { epoch: 'e', offset: 10 };
  const step = hole.read({ ...page(11, 12), position: { epoch: 'ff7', offset: 12 }, earlier }, 5);
  expect(handedOn(step)).toEqual(['e:10 is ff7', 11, 12, 'at ff:10', 11, 12]);
  expect(step.next).toEqual({ kind: 'closed', result: 'filled' });
});

test('what was told of the epoch before a page is no news behind it', () => {
  const hole = holeBefore({ kind: 'resubscribed', position: { epoch: 'e', offset: 12 } }, batch(12), batch(13, 1, 'f'));
  hole.begin();
  const earlier = { epoch: 'e', offset: 12 };
  const step = hole.read({ ...page(11, 13), position: { epoch: 'f', offset: 13 }, earlier }, 5);
  expect(handedOn(step)).toEqual(['e:12 is f', 11, 12, 13, 13]);
  expect(step.next).toEqual({ kind: 'closed', result: 'filled' });
});

test('pages that bring nothing end it', () => {
  const hole = holeBefore(batch(13));
  hole.begin();
  const nothing: HistoryPage = { position: received, publications: [] };
  expect(hole.read(nothing, 5).next).toEqual({ kind: 'read', after: 10 });
  expect(hole.read(nothing, 10).next).toEqual({ kind: 'closed', result: 'lost' });
});

test('a bus that is away is tried again until the time is over', () => {
  const hole = holeBefore(batch(13));
  hole.begin();
  expect(hole.failed(limits.holeMsMax).next).toEqual({ kind: 'wait', ms: 200 });
  expect(hole.again().next).toEqual({ kind: 'read', after: 10 });
  const step = hole.failed(limits.holeMsMax + 1);
  expect(handedOn(step)).toEqual([13]);
  expect(step.next).toEqual({ kind: 'closed', result: 'unavailable' });
});

test('a page that comes late is still used, and no further one is asked for', () => {
  const hole = holeBefore(batch(20));
  hole.begin();
  const step = hole.read(page(11, 15, { position: { epoch: 'e', offset: 30 } }), limits.holeMsMax + 1);
  expect(handedOn(step)).toEqual([11, 12, 13, 14, 15, 20]);
  expect(step.next).toEqual({ kind: 'closed', result: 'unavailable' });
});

test('a hole of as many publications as may be read is read, and one larger is not', () => {
  const last = received.offset + limits.holePublicationsMax;
  expect(holeBefore(batch(last + 1)).begin().next).toEqual({ kind: 'read', after: 10 });
  const step = holeBefore(batch(last + 2)).begin();
  expect(handedOn(step)).toEqual([last + 2]);
  expect(step.next).toEqual({ kind: 'closed', result: 'too_large' });
});

test('pages with as many bytes as may be read end it where more is missing', () => {
  const large = { ...publication('x'), payload: Buffer.alloc(limits.holeBytesMax / 4) };
  const quarter = (from: number): HistoryPage => ({
    position: { epoch: 'e', offset: 20 },
    publications: [{ offset: from, publication: large }],
  });
  const hole = holeBefore(batch(20));
  hole.begin();
  for (const offset of [11, 12, 13]) expect(hole.read(quarter(offset), 0).next).toEqual({ kind: 'read', after: offset });
  const step = hole.read(quarter(14), 0);
  expect(step.next).toEqual({ kind: 'closed', result: 'too_large' });
  expect(handedOn(step)).toEqual([14, 20]);
});

test('what waits is bounded in bytes, of one hole and of all: what is dropped is read', () => {
  const ofBytes = (offset: number, bytes: number): Arrival => ({
    kind: 'batch',
    batch: logBatch(offset, [{ ...publication(''), payload: Buffer.alloc(bytes) }]),
  });
  const all = { bytes: 0 };
  const hole = new Hole(received, all, 0);
  hole.hold(ofBytes(12, limits.holeHeldBytesMax - 100));
  expect(all.bytes).toBe(limits.holeHeldBytesMax);
  hole.hold(ofBytes(13, 0));
  hole.hold(ofBytes(14, 0));
  hole.begin();
  const step = hole.read(page(11, 11, { position: { epoch: 'e', offset: 14 } }), 0);
  expect(handedOn(step)).toEqual([11, 12]);
  expect(step.next).toEqual({ kind: 'read', after: 12 });
  expect(all.bytes).toBe(0);
  expect(hole.read(page(13, 14), 0)).toMatchObject({ next: { kind: 'closed', result: 'filled' } });

  const full = { bytes: limits.holesHeldBytesMax - 100 };
  const second = new Hole(received, full, 0);
  second.hold(ofBytes(12, 0));
  expect(full.bytes).toBe(limits.holesHeldBytesMax);
  second.hold(ofBytes(13, 0));
  expect(full.bytes).toBe(limits.holesHeldBytesMax);
});

test('what was dropped and can’t be read is told as the end of the log, though nothing else comes', () => {
  const hole = new Hole(received, { bytes: limits.holesHeldBytesMax }, 0);
  hole.hold(batch(13));
  hole.begin();
  expect(handedOn(hole.read(page(12, 13), 0))).toEqual(['at e:13']);
});
