import { expect, test } from 'vitest';
import { createRedisBus } from '../../core/redis/bus.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until, untilUp } from '../bus/world.ts';
import { Rig } from './rig.ts';

const key = { 'idempotency-key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' };
const path = '/v1/mesh/publish';

test('the same request twice is one publication, by header, by field and by WebSocket', async () => {
  await using rig = await Rig.start();
  const log = await rig.logOf('video:1');
  const body = { c: 'video:1', d: 'gift', priority: 'high', conflateKey: 'k', conflate: 'Sum', count: 3 };
  const first = await rig.post(path, body, key);
  expect(first.body.r).toMatchObject({ offset: 1 });
  expect(first.body.r).not.toHaveProperty('replayed');
  await rig.publish({ c: 'video:1', d: 'between' });
  const again = await rig.post(path, body, key);
  expect([again.status, again.body.r]).toEqual([200, { ...first.body.r, replayed: true }]);
  const idempotencyKey = '8e03978e-40d5-43dd-bc93-6894a57f9324';
  expect((await rig.publish({ ...body, idempotencyKey })).body.r).toEqual(again.body.r);
  const socket = await rig.connect();
  expect((await socket.ask({ m: 'mesh.publish', p: { ...body, idempotencyKey }, i: 1 })).r).toEqual(again.body.r);
  // How to answer is no part of what is published.
  rig.gateway.reply = () => ({ kind: 'delivered', delivered: 5, dropped: {}, pending: 0 });
  const waited = await rig.post(`${path}?wait=delivered`, body, key);
  expect(waited.body.r).toMatchObject({ s: 5, offset: 1, replayed: true });
  expect(log.map(({ payload }) => payload.toString())).toEqual(['gift', 'between']);
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'replayed' })).toBe(4);
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'accepted' })).toBe(2);
});

test('the same key with another body is refused, on its channel alone', async () => {
  await using rig = await Rig.start();
  await rig.post(path, { c: 'video:1', d: 'gift' }, key);
  const refused = await rig.post(path, { c: 'video:1', d: 'another gift' }, key);
  expect(refused.status).toBe(422);
  expect(refused.body.E).toEqual({
    c: 507,
    m: 'idempotencyKey: it was used for another publication; give each publication a key of its own',
  });
  expect((await rig.post(path, { c: 'video:2', d: 'another gift' }, key)).body.r).toMatchObject({ offset: 1 });
  expect((await rig.publish({ c: 'video:1', d: 'x' })).body.r).toMatchObject({ offset: 2 });
});

const syntax = 'idempotencyKey: must be 1 to 128 visible ASCII characters without spaces, such as a UUID';
test.each([
  ['', syntax],
  ['""', syntax],
  ['a b', syntax],
  ['x'.repeat(129), syntax],
])('the key %j is refused', async (value, message) => {
  await using rig = await Rig.start();
  const { status, body } = await rig.post(path, { c: 'a', d: '' }, { 'idempotency-key': value });
  expect([status, body.E]).toEqual([400, { c: 101, m: message }]);
});

test('a key is refused where nothing would remember it: by the policy, at a send, and given twice', async () => {
  const channels = [{ channel: 'off:*', idempotency: { windowSeconds: 0 } }];
  await using rig = await Rig.start({ channels });
  const off = await rig.post(path, { c: 'off:1', d: 'x' }, key);
  expect([off.status, off.body.E?.m]).toEqual([
    400,
    'idempotencyKey: the policy of channel "off:1" remembers none (idempotency.windowSeconds is 0)',
  ]);
  expect((await rig.publish({ c: 'off:1', d: 'x' })).body.r).toMatchObject({ offset: 1 });
  const sent = await rig.post('/v1/mesh/send', { c: '1099511627783', d: 'x' }, key);
  expect([sent.status, sent.body.E?.m]).toEqual([400, 'mesh.send takes no Idempotency-Key: leave the header out']);
  const twice = await rig.post(path, { c: 'a', d: 'x', idempotencyKey: 'k' }, key);
  expect([twice.status, twice.body.E?.m]).toEqual([400, 'idempotencyKey: is given twice, as a header and in the body']);
});

test.each([
  ['/v1/mesh/send', 'mesh.send'],
  ['/v1/conn/call', 'conn.call'],
])('%s, which takes no key, says so of the header', async (path, operation) => {
  await using rig = await Rig.start();
  const { status, body } = await rig.post(path, { c: 'a', d: 'x' }, key);
  expect([status, body.E?.m]).toEqual([400, `${operation} takes no Idempotency-Key: leave the header out`]);
});

test('too many remembered keys are told as a rate, with what to do', async () => {
  await using rig = await Rig.start({ bus: createMemoryBus({ keysMax: 1 }) });
  await rig.post(path, { c: 'a', d: 'x' }, { 'idempotency-key': 'one' });
  const { status, headers, body } = await rig.post(path, { c: 'a', d: 'x' }, { 'idempotency-key': 'two' });
  expect([status, headers['retry-after'], body.E]).toEqual([
    429,
    '5',
    { c: 502, m: 'idempotencyKey: as many keys are remembered as may be; repeat, or shorten idempotency.windowSeconds in the policy' },
  ]);
});

test('on Redis: a publisher whose answer was lost repeats by itself what has a key, and publishes it once', async () => {
  const redis = await RedisServer.start();
  let losses = 0;
  const proxy = await RedisProxy.before(redis, (text) => {
    if (losses === 0 || !/\*5\r\n\$\d+\r\n/.test(text)) return text;
    losses -= 1;
    setImmediate(() => proxy.breakAll());
    return '';
  });
  try {
    const bus = createRedisBus({ url: proxy.url, prefix: 'p' });
    await using rig = await Rig.start({ bus });
    // The log is read past the proxy: what breaks there may take a publication along on its way to a reader.
    const direct = createRedisBus({ url: redis.url, prefix: 'p' });
    await using reader = await Rig.start({ bus: direct });
    await untilUp(bus);
    await untilUp(direct);
    const log = await reader.logOf('video:1');
    losses = 2;
    const withParameter = { 'idempotency-key': `${key['idempotency-key']};v=1` };
    const { status, body } = await rig.post(path, { c: 'video:1', d: 'gift' }, withParameter);
    expect([losses, status, body.r]).toEqual([0, 200, expect.objectContaining({ offset: 1, replayed: true })]);
    losses = 1;
    const batch = await rig.post('/v1/publish', { publications: [{ c: 'video:1', d: 'batch', idempotencyKey: 'k' }] });
    expect([losses, batch.status]).toEqual([0, 200]);
    await rig.publish({ c: 'video:1', d: 'last' });
    await until('heard', () => log.at(-1)?.payload.toString() === 'last');
    expect(log.map(({ payload }) => payload.toString())).toEqual(['gift', 'batch', 'last']);
    expect(await rig.metric('barrage_publisher_held_total', { result: 'published' })).toBe(2);
  } finally {
    proxy.dispose();
    await redis.dispose();
  }
});

test('on Redis: the answers to one publisher are lost, another publisher is asked: one publication, with its offset', async () => {
  const redis = await RedisServer.start();
  let isLosing = false;
  const proxy = await RedisProxy.before(redis, (text) => {
    if (!isLosing || !/\*5\r\n\$\d+\r\n/.test(text)) return text;
    setImmediate(() => proxy.breakAll());
    return '';
  });
  try {
    const [unlucky, lucky] = [createRedisBus({ url: proxy.url, prefix: 'p' }), createRedisBus({ url: redis.url, prefix: 'p' })];
    await using one = await Rig.start({ bus: unlucky });
    await using other = await Rig.start({ bus: lucky });
    await untilUp(unlucky);
    await untilUp(lucky);
    const log = await other.logOf('video:1');
    isLosing = true;
    const body = { c: 'video:1', d: 'gift' };
    const lost = await one.post(path, body, key);
    expect([lost.status, lost.body.E]).toEqual([
      503,
      expect.objectContaining({ published: 'unknown', m: expect.stringContaining('repeat it after 1 s with the same idempotency key') }),
    ]);
    await other.publish({ c: 'video:1', d: 'between' });
    expect((await other.post(path, body, key)).body.r).toMatchObject({ offset: 1, replayed: true });
    await other.publish({ c: 'video:1', d: 'last' });
    await until('heard', () => log.at(-1)?.payload.toString() === 'last');
    expect(log.map(({ payload }) => payload.toString())).toEqual(['gift', 'between', 'last']);
  } finally {
    proxy.dispose();
    await redis.dispose();
  }
});
