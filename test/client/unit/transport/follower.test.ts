import { expect, test } from 'vitest';
import {
  formerHeadsMax,
  olderHeadWaitMs,
  unknownHeadsMax,
  Follower,
  behindMax,
  heldBytesMax,
  joinBehindMax,
  type Head,
  type PulledSpan,
} from '../../../../client/transport/follower.ts';

const segmentOffsets = 50;

function span(after: number, upto: number, epoch = 'e', data = ''): PulledSpan {
  return { epoch, after, upto, publications: [{ data }] };
}

/** The head of a channel whose history keeps everything. */
function head(offset: number, more: Partial<Head<PulledSpan>> = {}): { readonly kind: 'head'; readonly head: Head<PulledSpan> } {
  const after = Math.floor(offset / segmentOffsets) * segmentOffsets;
  const epoch = more.epoch ?? 'e';
  return { kind: 'head', head: { epoch, offset, segmentOffsets, waitMs: 1_000, open: span(after, offset, epoch), ...more } };
}

/** Answers all questions up to the head: every segment is kept. */
function readUp(follower: Follower<PulledSpan>, data = ''): { readonly told: readonly unknown[]; readonly asked: readonly string[] } {
  const told: unknown[] = [];
  const asked: string[] = [];
  while (!follower.waits) {
    asked.push(follower.path);
    const number = Number(/segments\/e\/(\d+)/.exec(follower.path)?.[1]);
    told.push(...follower.take({ kind: 'segment', batch: span(number * 50, number * 50 + 50, 'e', data) }));
  }
  return { told, asked };
}

test('segments up to the head are asked for in turn, and told only with the head', () => {
  const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 20 } });
  expect([follower.waits, follower.path]).toEqual([true, 'head']);
  expect(follower.take(head(120))).toEqual([]);
  expect([follower.waits, follower.path]).toEqual([false, 'segments/e/0']);
  expect(follower.take({ kind: 'segment', batch: span(0, 30) })).toEqual([]);
  expect(follower.path).toBe('segments/e/0?after=30');
  expect(follower.take({ kind: 'segment', batch: span(30, 50) })).toEqual([]);
  expect(follower.path).toBe('segments/e/1');
  const told = follower.take({ kind: 'segment', batch: span(50, 100) });
  expect(told.map((step) => (step.kind === 'batch' ? [step.batch.after, step.batch.upto] : step.kind))).toEqual([
    [0, 30],
    [30, 50],
    [50, 100],
    [100, 120],
  ]);
  expect([follower.position, follower.waits, follower.waitMs]).toEqual([{ epoch: 'e', offset: 120 }, true, 1_000]);
});

test('what is not kept any more is a gap, and an answer that comes to nothing leads back to the head', () => {
  const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 10 } });
  follower.take(head(120));
  expect(follower.take({ kind: 'refused', code: 'not_closed' })).toEqual([]);
  expect([follower.waits, follower.path]).toEqual([true, 'head']);
  follower.take(head(120, { waitMs: 5_000 }));
  follower.take({ kind: 'refused', code: 'gone' });
  const told = follower.take({ kind: 'refused', code: 'gone' });
  expect(told).toMatchObject([{ kind: 'gap', after: 10, upto: 50 }, { kind: 'gap', after: 50, upto: 100 }, { kind: 'batch' }]);
  expect(follower.waitMs).toBe(5_000);
  const open = head(130, { open: span(125, 130) });
  expect(follower.take(open)).toMatchObject([{ kind: 'gap', after: 120, upto: 125 }, { kind: 'batch' }]);
});

test('an epoch that goes on without a loss is told, one that does not is a leap, and heads of former ones are passed over', () => {
  const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 100 } });
  follower.take(head(100));
  const earlier = { epoch: 'e', offset: 100 };
  expect(follower.take(head(101, { epoch: 'f', earlier }))).toMatchObject([
    { kind: 'epoch', epoch: 'f', before: earlier },
    { kind: 'batch' },
  ]);
  expect(follower.take(head(140))).toEqual([]);
  expect(follower.position).toEqual({ epoch: 'f', offset: 101 });
  // The failover lost 101.
  const next = head(120, { epoch: 'g', earlier: { epoch: 'f', offset: 100 } });
  expect(follower.take(next)).toMatchObject([{ kind: 'leap', to: { epoch: 'g', offset: 100 } }, { kind: 'batch' }]);
  for (let seen = 1; seen < unknownHeadsMax; seen++) expect(follower.take(head(7, { epoch: 'h' }))).toEqual([]);
  expect(follower.take(head(7, { epoch: 'h' }))).toMatchObject([{ kind: 'leap', to: { epoch: 'h', offset: 7 } }]);
  expect(follower.position).toEqual({ epoch: 'h', offset: 7 });
});

test('a reader that comes from a gateway that is ahead passes over heads that do not know its epoch, or only its beginning', () => {
  const follower = new Follower<PulledSpan>({ position: { epoch: 'f7', offset: 104 } });
  for (let seen = 1; seen < unknownHeadsMax; seen++) expect(follower.take(head(100))).toEqual([]);
  const earlier = { epoch: 'e', offset: 100 };
  expect(follower.take(head(106, { epoch: 'f7', earlier }))).toMatchObject([{ kind: 'batch' }]);
  for (let seen = 0; seen < 2 * unknownHeadsMax; seen++) expect(follower.take(head(100, { epoch: 'f' }))).toEqual([]);
  expect(follower.position).toEqual({ epoch: 'f7', offset: 106 });
});

test('a position before the first publication goes on in the epoch whose name it begins', () => {
  const follower = new Follower<PulledSpan>({});
  follower.take(head(0, { epoch: '', open: span(0, 0, '') }));
  expect(follower.take(head(2))).toMatchObject([{ kind: 'batch', batch: { upto: 2 } }]);
  expect(follower.position).toEqual({ epoch: 'e', offset: 2 });
});

test.each([
  ['at the beginning', joinBehindMax, false],
  ['later', behindMax, true],
])('%s a follower may be %i offsets behind, and one more is a gap', (_when, most, isLater) => {
  for (const over of [0, 1]) {
    const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 0 } });
    if (isLater) follower.take(head(0));
    const told = [...follower.take(head(most + over)), ...readUp(follower).told];
    expect(told.filter((step) => (step as { readonly kind: string }).kind === 'gap').length, String(most + over)).toBe(over);
    expect(follower.position?.offset).toBe(most + over);
  }
});

test('what waits for the head is bounded in bytes: beyond it is a gap', () => {
  const quarter = 'x'.repeat(heldBytesMax / 4);
  for (const segments of [4, 5]) {
    const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 0 } });
    follower.take(head(segments * 50));
    const { told } = readUp(follower, quarter);
    if (segments === 4) expect(told).toHaveLength(4);
    else
      expect(told).toMatchObject([
        { kind: 'gap', after: 0, upto: 200 },
        { kind: 'batch', batch: { after: 200, upto: 250 } },
      ]);
  }
});

test('an epoch that was left is believed in the end: Redis may have gone back to an earlier master', () => {
  const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 110 } });
  follower.take(head(112, { epoch: 'f', earlier: { epoch: 'e', offset: 110 } }));
  expect(follower.position).toEqual({ epoch: 'f', offset: 112 });
  for (let seen = 1; seen < formerHeadsMax; seen++) expect(follower.take(head(111))).toEqual([]);
  // A head of the position's own epoch between them: they came from a gateway that lags behind.
  expect(follower.take(head(113, { epoch: 'f' }))).toMatchObject([{ kind: 'batch' }]);
  for (let seen = 1; seen < formerHeadsMax; seen++) expect(follower.take(head(111))).toEqual([]);
  expect(follower.take(head(111))).toMatchObject([{ kind: 'leap', to: { epoch: 'e', offset: 111 } }]);
  expect(follower.take(head(112))).toMatchObject([{ kind: 'batch' }]);
  expect(follower.position).toEqual({ epoch: 'e', offset: 112 });
});

test('a head that is passed over is asked for again after a second, however quiet the channel was', () => {
  const follower = new Follower<PulledSpan>({ position: { epoch: 'e', offset: 20 } });
  follower.take(head(20, { waitMs: 5_000 }));
  expect(follower.waitMs).toBe(5_000);
  follower.take(head(7, { epoch: 'h', waitMs: 5_000 }));
  expect(follower.waitMs).toBe(olderHeadWaitMs);
});
