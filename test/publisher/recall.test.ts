import { expect, test } from 'vitest';
import { BusUnavailable, type Bus } from '../../core/bus/bus.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import type { Publication } from '../../core/publication.ts';
import { publisherBounds } from '../../publisher/bounds.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { faultyLog, Rig, type Answer } from './rig.ts';

const history = { size: 5_000, ttlSeconds: 60 };
const channels = [{ channel: 'video:*', history }];
const base = '/v1/channels/video%3A1';

interface Entry {
  readonly offset: number;
  readonly d?: string;
  readonly recall?: unknown;
}

async function publish(rig: Rig, texts: readonly string[], more: object = {}): Promise<string> {
  let epoch = '';
  for (const d of texts) epoch = String((await rig.publish({ c: 'video:1', d, ...more })).body.r?.['epoch']);
  return epoch;
}

async function read(rig: Rig, query = 'limit=1000'): Promise<readonly Entry[]> {
  return ((await rig.ask('GET', `${base}/history?${query}`)).body.r as { readonly publications: readonly Entry[] }).publications;
}

const clear = (rig: Rig, headers: Record<string, string> = {}): Promise<Answer> => rig.post(`${base}/clear`, {}, headers);
const recall = (rig: Rig, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  rig.post(`${base}/recall`, body, headers);

test('a recall by offsets takes them out of the history, and has an offset of its own', async () => {
  const clock = new FakeClock();
  await using rig = await Rig.start({ channels, clock });
  const epoch = await publish(rig, ['a', 'b', 'c']);
  const { status, body } = await recall(rig, { epoch, offsets: [3, 1, 3] });
  expect([status, body]).toEqual([200, { E: null, r: { epoch, offset: 4, recalled: 2 } }]);
  expect(await read(rig)).toEqual([
    { offset: 2, acceptedAt: clock.wall(), d: 'b' },
    { offset: 4, acceptedAt: clock.wall(), recall: { offsets: [1, 3] } },
  ]);
});

test('a clear takes out everything before it, and nothing after it', async () => {
  await using rig = await Rig.start({ channels });
  const epoch = await publish(rig, ['a', 'b']);
  expect((await clear(rig)).body.r).toEqual({ epoch, offset: 3 });
  await publish(rig, ['c']);
  expect(await read(rig)).toMatchObject([
    { offset: 3, recall: { upto: 2 } },
    { offset: 4, d: 'c' },
  ]);
});

test('a recall by user finds what backends and clients published for that user, and nobody else’s', async () => {
  await using rig = await Rig.start({ channels });
  await publish(rig, ['a', 'b'], { user: 'eve' });
  await publish(rig, ['c']);
  await publish(rig, ['d'], { user: 'Eve' });
  const { body } = await rig.post('/v1/publish', { publications: [{ c: 'video:1', d: 'e', user: 'eve' }] });
  expect(body.E).toBeNull();
  expect(await read(rig)).toMatchObject([{ user: 'eve' }, { user: 'eve' }, { d: 'c' }, { user: 'Eve' }, { d: 'e', user: 'eve' }]);
  expect((await recall(rig, { user: 'eve' })).body.r).toMatchObject({ offset: 6, recalled: 3 });
  expect((await read(rig)).map(({ offset, d }) => d ?? offset)).toEqual(['c', 'd', 6]);
  // Again: nothing is left of this user, and no tombstone is needed.
  expect((await recall(rig, { user: 'eve' })).body.r).toMatchObject({ offset: 6, recalled: 0 });
});

test('a recall by user reads a long history, and takes as many tombstones as it needs', async () => {
  await using rig = await Rig.start({ channels });
  const log = await rig.logOf('video:1');
  const entry = (index: number) => ({ c: 'video:1', d: String(index), ...(index % 3 === 0 ? {} : { user: 'eve' }) });
  for (let at = 0; at < 1_800; at += 450)
    await rig.post('/v1/publish', { publications: Array.from({ length: 450 }, (_, index) => entry(at + index)) });
  expect((await recall(rig, { user: 'eve' })).body.r).toMatchObject({ recalled: 1_200, offset: 1_802 });
  const sizes = log.flatMap(({ recall: what }) => (what?.kind === 'offsets' ? what.offsets.length : []));
  expect(sizes).toEqual([limits.recallOffsetsMax, 200]);
  expect((await read(rig)).length).toBeLessThan(1_000);
});

test('what the user publishes during a recall is recalled too', async () => {
  const bus = createMemoryBus();
  let late = 3;
  const append: Bus['log']['append'] = async (channel, publications, keep, keys) => {
    const result = await bus.log.append(channel, publications, keep, keys);
    const isRecall = publications.some((each) => each.recall !== undefined);
    const [again] = publications;
    if (isRecall && late-- > 0 && again !== undefined) {
      const { recall: _, ...plain }: Publication = again;
      await bus.log.append(channel, [{ ...plain, payload: Buffer.from('late'), user: 'eve' }], keep);
    }
    return result;
  };
  await using rig = await Rig.start({ channels, bus: { ...bus, log: faultyLog(bus, append) } });
  await publish(rig, ['a'], { user: 'eve' });
  expect((await recall(rig, { user: 'eve' })).body.r).toMatchObject({ recalled: 4 });
  expect((await read(rig)).filter(({ d }) => d !== undefined)).toEqual([]);
});

test('a recall by user needs a history, and says so; offsets and clear do not', async () => {
  await using rig = await Rig.start({});
  const epoch = await publish(rig, ['a'], { user: 'eve' });
  const refused = await recall(rig, { user: 'eve' });
  expect(refused).toMatchObject({ status: 404, body: { E: { c: 506 } } });
  expect(refused.body.E?.m).toBe(
    'channel "video:1" keeps no history, which alone knows who wrote what: set history in the policy for *, or name offsets',
  );
  expect((await recall(rig, { epoch, offsets: [1] })).body.r).toMatchObject({ offset: 2, recalled: 1 });
  expect((await clear(rig)).body.r).toMatchObject({ offset: 3 });
});

test('offsets of another epoch, or of none, are refused in words', async () => {
  await using rig = await Rig.start({ channels });
  const nothing = await recall(rig, { epoch: 'e1', offsets: [1] });
  expect(nothing).toMatchObject({ status: 400, body: { E: { c: 101, m: 'offsets: 1 is above the newest, 0: it was not published yet' } } });
  const epoch = await publish(rig, ['a', 'b']);
  const other = await recall(rig, { epoch: 'other', offsets: [1] });
  expect(other).toMatchObject({ status: 409, body: { E: { c: 509 } } });
  expect(other.body.E?.m).toContain(`is "${epoch}" now`);
  expect((await recall(rig, { epoch, offsets: [2, 3] })).body.E?.m).toBe('offsets: 3 is above the newest, 2: it was not published yet');
  expect(await read(rig)).toHaveLength(2);
});

test('where all publications are gone, no others are spoken of', async () => {
  const bus = createMemoryBus();
  const log: Bus['log'] = { ...bus.log, history: async () => ({ position: { epoch: 'new', offset: 0 }, publications: [] }) };
  await using rig = await Rig.start({ channels, bus: { ...bus, log } });
  const { status, body } = await recall(rig, { epoch: 'old', offsets: [1] });
  expect([status, body.E?.m]).toEqual([409, 'epoch: channel "video:1" has no publications now. There is nothing to recall']);
});

test('after a failover the offsets of the epoch before are good up to its end; one that comes in between is asked again', async () => {
  const bus = createMemoryBus();
  let epoch = 'new1';
  let appends = 0;
  const log: Bus['log'] = {
    ...faultyLog(bus, async () => ({ epoch: ++appends === 1 ? 'new2' : epoch, firstOffset: 9, lastOffset: 9 })),
    history: async () => ({ position: { epoch, offset: 8 }, earlier: { epoch: 'old', offset: 5 }, publications: [] }),
  };
  await using rig = await Rig.start({ channels, bus: { ...bus, log } });
  const refused = await recall(rig, { epoch: 'old', offsets: [5, 6] });
  expect(refused.body.E?.m).toContain('of "old" only the offsets up to 5 are still known');
  expect(appends).toBe(0);
  expect((await recall(rig, { epoch: 'old', offsets: [5] })).body.r).toMatchObject({ epoch: 'new1', offset: 9 });
  expect(appends).toBe(2);
  epoch = 'new3';
  expect((await recall(rig, { epoch: 'new3', offsets: [6] })).body.r).toMatchObject({ epoch: 'new3' });
});

test('a repetition with the same key makes no second tombstone; another recall with it is refused', async () => {
  await using rig = await Rig.start({ channels });
  const epoch = await publish(rig, ['a', 'b']);
  const key = { 'idempotency-key': '"clear-1"' };
  expect((await clear(rig, key)).body.r).toEqual({ epoch, offset: 3 });
  await publish(rig, ['c']);
  expect((await clear(rig, key)).body.r).toEqual({ epoch, offset: 3, replayed: true });
  expect((await read(rig)).map(({ d }) => d)).toEqual([undefined, 'c']);
  expect(await recall(rig, { epoch, offsets: [4] }, key)).toMatchObject({ status: 422, body: { E: { c: 507 } } });
  const other = { 'idempotency-key': 'recall-1' };
  expect((await recall(rig, { epoch, offsets: [4] }, other)).body.r).toMatchObject({ offset: 5 });
  expect((await recall(rig, { epoch, offsets: [4] }, other)).body.r).toMatchObject({ offset: 5, replayed: true });
});

test.each<[string, string, unknown, string]>([
  ['recall', base, {}, 'name what to recall: epoch and offsets, or user'],
  ['recall', base, { offsets: [1] }, 'epoch: is missing: offsets mean nothing without their epoch, which answers and batches tell'],
  ['recall', base, { epoch: 'e', offsets: [] }, 'offsets: names no offset'],
  ['recall', base, { epoch: 'e', offsets: [0] }, 'offsets.0: must be an offset from 1'],
  ['recall', base, { epoch: 'e', offsets: [1.5] }, 'offsets.0: must be an offset, which is a whole number from 1'],
  ['recall', base, { epoch: 'e!', offsets: [1] }, 'epoch: must be the epoch of an answer'],
  ['recall', base, { epoch: 'e', offsets: [1], user: 'eve' }, 'user: stands alone, without epoch and offsets'],
  ['recall', base, { user: '' }, 'user: must be 1 to 248 bytes'],
  ['recall', base, { user: 'x'.repeat(249) }, 'user: must be 1 to 248 bytes'],
  ['recall', base, { uid: 'eve' }, 'unknown field "uid"'],
  ['clear', base, { upto: 3 }, 'unknown field "upto"'],
  ['clear', '/v1/channels/video%3', {}, 'channel: the path is not percent-encoded UTF-8'],
  ['clear', '/v1/channels/a%20b', {}, 'channel: a channel name has no spaces, no control characters and none of * @'],
])('%s of %s with %j is refused: %s', async (operation, path, body, message) => {
  await using rig = await Rig.start({ channels });
  expect(await rig.post(`${path}/${operation}`, body)).toMatchObject({ status: 400, body: { E: { c: 101, m: message } } });
});

test('the bounds: as many offsets and recalls a second as are allowed, and not one more', async () => {
  const clock = new FakeClock();
  await using rig = await Rig.start({ channels, clock });
  const epoch = await publish(rig, ['a']);
  const offsets = Array.from({ length: limits.recallOffsetsMax + 1 }, (_, index) => index + 1);
  expect((await recall(rig, { epoch, offsets })).body.E?.m).toBe('offsets: names more than 1000 offsets: send several requests');
  expect((await recall(rig, { epoch, offsets: offsets.slice(1) })).body.E?.m).toContain('it was not published yet');
  for (let index = 1; index < publisherBounds.recallsPerSecondMax; index++) expect((await clear(rig)).status).toBe(200);
  expect(await clear(rig)).toMatchObject({ status: 429, body: { E: { c: 502 } } });
  clock.time += 1_000;
  expect((await clear(rig)).status).toBe(200);
});

test('both need the key of the publish API, POST, and a bus', async () => {
  await using rig = await Rig.start({ channels, apiKeys: ['a-key-of-16-letters'] });
  for (const operation of ['recall', 'clear']) {
    expect(await rig.post(`${base}/${operation}`, {})).toMatchObject({ status: 401, body: { E: { c: 501 } } });
    const headers = { 'x-api-key': 'a-key-of-16-letters' };
    expect(await rig.ask('GET', `${base}/${operation}`, { headers })).toMatchObject({ status: 405, body: { E: { m: 'use POST' } } });
  }
  const bus = createMemoryBus();
  const away = faultyLog(bus, () => Promise.reject(new BusUnavailable('away', { mayBeDone: true })));
  await using cut = await Rig.start({ channels, bus: { ...bus, log: away } });
  const answer = await clear(cut);
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, body: { E: { c: 503, published: 'unknown' } } });
});

test('a page of which all was recalled says where to go on', async () => {
  await using rig = await Rig.start({ channels });
  await publish(rig, ['a', 'b', 'c', 'd']);
  await clear(rig);
  await publish(rig, ['e']);
  const page = async (query: string) => (await rig.ask('GET', `${base}/history?${query}`)).body.r;
  expect(await page('since=0&limit=2')).toMatchObject({ reach: 'more', next: 2, publications: [] });
  expect(await page('since=2&limit=2')).toMatchObject({ reach: 'more', next: 4, publications: [] });
  expect(await page('since=4&limit=2')).toMatchObject({ reach: 'whole', publications: [{ offset: 5 }, { offset: 6 }] });
  expect(await page('since=5&limit=2&reverse=true')).toMatchObject({ reach: 'more', next: 3, publications: [] });
});
