import { expect, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { faultyLog, Rig } from './rig.ts';

const channels = [{ channel: 'video:*', history: { size: 10, ttlSeconds: 60 } }];
const path = '/v1/channels/video%3A1/history';

test('a backend reads what a channel keeps, in the words of publishing', async () => {
  const clock = new FakeClock();
  await using rig = await Rig.start({ channels, clock });
  const none = await rig.ask('GET', path);
  expect(none).toMatchObject({ status: 200, body: { E: null, r: { offset: 0, publications: [] } } });
  const { body } = await rig.publish({ c: 'video:1', d: '你好' });
  await rig.publish({ c: 'video:1', t: 'binary', d: 'AP8=', priority: 'high', ttlMs: 500, conflateKey: 'like', conflate: 'Sum', count: 3 });
  const read = await rig.ask('GET', path);
  expect(read.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(read.body).toEqual({
    E: null,
    r: {
      epoch: body.r?.['epoch'],
      offset: 2,
      publications: [
        { offset: 1, acceptedAt: clock.wall(), d: '你好' },
        {
          offset: 2,
          acceptedAt: clock.wall(),
          t: 'binary',
          d: 'AP8=',
          priority: 'high',
          ttlMs: 500,
          conflateKey: 'like',
          conflate: 'Sum',
          count: 3,
        },
      ],
    },
  });
  clock.time += 60_001;
  expect((await rig.ask('GET', path)).body.r).toMatchObject({ offset: 2, publications: [] });
});

test('limit, since, epoch and reverse choose, and the reach says what is missing', async () => {
  await using rig = await Rig.start({ channels });
  let epoch = '';
  for (let number = 1; number <= 15; number++) epoch = String((await rig.publish({ c: 'video:1', d: String(number) })).body.r?.['epoch']);
  const read = async (query: string) => {
    const { publications, reach } = (await rig.ask('GET', `${path}?${query}`)).body.r as {
      readonly publications: readonly { readonly offset: number }[];
      readonly reach?: string;
    };
    return [publications.map(({ offset }) => offset), reach];
  };
  expect(await read('limit=3')).toEqual([[13, 14, 15], undefined]);
  expect(await read('limit=3&reverse=true')).toEqual([[15, 14, 13], undefined]);
  expect(await read('since=12')).toEqual([[13, 14, 15], 'whole']);
  expect(await read(`since=12&epoch=${epoch}`)).toEqual([[13, 14, 15], 'whole']);
  expect(await read('since=12&limit=2')).toEqual([[13, 14], 'more']);
  expect(await read('since=15')).toEqual([[], 'whole']);
  expect(await read('since=2&limit=2')).toEqual([[6, 7], 'lost']);
  expect(await read('since=12&epoch=another')).toEqual([[], 'lost']);
  expect(await read('since=16')).toEqual([[], 'lost']);
  expect(await read('since=13&limit=2&reverse=true')).toEqual([[12, 11], 'more']);
  expect(await read('since=16&limit=2&reverse=true')).toEqual([[15, 14], 'more']);
  expect(await read('since=17&limit=2&reverse=true')).toEqual([[], 'lost']);
  expect(await read('since=6&limit=2&reverse=true')).toEqual([[], 'lost']);
  expect(await read('since=1&reverse=true')).toEqual([[], 'whole']);
});

test('a reader goes on from the answer of a channel that had no publication yet', async () => {
  await using rig = await Rig.start({ channels });
  const empty = await rig.ask('GET', path);
  expect(empty.body.r).toMatchObject({ epoch: '', offset: 0, publications: [] });
  const next = `${path}?since=0&epoch=`;
  expect((await rig.ask('GET', next)).body.r).toMatchObject({ reach: 'whole', publications: [] });
  await rig.publish({ c: 'video:1', d: 'first' });
  expect((await rig.ask('GET', next)).body.r).toMatchObject({ reach: 'whole', publications: [{ offset: 1 }] });
});

test.each([
  ['limit=0', 'limit: must be a whole number from 1 to 1000'],
  [`limit=${limits.historyPublicationsMax + 1}`, 'limit: must be'],
  ['limit=1&limit=2', 'limit: give it once'],
  ['since=-1', 'since: must be an offset'],
  ['since=9007199254740992', 'since: must be an offset'],
  ['epoch=abc', 'epoch: must be the epoch of an answer, and stand beside since'],
  ['since=1&epoch=%00', 'epoch: must be'],
  ['since=1&epoch=', 'epoch: must be'],
  ['epoch=', 'epoch: must be'],
  ['reverse=1', 'reverse: must be true or false'],
  ['offset=1', 'offset: unknown here; there are limit, since, epoch, reverse'],
])('a question that is wrong is answered with what to do: %s', async (query, message) => {
  await using rig = await Rig.start({ channels });
  const { status, body } = await rig.ask('GET', `${path}?${query}`);
  expect([status, body.E?.c, body.E?.m]).toEqual([400, 101, expect.stringContaining(message)]);
});

test('the bounds of a question are taken', async () => {
  await using rig = await Rig.start({ channels });
  const { status } = await rig.ask('GET', `${path}?limit=${limits.historyPublicationsMax}&since=9007199254740991`);
  expect(status).toBe(200);
});

test.each([
  [
    'GET /v1/channels/chat%3A1/history',
    { status: 404, code: 506, message: 'channel "chat:1" keeps no history: set history in the policy for *' },
  ],
  ['GET /v1/channels//history', { status: 400, code: 101, message: 'channel: ' }],
  ['GET /v1/channels/%ff/history', { status: 400, code: 101, message: 'channel: the path is not percent-encoded UTF-8' }],
  [`POST ${path}`, { status: 405, code: 505, message: 'use GET' }],
  ['GET /v1/channels/a/b/history', { status: 404, code: 505, message: 'GET /v1/channels/{channel}/history' }],
])('%s is refused with the reason', async (line, { status, code, message }) => {
  await using rig = await Rig.start({ channels });
  const [method = '', where = ''] = line.split(' ');
  const answer = await rig.ask(method, where);
  expect([answer.status, answer.body.E?.c, answer.body.E?.m]).toEqual([status, code, expect.stringContaining(message)]);
  if (status === 405) expect(answer.headers['allow']).toBe('GET');
});

test('reading needs the key that publishing needs, and a bus that is away is a temporary error', async () => {
  const memory = createMemoryBus();
  const log = { ...faultyLog(memory, (channel, publications) => memory.log.append(channel, publications)) };
  let fault: Error | undefined;
  log.history = (channel, query) => (fault === undefined ? memory.log.history(channel, query) : Promise.reject(fault));
  const bus = { ...memory, log };
  await using rig = await Rig.start({ channels, bus, apiKeys: ['a-key-of-the-test-01'] });
  expect((await rig.ask('GET', path)).status).toBe(401);
  const headers = { authorization: 'Bearer a-key-of-the-test-01' };
  expect((await rig.ask('GET', path, { headers })).status).toBe(200);
  fault = new BusUnavailable('away');
  const away = await rig.ask('GET', path, { headers });
  expect([away.status, away.headers['retry-after'], away.body.E?.m]).toEqual([
    503,
    '1',
    'temporarily unavailable: the bus cannot be reached. Repeat the request after 1 s',
  ]);
  fault = new TypeError('a bug');
  expect((await rig.ask('GET', path, { headers })).body.E).toEqual({ c: 500, m: 'internal error; the publisher logged it' });
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'unavailable' })).toBe(0);
});
