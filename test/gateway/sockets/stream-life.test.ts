import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { startAuthServer } from '../../support/auth-server.ts';
import { EventStream } from '../../support/event-stream.ts';
import { TestPool } from '../../support/gateway-pool.ts';
import { LoggedProcess } from '../../support/logged-process.ts';
import { rawSocket, readToEnd } from '../../support/raw-socket.ts';
import { TestStandalone, policyFile } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

const policies = JSON.stringify({
  channels: [
    { channel: 'vip:*', access: { subscribe: 'Authenticated' } },
    {
      channel: 'big:*',
      merge: { windowMilliseconds: 0 },
      slowConsumer: { queueBytesMax: 200_000 },
      history: { size: 5000, ttlSeconds: 600 },
    },
    { channel: 'strict:*', merge: { windowMilliseconds: 0 }, slowConsumer: { policy: 'Disconnect', queueBytesMax: 200_000 } },
  ],
});

async function refusal(stream: EventStream): Promise<unknown> {
  await stream.closed();
  const { statusCode, headers } = stream.response;
  const { error } = JSON.parse(stream.text) as { readonly error: { readonly code: string } };
  return [statusCode, error.code, headers['retry-after'] !== undefined, headers['access-control-allow-origin']];
}

test('a token in the head gives the stream its user before its channels; one by POST gives it later', async () => {
  const auth = await startAuthServer({ mine: { status: 200, body: '{"uid":"me"}' }, late: { status: 500, body: '' } });
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_AUTH_URL: auth.url });
  const query = 'channel=user:me&channel=vip:1';
  const dial = (authorization: string): Promise<EventStream> => EventStream.dial(barrage.port, { query, headers: { authorization } });
  const known = await EventStream.open(barrage.port, { query, headers: { authorization: 'Bearer mine' } });
  expect(known.of('subscribed').map(({ channel }) => channel)).toEqual(['user:me', 'vip:1']);
  expect(await refusal(await dial('Bearer other'))).toEqual([401, 'not_authenticated', false, '*']);
  expect(await refusal(await dial('Basic bWU6bWU='))).toEqual([401, 'not_authenticated', false, '*']);
  expect(await refusal(await dial('Bearer late'))).toEqual([503, 'unavailable', true, '*']);
  const later = await EventStream.open(barrage.port, { query });
  expect(later.of('unsubscribed').map(({ channel }) => channel)).toEqual(['user:me', 'vip:1']);
  expect(await later.command('auth', { token: 'mine' })).toMatchObject({ result: { uid: 'me' } });
  expect(await later.command('subscribe', { channel: 'vip:1' })).toMatchObject({ result: { offset: 0 } });
});

test('a stream that never says a word stays open beyond the idle time, by comments; one that takes nothing does not', async () => {
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_PING_INTERVAL_MS: '1000', BARRAGE_IDLE_TIMEOUT_MS: '3000' });
  const [idle, stalled] = [
    await EventStream.open(barrage.port, { query: 'channel=vip' }),
    await EventStream.open(barrage.port, { query: 'channel=big:1' }),
  ];
  stalled.stall();
  const closed = (): Promise<number> => barrage.metric('barrage_gateway_connections_closed_total', 'code="4001"');
  for (let count = 0; (await closed()) === 0; count++) await barrage.publish('big:1', `${count} ${'x'.repeat(60_000)}`);
  await until(async () => (await barrage.metric('barrage_gateway_streams')) === 1, 50);
  const before = idle.comments;
  await until(() => idle.comments >= Math.max(4, before + 1));
  await barrage.publish('vip', 'still here');
  await until(() => idle.data('vip').length === 1);
  expect(idle.ending).toBeUndefined();
  expect(barrage.gateway.metrics.tally.pending('normal')).toBe(0);
});

test('a slow reader is told of what it did not get, and one that comes back from before gets it after all', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const query = 'channel=big:1&channel=vip';
  const [slow, fast] = [await EventStream.open(barrage.port, { query }), await EventStream.open(barrage.port, { query: 'channel=big:1' })];
  slow.stall();
  let last = 0;
  for (let count = 0; barrage.gateway.metrics.tally.count('slow', 'normal') < 5; count++)
    last = (await barrage.publish('big:1', `${count} ${'x'.repeat(10_000)}`)).offset;
  await until(() => fast.items('big:1').length === last);
  slow.resume();
  const reached = (): number => Math.max(0, ...[...slow.of('batch'), ...slow.of('gap')].map(({ upto }) => upto));
  await until(() => reached() === last);
  // Spans join on, and each event's id is the place after it.
  let place = 0;
  for (const { id, message } of slow.events) {
    if (message.type !== 'batch' && message.type !== 'gap') continue;
    expect(message.after).toBe(place);
    place = message.upto;
    expect(id.split(',')[0]).toMatch(new RegExp(`\\.${place}$`));
  }
  const lost = slow.of('gap').reduce((sum, { after, upto }) => sum + upto - after, 0);
  expect(lost).toBe(barrage.gateway.metrics.tally.count('slow', 'normal'));
  const gap = slow.events.findIndex(({ message }) => message.type === 'gap');
  const before = slow.events[gap - 1]?.id ?? '';
  const { after = 0, upto = 0 } = slow.of('gap')[0] ?? {};
  const again = await EventStream.open(barrage.port, { query, headers: { 'last-event-id': before } });
  await until(() => again.items('big:1').length >= upto - after);
  expect(again.of('subscribed')[0]).toMatchObject({ channel: 'big:1', recovered: true, offset: after });
});

test('where the policy says Disconnect a slow reader is closed with 4000', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const slow = await EventStream.open(barrage.port, { query: 'channel=strict:1' });
  slow.stall();
  const closed = (): Promise<number> => barrage.metric('barrage_gateway_connections_closed_total', 'code="4000"');
  for (let count = 0; (await closed()) === 0; count++) await barrage.publish('strict:1', `${count} ${'x'.repeat(60_000)}`);
  slow.resume();
  const close = await slow.closed();
  expect([undefined, 4000]).toContain(close?.code);
  expect(barrage.gateway.metrics.tally.pending('normal')).toBe(0);
});

test('a full gateway says when to come back: by its status, and to an EventSource by a stream that ends', async () => {
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_GATEWAY_CONNECTIONS_MAX: '1' });
  const first = await EventStream.open(barrage.port);
  expect(await refusal(await EventStream.dial(barrage.port))).toEqual([503, 'full', true, '*']);
  const accept = 'text/event-stream, application/json';
  expect(await refusal(await EventStream.dial(barrage.port, { headers: { accept } }))).toEqual([503, 'full', true, '*']);
  const page = await EventStream.dial(barrage.port, { headers: { accept: 'text/event-stream' } });
  expect(await page.closed()).toMatchObject({ code: 1013, reason: expect.stringContaining('all the connections') });
  expect([page.response.statusCode, page.retryMs]).toEqual([200, Number(page.response.headers['retry-after']) * 1000]);
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="full"')).toBe(3);
  first.leave();
  await until(async () => (await EventStream.dial(barrage.port)).response.statusCode === 200, 50);
});

test('streams take of the same budget of new connections as WebSockets', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '10', BARRAGE_GATEWAY_CONNECTIONS_MAX: '1000' });
  await barrage.v1();
  const answers = await Promise.all(Array.from({ length: 20 }, () => EventStream.dial(barrage.port)));
  const statuses = answers.map(({ response }) => response.statusCode);
  expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(5);
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="rate"')).toBe(
    statuses.filter((status) => status === 503).length,
  );
});

test('pages of other origins are refused as with a WebSocket, and those that may read the stream', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_GATEWAY_ORIGINS: 'https://app.example' });
  const dial = (headers: Readonly<Record<string, string>>): Promise<EventStream> => EventStream.dial(barrage.port, { headers });
  const good = await dial({ origin: 'https://app.example' });
  const { headers, statusCode } = good.response;
  expect([statusCode, headers['access-control-allow-origin'], headers['vary']]).toEqual([200, 'https://app.example', 'Origin']);
  for (const from of [{ origin: 'https://evil.example' }, { host: 'rebound.example' }])
    expect(await refusal(await dial(from))).toEqual([403, 'forbidden', false, '*']);
  const preflight = await fetch(`http://127.0.0.1:${barrage.port}/v1/stream`, { method: 'OPTIONS' });
  expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([204, 'GET, POST']);
  const put = await fetch(`http://127.0.0.1:${barrage.port}/v1/stream`, { method: 'PUT' });
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST, OPTIONS']);
});

test('a body at its bound is taken, one byte more is not', async () => {
  const barrage = await TestStandalone.start();
  const stream = await EventStream.open(barrage.port);
  const empty = JSON.stringify({ stream: stream.secret, commands: [{ id: 1, op: 'ping' }] });
  const post = async (bytes: number): Promise<number> => {
    const body = empty + ' '.repeat(bytes - empty.length);
    return (await fetch(`http://127.0.0.1:${barrage.port}/v1/stream`, { method: 'POST', body })).status;
  };
  expect(await post(limits.streamBodyBytesMax)).toBe(202);
  expect(await post(limits.streamBodyBytesMax + 1)).toBe(413);
});

test('whatever else a client writes on the connection of its stream ends the stream, and nothing is written into it', async () => {
  const barrage = await TestStandalone.start();
  const request = `GET /v1/stream?channel=vip HTTP/1.1\r\nHost: 127.0.0.1:${barrage.port}\r\n`;
  for (const more of ['GET /v1/connect?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n', 'no HTTP at all\r\n\r\n']) {
    const socket = await rawSocket(barrage.port);
    const read = readToEnd(socket);
    socket.write(`${request}\r\n`);
    await until(async () => (await barrage.metric('barrage_gateway_streams')) === 1);
    socket.write(more);
    const text = (await read).toString();
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*"type":"hello"/);
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    await until(async () => (await barrage.metric('barrage_gateway_streams')) === 0);
  }
  const [pipelined, withBody] = [await rawSocket(barrage.port), await rawSocket(barrage.port)];
  withBody.write(`${request}Content-Length: 5\r\n\r\nhello`);
  const [answer] = (await once(withBody, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
  const both = readToEnd(pipelined);
  pipelined.write(`GET /v1/connect?channel=a HTTP/1.1\r\nHost: 127.0.0.1:${barrage.port}\r\n\r\n${request}Connection: close\r\n\r\n`);
  expect((await both).toString().match(/^HTTP\/1\.1 \d{3}/gm)?.[0]).toBe('HTTP/1.1 200');
});

test('a drain tells a stream where to go, and closes one that stays', async () => {
  const pool = await TestPool.start(['a', 'b'], { BARRAGE_DRAIN_MS: '3000', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '100' });
  await pool.pushToAll();
  const stream = await EventStream.open(pool.member('a').port, { query: 'channel=vip' });
  const leaving = pool.leave('a');
  expect(await stream.closed()).toMatchObject({ code: 1012 });
  expect(stream.events.map(({ message }) => message.type)).toEqual(['hello', 'subscribed', 'reconnect', 'close']);
  expect(stream.of('reconnect')[0]?.url).toBe(pool.member('b').entry.url);
  await leaving;
});

test('a stream has a greatest age, as any connection', async () => {
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_CONNECTION_AGE_MAX_SECONDS: '300' });
  await EventStream.open(barrage.port);
  expect([...barrage.gateway.connections.values()].map(({ agedAt = 0 }) => agedAt > 0)).toEqual([true]);
});

test('the life of a stream is in the log, and in what is counted', async () => {
  const barrage = await LoggedProcess.start({ BARRAGE_POLICY_FILE: await policyFile(policies) });
  const query = 'channel=vip&channel=user:me';
  const stream = await EventStream.open(barrage.gatewayPort, { query });
  const sdk = await EventStream.open(barrage.gatewayPort, { query: 'sdk=1.2.3' });
  await sdk.command('ping');
  stream.leave();
  await until(() => barrage.of('connection-closed').length === 1, 50);
  const [{ client } = { client: '' }] = stream.of('hello');
  const mine = barrage.lines().filter((line) => line['connection'] === Number(client));
  expect(mine).toMatchObject([
    { event: 'connection-opened', protocol: 'sse', address: '127.0.0.1' },
    { event: 'subscribed', channel: 'vip', by: 'client' },
    { event: 'subscription-refused', channel: 'user:me', reason: 'not_authenticated' },
    { event: 'connection-closed', protocol: 'sse', channels: ['vip'], bytesOut: Buffer.byteLength(stream.text) + headBytes(stream) },
  ]);
  const text = await (await fetch(`http://127.0.0.1:${barrage.gatewayPort}/metrics`)).text();
  for (const sample of [
    'barrage_gateway_streams 1',
    'barrage_gateway_connections{client="sse"} 0',
    'barrage_gateway_connections{client="sdk"} 1',
    'barrage_gateway_client_versions{version="1.2.3"} 1',
    'barrage_gateway_stream_requests_total{request="open",result="opened"} 2',
    'barrage_gateway_stream_requests_total{request="commands",result="handed"} 1',
  ])
    expect(text).toContain(sample);
});

/** Bytes of the head of the answer. */
function headBytes({ response }: EventStream): number {
  const lines = response.rawHeaders.reduce((sum, text) => sum + Buffer.byteLength(text) + 2, 0);
  return 'HTTP/1.1 200 OK\r\n'.length + lines + 2;
}
