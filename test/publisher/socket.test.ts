import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { Bus } from '../../core/bus/bus.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import { publisherBounds } from '../../publisher/bounds.ts';
import { Rig, faultyLog } from './rig.ts';

/** For what takes milliseconds: how long a busy machine may make it. */
const soon = { timeout: 15_000 };

const client = 2 ** 40 + 7;

test('text ping is answered pong, a ping frame by a pong frame', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  connection.send('ping');
  expect(await connection.next()).toBe('pong');
  connection.socket.ping('x');
  const [data] = await once(connection.socket, 'pong');
  expect(String(data)).toBe('x');
});

test('mesh.publish answers as HTTP does, with the number of the request', async () => {
  await using rig = await Rig.start();
  rig.gateway.counts.set('video:1', { ready: 9, full: 0 });
  rig.gateway.reply = () => ({ kind: 'delivered', delivered: 9, dropped: {}, pending: 0 });
  const connection = await rig.connect();
  expect(await connection.ask({ m: 'mesh.publish', p: { c: 'video:1', d: 'data' }, i: 12345 })).toEqual({
    E: null,
    r: { s: 9, f: 0, offset: 1, epoch: expect.any(String) },
    i: 12345,
  });
  expect(await connection.ask({ m: 'mesh.publish', p: { c: 'video:1', d: 'data', wait: 'delivered', waitMs: 100 }, i: 'a' })).toMatchObject(
    {
      E: null,
      r: { s: 9, f: 0, offset: 2, dropped: {}, pending: 0, unanswered: [] },
      i: 'a',
    },
  );
});

test('quirk a: id is taken for i, and the answer has i', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  const answer = await connection.ask({ m: 'mesh.send', p: { c: String(client), d: 'data' }, id: 77 });
  expect(answer).toEqual({ E: null, r: { s: true }, i: 77 });
});

test('quirk b and queues: queue.pop and queue.unpop are a clear 101 in either form', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  for (const frame of [
    { m: 'queue.pop', p: { t: ['foo'] }, i: 1 },
    { m: 'queue.pop', p: ['foo'], i: 1 },
    { m: 'queue.unpop', p: {}, i: 1 },
  ])
    expect(await connection.ask(frame)).toEqual({ E: { c: 101, m: `${frame.m} is not available` }, i: 1 });
});

test('quirks c and d: client ids as string or number; mesh.send to a channel is 401', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  for (const c of [client, String(client)])
    expect((await connection.ask({ m: 'mesh.send', p: { c, d: '' }, i: 1 })).r).toEqual({ s: true });
  expect(await connection.ask({ m: 'mesh.send', p: { c: 'video:1', d: 'x' }, i: 2 })).toMatchObject({ E: { c: 401 }, i: 2 });
});

test.each([
  ['subscribe', ['a:1', 'a:2'], { kind: 'subscribe', channels: ['a:1', 'a:2'] }],
  ['unsubscribe', ['a:1'], { kind: 'unsubscribe', channels: ['a:1'] }],
  ['set_context_value', ['user_id', 10_000], { kind: 'set-context-value', key: 'user_id', value: 10_000 }],
  ['set_context', [{ user_id: 10_000 }], { kind: 'set-context', context: { user_id: 10_000 } }],
  ['reconnect', ['pull'], { kind: 'reconnect', transport: 'pull' }],
  ['close', ['bye'], { kind: 'close', reason: 'bye' }],
])('conn.call %s reaches the gateway of the client', async (f, a, call) => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  expect(await connection.ask({ m: 'conn.call', p: { c: String(client), f, a }, i: 1 })).toEqual({ E: null, r: { s: true }, i: 1 });
  expect(rig.gateway.requests).toEqual([{ method: 'call', client, call }]);
});

test('a conn.call that fails is 301 with the reason, one that is malformed is 101', async () => {
  await using rig = await Rig.start();
  rig.gateway.reply = () => ({ kind: 'failed', reason: 'that client is not connected' });
  const connection = await rig.connect();
  const call = (p: unknown) => connection.ask({ m: 'conn.call', p, i: 1 });
  expect((await call({ c: client, f: 'subscribe', a: ['a'] })).E).toEqual({ c: 301, m: 'that client is not connected' });
  expect((await call({ c: 'nobody', f: 'subscribe', a: ['a'] })).E?.c).toBe(301);
  expect((await call({ c: client, f: 'kick', a: [] })).E?.c).toBe(101);
  expect((await call([client])).E?.c).toBe(101);
});

test.each([
  ['hello', 101, null],
  ['{"m":"mesh.publish"', 101, null],
  ['[]', 101, null],
  ['PING', 101, null],
  ['{"i":4}', 101, 4],
  ['{"m":"mesh.publish","i":4}', 101, 4],
  ['{"m":"mesh.publish","p":{"c":"a","d":""},"q":1,"i":4}', 101, 4],
  ['{"m":"mesh.broadcast","p":{},"i":4}', 505, 4],
  ['{"m":"toString","p":{},"i":4}', 505, 4],
  ['{"m":"mesh.publish","p":{"c":"a","d":""},"i":9007199254740993}', 101, null],
  [`{"m":"mesh.publish","i":4,"p":${'{"c":'.repeat(50)}`, 101, null],
])('%s gets an error frame and the connection stays', async (frame, code, number) => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  expect(await connection.ask(frame)).toEqual({ E: { c: code, m: expect.stringMatching(/./) }, i: number });
  expect((await connection.ask({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: 5 })).E).toBe(null);
});

test('a binary frame gets an error frame', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  connection.socket.send(Buffer.from('{"m":"mesh.publish","p":{"c":"a","d":""},"i":1}'), { binary: true });
  expect(JSON.parse(await connection.next())).toEqual({ E: { c: 101, m: 'send requests as text frames' }, i: null });
});

test('a message is read at its bound, and one byte beyond ends that connection and no other', async () => {
  await using rig = await Rig.start();
  const [large, other] = [await rig.connect(), await rig.connect()];
  const frame = (bytes: number) => {
    const head = '{"m":"mesh.publish","p":{"c":"a","d":""},"i":1';
    return `${head}${' '.repeat(bytes - head.length - 1)}}`;
  };
  expect((await large.ask(frame(limits.requestBytesMax))).E).toBe(null);
  const closing = once(large.socket, 'close');
  large.send(frame(limits.requestBytesMax + 1));
  const [code, reason] = (await closing) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1009, `a request may have at most ${limits.requestBytesMax} bytes`]);
  expect((await other.ask({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: 5 })).E).toBe(null);
});

test('text that is not UTF-8 ends that connection with 1007', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  connection.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
  expect(await connection.closed()).toBe(1007);
});

test('the publications of one connection to one channel keep their order, whatever is in between', async () => {
  await using rig = await Rig.start();
  rig.gateway.reply = () => ({ kind: 'delivered', delivered: 1, dropped: {}, pending: 0 });
  const log = await rig.logOf('video:1');
  const connection = await rig.connect();
  const count = 500;
  for (let index = 0; index < count; index++) {
    connection.send({
      m: 'mesh.publish',
      p: { c: 'video:1', d: String(index), ...(index % 3 === 0 ? { wait: 'delivered' } : {}) },
      i: index,
    });
    if (index % 7 === 0) connection.send({ m: 'mesh.publish', p: { c: 'video:1', d: 5 }, i: -index });
  }
  const answered = new Map<number, unknown>();
  while ([...answered.keys()].filter((number) => number > 0).length < count - 1) {
    const answer = JSON.parse(await connection.next()) as { i: number; r?: { offset: number } };
    if (answer.r !== undefined) answered.set(answer.i, answer.r.offset);
  }
  expect(log.map(({ payload }) => payload.toString())).toEqual(Array.from({ length: count }, (_, index) => String(index)));
  for (const [number, offset] of answered) expect(offset).toBe(number + 1);
});

/** A bus on which each append waits until its entry of `held` is called. */
function holdingBus(): { readonly bus: Bus; readonly held: (() => void)[] } {
  const bus = createMemoryBus();
  const held: (() => void)[] = [];
  const log = faultyLog(bus, async (channel, publications) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return await bus.log.append(channel, publications);
  });
  return { bus: { ...bus, log }, held };
}

test('requests that wait for an answer are bounded for each connection, and the ones beyond are 502', async () => {
  const { bus, held } = holdingBus();
  await using rig = await Rig.start({ bus });
  const [busy, other] = [await rig.connect(), await rig.connect()];
  for (let index = 0; index <= publisherBounds.socketRequestsInFlightMax; index++)
    busy.send({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: index });
  expect(JSON.parse(await busy.next())).toEqual({
    E: { c: 502, m: 'too many requests wait for an answer, repeat' },
    i: publisherBounds.socketRequestsInFlightMax,
  });
  other.send({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: 'other' });
  await expect.poll(() => held.length, soon).toBe(publisherBounds.socketRequestsInFlightMax + 1);
  for (const release of held) release();
  expect(JSON.parse(await other.next())).toMatchObject({ E: null, i: 'other' });
  for (let index = 0; index < publisherBounds.socketRequestsInFlightMax; index++)
    expect(JSON.parse(await busy.next())).toMatchObject({ E: null, i: index });
  const answer = busy.ask({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: 'again' });
  await expect.poll(() => held.length, soon).toBe(publisherBounds.socketRequestsInFlightMax + 2);
  held.at(-1)?.();
  expect(await answer).toMatchObject({ E: null, i: 'again' });
});

test('a connection that answers no ping is cut off, one that does stays', async () => {
  await using rig = await Rig.start({ pingIntervalMs: 1_000 });
  const alive = await rig.connect();
  const socket = await rig.raw();
  socket.write(
    'GET /ws/v1 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  socket.resume();
  await once(socket, 'close');
  expect((await alive.ask({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: 1 })).E).toBe(null);
  expect(await rig.metric('barrage_publisher_api_connections')).toBe(1);
});

test('a connection that sends and never reads is cut off, and nobody else notices', async () => {
  await using rig = await Rig.start();
  const [stalled, other] = [await rig.connect(), await rig.connect()];
  stalled.socket.pause();
  const frames = 'x'.repeat(100);
  const sending = setInterval(() => {
    if (stalled.socket.readyState !== stalled.socket.OPEN || stalled.socket.bufferedAmount > 1_000_000) return;
    for (let count = 0; count < 2000; count++) stalled.send(frames);
  }, 1);
  await expect.poll(() => rig.metric('barrage_publisher_api_connections'), soon).toBe(1);
  clearInterval(sending);
  expect((await other.ask({ m: 'mesh.publish', p: { c: 'a', d: '' }, i: 1 })).E).toBe(null);
});

test('other paths are no WebSocket API', async () => {
  await using rig = await Rig.start();
  for (const path of ['/', '/ws', '/ws/v2', '/v1/mesh/publish']) expect(await rig.upgradeStatus(path)).toBe(404);
});

test('closing asks the connections to come back', async () => {
  await using rig = await Rig.start();
  const connection = await rig.connect();
  const closed = connection.closed();
  void rig.publisher.close();
  expect(await closed).toBe(1012);
});

test('a publisher that leaves answers what it took, takes nothing more, and lets each connection go when it has its answers', async () => {
  const { bus, held } = holdingBus();
  await using rig = await Rig.start({ bus });
  const [busy, idle] = [await rig.connect(), await rig.connect()];
  const publish = (i: number): void => busy.send({ m: 'mesh.publish', p: { c: 'a', d: '' }, i });
  for (const i of [1, 2, 3]) publish(i);
  await expect.poll(() => held.length, soon).toBe(3);
  const [idleClosed, busyClosed] = [idle.closed(), busy.closed()];
  const late = await rig.raw();
  late.write('GET /ws/v1 HTTP/1.1\r\n');
  void rig.publisher.close();
  expect(await idleClosed).toBe(1012);
  publish(4);
  expect(JSON.parse(await busy.next())).toEqual({ E: { c: 503, m: 'the publisher is leaving, connect again', published: 'no' }, i: 4 });
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'unavailable' })).toBe(1);
  late.write(
    'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  const [refused] = (await once(late, 'data')) as [Buffer];
  expect(refused.toString()).toMatch(/^HTTP\/1\.1 503 /);
  for (const release of held) release();
  for (const i of [1, 2, 3]) expect(JSON.parse(await busy.next())).toMatchObject({ E: null, r: { offset: i }, i });
  expect(await busyClosed).toBe(1012);
  expect(held).toHaveLength(3);
});
