import { expect, test } from 'vitest';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { limits } from '../../core/limits.ts';
import type { Publication } from '../../core/publication.ts';
import { createRedisBus } from '../../core/redis/bus.ts';
import { publisherBounds } from '../../publisher/bounds.ts';
import { untilUp } from '../bus/world.ts';
import { RedisServer } from '../support/redis-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { faultyLog, Rig, type Answer } from './rig.ts';

const path = '/v1/publish';

function resultsOf(answer: Answer): readonly unknown[] {
  expect([answer.status, answer.body.E]).toEqual([200, null]);
  return answer.body.r?.['results'] as readonly unknown[];
}

const texts = (log: readonly Publication[]): readonly string[] => log.map(({ payload }) => payload.toString());

test('many publications to many channels: a result for each, in their order, and each channel keeps the order', async () => {
  await using rig = await Rig.start();
  rig.gateway.counts.set('a', { ready: 5, full: 1 });
  const [a, b, c] = [await rig.logOf('a'), await rig.logOf('b'), await rig.logOf('c')];
  const publications = [
    { c: 'a', d: '1', priority: 'high', conflateKey: 'k', conflate: 'Sum', count: 3 },
    { c: 'b', d: 'AP8=', t: 'binary', ttlMs: 500 },
    { channels: ['c', 'a', 'b'], d: 'to all' },
    { c: 'a', d: '2' },
    { channels: ['c'], d: 'a list of one' },
  ];
  const results = resultsOf(await rig.post(path, { publications }));
  const done = (offset: number, epoch: unknown, { s = 0, f = 0 } = {}): unknown => ({ E: null, r: { s, f, offset, epoch } });
  const [first, second] = results as readonly { readonly r: { readonly epoch: string } }[];
  const third = results[2] as readonly { readonly r: { readonly epoch: string } }[];
  const [epochA, epochB, epochC] = [first?.r.epoch, second?.r.epoch, third[0]?.r.epoch];
  expect(new Set([epochA, epochB, epochC]).size).toBe(3);
  const members = { s: 5, f: 1 };
  expect(results).toEqual([
    done(1, epochA, members),
    done(1, epochB),
    [done(1, epochC), done(2, epochA, members), done(2, epochB)],
    done(3, epochA, members),
    [done(2, epochC)],
  ]);
  expect([texts(a), texts(b).slice(1), texts(c)]).toEqual([['1', 'to all', '2'], ['to all'], ['to all', 'a list of one']]);
  expect(a[0]).toMatchObject({ priority: 'high', conflation: { key: 'k', mode: 'Sum', count: 3 } });
  expect(b[0]).toMatchObject({ kind: 'binary', payload: Buffer.from([0, 255]), ttlMs: 500 });
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'accepted' })).toBe(7);
});

test('what its channel does not take refuses all of that channel, and no other', async () => {
  const channels = [
    { channel: 'small', limits: { payloadBytesMax: 3 } },
    { channel: 'off', idempotency: { windowSeconds: 0 } },
  ];
  await using rig = await Rig.start({ channels });
  const [small, free] = [await rig.logOf('small'), await rig.logOf('free')];
  const publications = [
    { c: 'small', d: 'abc' },
    { channels: ['small', 'free'], d: 'abcd' },
    { c: 'off', d: 'x', idempotencyKey: 'k' },
    { c: 'small', d: '' },
  ];
  const withOthers = { E: { c: 508, m: 'not published: publications[1] for the same channel was refused' } };
  expect(resultsOf(await rig.post(path, { publications }))).toEqual([
    withOthers,
    [
      { E: { c: 504, m: 'd: 4 bytes are more than the 3 that channel "small" takes' } },
      { E: null, r: { s: 0, f: 0, offset: 1, epoch: expect.any(String) } },
    ],
    { E: { c: 101, m: 'idempotencyKey: the policy of channel "off" remembers none (idempotency.windowSeconds is 0)' } },
    withOthers,
  ]);
  expect([texts(small), texts(free)]).toEqual([[], ['abcd']]);
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'too_large' })).toBe(1);
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'invalid' })).toBe(3);
});

const x = (more: object = {}): object => ({ c: 'a', d: 'x', ...more });
const { batchPublicationsMax, batchBytesMax } = publisherBounds;
const manyChannels = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `c${index}`);

test.each<[string, unknown, string]>([
  ['no publications', {}, '400 101 publications: must be a list with at least one publication'],
  ['an empty list', { publications: [] }, '400 101 publications: must be a list with at least one publication'],
  ['another field', { publications: [x()], wait: 'delivered' }, '400 101 unknown field "wait" (a request has publications)'],
  ['a publication that is none', { publications: [x(), 'x'] }, '400 101 publications[1]: must be an object'],
  [
    'a field that is wrong',
    { publications: [x(), x({ ttlMs: -1 })] },
    '400 101 publications[1]: ttlMs: must be an integer from 0 to 86400000',
  ],
  ['a wait', { publications: [x({ wait: 'delivered' })] }, '400 101 publications[0]: unknown field "wait"'],
  ['both c and channels', { publications: [x({ channels: ['b'] })] }, '400 101 publications[0]: c and channels name the same: send one'],
  ['neither', { publications: [{ d: 'x' }] }, '400 101 publications[0]: c: is missing'],
  [
    'channels that are no list',
    { publications: [{ channels: 'a', d: '' }] },
    '400 101 publications[0]: channels: must be a list of channels',
  ],
  ['no channels', { publications: [{ channels: [], d: '' }] }, '400 101 publications[0]: channels: must be a list of channels'],
  [
    'a channel of no text',
    { publications: [{ channels: ['a', 7], d: '' }] },
    '400 101 publications[0]: channels: must be a list of channels',
  ],
  [
    'a wrong name',
    { publications: [{ channels: ['a', 'b c'], d: '' }] },
    '400 101 publications[0]: channels: "b c": a channel name has no spaces, no control characters and none of * @',
  ],
  ['a channel twice', { publications: [{ channels: ['a', 'a'], d: '' }] }, '400 101 publications[0]: channels: names a channel twice'],
  [
    'a key twice for one channel',
    { publications: [x({ idempotencyKey: 'k' }), { channels: ['b', 'a'], d: 'x', idempotencyKey: 'k' }] },
    '422 507 publications[1]: idempotencyKey: it stands twice for channel "a"',
  ],
  [
    'too many publications',
    { publications: Array.from({ length: batchPublicationsMax + 1 }, (_, index) => x({ c: `c${index}` })) },
    '413 504 publications: 1001, counted once for each channel; a request may have 1000',
  ],
  [
    'too many channels',
    { publications: [x(), { channels: manyChannels(batchPublicationsMax), d: 'x' }] },
    '413 504 publications: 1001, counted once for each channel; a request may have 1000',
  ],
  [
    'too many bytes',
    { publications: [{ channels: manyChannels(17), d: 'x'.repeat(batchBytesMax / 16) }] },
    '413 504 publications: 17825792 bytes of payload, once for each channel; a request may have 16777216',
  ],
  [
    'too many publications of one channel',
    { publications: Array.from({ length: limits.appendPublicationsMax + 1 }, () => x()) },
    '413 504 channel "a": 501 publications of 501 bytes; one request may have 500 of 1048576 for a channel',
  ],
])('%s: the request is refused as a whole, and nothing is published', async (_, body, expected) => {
  await using rig = await Rig.start();
  const log = await rig.logOf('a');
  const answer = await rig.post(path, body);
  expect(`${answer.status} ${answer.body.E?.c} ${answer.body.E?.m}`).toBe(expected);
  expect(log).toEqual([]);
});

test('the bounds are taken: a thousand publications, five hundred of one channel, sixteen megabytes', async () => {
  const channels = [{ channel: '*', limits: { payloadBytesMax: limits.payloadBytesMax } }];
  await using rig = await Rig.start({ channels });
  const publications = [
    ...Array.from({ length: limits.appendPublicationsMax }, () => x()),
    { channels: manyChannels(batchPublicationsMax - limits.appendPublicationsMax), d: 'x' },
  ];
  expect(resultsOf(await rig.post(path, { publications })).at(-2)).toMatchObject({ r: { offset: limits.appendPublicationsMax } });
  const large = { channels: manyChannels(16), d: 'x'.repeat(batchBytesMax / 16) };
  expect(resultsOf(await rig.post(path, { publications: [large] }))).toMatchObject([large.channels.map(() => ({ E: null }))]);
});

test('the rate of a channel counts its publications, all or none, together with those that are published one by one', async () => {
  const clock = new FakeClock();
  await using rig = await Rig.start({ channels: [{ channel: 'a', limits: { publicationsPerSecond: 5 } }], clock });
  const of = (count: number): object => ({ publications: [...Array.from({ length: count }, () => x()), x({ c: 'free' })] });
  const codes = async (count: number): Promise<readonly unknown[]> =>
    (resultsOf(await rig.post(path, of(count))) as readonly Answer['body'][]).map(({ E }) => E?.m ?? 'done');
  expect((await codes(6))[0]).toBe('6 publications at once: channel "a" takes 5 a second; send fewer at a time');
  expect(await codes(3)).toEqual(['done', 'done', 'done', 'done']);
  expect((await rig.publish({ c: 'a', d: 'x' })).status).toBe(200);
  const words = 'channel "a" takes 5 publications a second; the next 2 in 200 ms';
  expect(await codes(2)).toEqual([words, words, 'done']);
  expect(await codes(1)).toEqual(['done', 'done']);
});

test('a request with a key is published once, also in part, and publications have keys of their own', async () => {
  await using rig = await Rig.start();
  const key = { 'idempotency-key': 'a-request' };
  const log = await rig.logOf('a');
  const publications = [x(), { channels: ['a', 'b'], d: 'y' }, x({ d: 'z', idempotencyKey: 'own' })];
  await rig.post('/v1/mesh/publish', x({ d: 'z' }), { 'idempotency-key': 'own' });
  const first = resultsOf(await rig.post(path, { publications }, key));
  expect(first).toMatchObject([{ r: { offset: 2 } }, [{ r: { offset: 3 } }, { r: { offset: 1 } }], { r: { offset: 1, replayed: true } }]);
  const again = resultsOf(await rig.post(path, { publications }, key));
  expect(again).toMatchObject([
    { r: { offset: 2, replayed: true } },
    [{ r: { offset: 3, replayed: true } }, { r: { offset: 1, replayed: true } }],
    { r: { offset: 1, replayed: true } },
  ]);
  expect(texts(log)).toEqual(['z', 'x', 'y']);
  const changed = resultsOf(await rig.post(path, { publications: [x(), { channels: ['a', 'b'], d: 'other' }, x({ c: 'c' })] }, key));
  const reused = { E: { c: 507, m: 'idempotencyKey: it was used for another publication; give each publication a key of its own' } };
  expect(changed).toMatchObject([
    { E: { c: 508, m: 'not published: publications[1] for the same channel was refused' } },
    [reused, reused],
    { E: null },
  ]);
  const wrong = await rig.post(path, { publications }, { 'idempotency-key': 'a key' });
  expect([wrong.status, wrong.body.E?.m]).toEqual([400, expect.stringMatching(/^Idempotency-Key: must be 1 to 128/)]);
});

test('all channels are under way at once, and a channel whose bus is away is told so alone', async () => {
  const memory = createMemoryBus();
  const under = new Set<string>();
  let release: () => void = () => undefined;
  const allUnderWay = new Promise<void>((resolve) => (release = resolve));
  const bus = {
    ...memory,
    log: faultyLog(memory, async (channel, publications) => {
      under.add(channel);
      if (under.size === 50) release();
      await allUnderWay;
      if (channel === 'c7') throw new BusUnavailable('lost', { trouble: 'late', mayBeDone: true });
      if (channel === 'c8') throw new TypeError('a bug');
      return memory.log.append(channel, publications);
    }),
  };
  await using rig = await Rig.start({ bus });
  const publications = manyChannels(50).map((c) => x({ c }));
  const results = resultsOf(await rig.post(path, { publications })) as readonly Answer['body'][];
  expect(results[7]?.E).toEqual({
    c: 503,
    m: 'temporarily unavailable: the bus did not answer in time. It may have been published; repeat it after 1 s if twice is better than not at all',
    published: 'unknown',
  });
  expect(results[8]?.E).toEqual({ c: 500, m: 'internal error; the publisher logged it' });
  expect(results.filter(({ E }) => E === null)).toHaveLength(48);
});

test('it needs a key, a POST and no query, and a traceparent is passed on', async () => {
  await using rig = await Rig.start({ apiKeys: ['a-key-of-the-test-01'] });
  const log = await rig.logOf('a');
  expect((await rig.post(path, { publications: [x()] })).status).toBe(401);
  const authorised = { authorization: 'Bearer a-key-of-the-test-01' };
  expect((await rig.ask('GET', path, { headers: authorised })).status).toBe(405);
  const queried = await rig.post(`${path}?wait=delivered`, { publications: [x()] }, authorised);
  expect([queried.status, queried.body.E?.m]).toEqual([400, 'unknown query parameter "wait" (there are: none)']);
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  resultsOf(await rig.post(path, { publications: [x()] }, { ...authorised, traceparent }));
  expect(log).toMatchObject([{ traceparent }]);
});

test('on Redis a request of hundreds of channels is published, with keys and a history, and again once', async () => {
  const redis = await RedisServer.start();
  try {
    const bus = createRedisBus({ url: redis.url, prefix: 'batch' });
    await using rig = await Rig.start({ bus, channels: [{ channel: '*', history: { size: 10 } }] });
    await untilUp(bus);
    const publications = [{ channels: manyChannels(300), d: 'to all' }, ...manyChannels(300).map((c) => x({ c }))];
    const send = async (): Promise<readonly unknown[]> => resultsOf(await rig.post(path, { publications }, { 'idempotency-key': 'k' }));
    const [all, ...single] = await send();
    expect(all).toMatchObject(manyChannels(300).map(() => ({ r: { offset: 1 } })));
    expect(single).toMatchObject(manyChannels(300).map(() => ({ r: { offset: 2 } })));
    const [again] = await send();
    expect(again).toMatchObject(manyChannels(300).map(() => ({ r: { offset: 1, replayed: true } })));
    const { publications: kept } = await bus.log.history('c299', { kind: 'newest', limit: 10 });
    expect(kept.map(({ publication: { payload } }) => payload.toString())).toEqual(['to all', 'x']);
  } finally {
    await redis.dispose();
  }
});
