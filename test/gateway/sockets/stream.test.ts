import { expect, test, vi } from 'vitest';
import { closeCodes } from '../../../core/close-codes.ts';
import { closeEvent } from '../../../gateway/encoding/event-stream.ts';
import { EventStream } from '../../support/event-stream.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

const policies = `channels: [
  { channel: "video:*", history: { size: 1000, ttlSeconds: 600 }, access: { publish: Public }, merge: { windowMilliseconds: 20 } },
  { channel: "small:*", limits: { membersMax: 1 } },
]`;

test('a stream begins with a hello, tells where each channel begins, and gives every publication with its place', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const stream = await EventStream.open(barrage.port, { query: 'channel=video:1' });
  const { headers, statusCode } = stream.response;
  expect([statusCode, headers['content-type'], headers['cache-control'], headers['x-accel-buffering']]).toEqual([
    200,
    'text/event-stream',
    'no-store',
    'no',
  ]);
  const socket = await barrage.v1();
  const [greeting] = stream.of('hello');
  const [other] = socket.messages;
  if (greeting === undefined || other?.type !== 'hello') throw new Error('no hello');
  expect(greeting).toEqual({ ...other, client: greeting.client, now: greeting.now, stream: expect.stringMatching(/^\d+\.[\w-]{22}$/) });
  const { epoch } = await barrage.publish('video:1', 'one');
  await barrage.publish('video:1', 'two\nlines');
  await until(() => stream.items('video:1').length === 2);
  expect(stream.of('subscribed')).toEqual([{ type: 'subscribed', channel: 'video:1', epoch, offset: 0 }]);
  expect(stream.data('video:1')).toEqual(['one', 'two\nlines']);
  const last = stream.events.at(-1);
  expect(last?.id).toMatch(new RegExp(`^[0-9a-z]+\\.${epoch}\\.2$`));
});

test('the browser waits for half to one and a half times the base of the back-off', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_BACKOFF_BASE_MS: '1000', BARRAGE_BACKOFF_CAP_MS: '9000' });
  const waits = await Promise.all(Array.from({ length: 20 }, async () => (await EventStream.open(barrage.port)).retryMs ?? 0));
  expect(waits.every((ms) => ms >= 500 && ms <= 1500)).toBe(true);
  expect(new Set(waits).size).toBeGreaterThan(5);
});

test('one subscription of the query is as good as another: density and rewind are for all, and what is refused says why', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  await (await barrage.v1()).subscribe('small:1');
  for (const data of ['a', 'b', 'c']) await barrage.publish('video:1', data);
  const stream = await EventStream.open(barrage.port, { query: 'channel=video:1&channel=user:me&channel=small:1&density=20&rewind=2' });
  await until(() => stream.items('video:1').length === 2);
  expect(stream.data('video:1')).toEqual(['b', 'c']);
  expect(stream.of('subscribed')).toMatchObject([{ channel: 'video:1', offset: 1, density: 20 }]);
  expect(stream.of('unsubscribed')).toEqual([
    { type: 'unsubscribed', channel: 'user:me', message: expect.stringContaining('needs an identity') },
    { type: 'unsubscribed', channel: 'small:1', message: expect.stringContaining('as many members') },
  ]);
});

test('a binary publication is base64, in the batch in which it came', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const stream = await EventStream.open(barrage.port, { query: 'channel=video:1' });
  const writer = await barrage.v1();
  await writer.command('publish', { channel: 'video:1', data: 'AAH+/w==', kind: 'binary' });
  await writer.command('publish', { channel: 'video:1', data: 'text' });
  await until(() => stream.items('video:1').length === 2);
  expect(stream.items('video:1')).toEqual([
    { offset: 1, kind: 'binary', data: 'AAH+/w==' },
    { offset: 2, data: 'text' },
  ]);
});

test('what is taken back reaches a stream, and is not given to one that comes back', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const stream = await EventStream.open(barrage.port, { query: 'channel=video:1' });
  const { epoch } = await barrage.publish('video:1', 'good');
  await until(() => stream.items('video:1').length === 1);
  stream.leave();
  await barrage.publish('video:1', 'bad');
  await barrage.post('/v1/channels/video%3A1/recall', { epoch, offsets: [1, 2] });
  const again = await EventStream.reopen(stream, { query: 'channel=video:1' });
  await until(() => again.items('video:1').length === 1);
  expect(again.items('video:1')).toEqual([{ offset: 3, recall: { offsets: [1, 2] } }]);
});

test('commands go by POST, and their replies come on the stream, in order with everything else', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const stream = await EventStream.open(barrage.port);
  await barrage.publish('video:1', 'before');
  const answer = await stream.post([
    { id: 1, op: 'subscribe', channel: 'video:1', rewind: 1 },
    { id: 2, op: 'publish', channel: 'video:1', data: 'mine' },
    { id: 3, op: 'sing' },
    { id: 4, op: 'ping' },
  ]);
  expect([answer.status, await answer.text()]).toEqual([202, '']);
  await until(() => stream.items('video:1').length === 2 && stream.of('reply').length === 4);
  expect(stream.data('video:1')).toEqual(['before', 'mine']);
  const types = stream.events.map(({ message }) => (message.type === 'reply' ? message.id : message.type));
  expect(types.indexOf(1)).toBeLessThan(types.indexOf('batch'));
  expect(stream.of('reply').map((reply) => ('error' in reply ? reply.error.code : 'done'))).toEqual(['done', 'done', 'unknown_op', 'done']);
  expect(await stream.command('unsubscribe', { channel: 'video:1' })).toMatchObject({ result: {} });
  // What is subscribed to by POST is not in the query, so a browser would not ask for it again: no id tells its place.
  expect(stream.lastEventId).toBe('');
});

test('nobody commands a stream without its secret, and an ended one has no commands', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const stream = await EventStream.open(barrage.port);
  const post = async (secret: string): Promise<unknown> => {
    const body = JSON.stringify({ stream: secret, commands: [{ id: 1, op: 'ping' }] });
    const response = await fetch(`http://127.0.0.1:${barrage.port}/v1/stream`, { method: 'POST', body });
    return [response.status, response.status === 202 ? '' : ((await response.json()) as { error: { code: string } }).error.code];
  };
  const { secret } = stream;
  const [client] = secret.split('.');
  const websocket = (await barrage.v1()).messages[0];
  const other = websocket?.type === 'hello' ? websocket.client : '';
  expect(await post(secret)).toEqual([202, '']);
  expect(await post(`${client}.${'A'.repeat(22)}`)).toEqual([404, 'no_such_stream']);
  expect(await post(`${client}.A`)).toEqual([404, 'no_such_stream']);
  expect(await post(`${other}.${secret.split('.')[1]}`)).toEqual([404, 'no_such_stream']);
  expect(await post('')).toEqual([400, 'bad_request']);
  stream.leave();
  await until(() => barrage.gateway.metrics.clients.kinds().sse === 0);
  expect(await post(secret)).toEqual([404, 'no_such_stream']);
});

test('a gateway that ends tells its streams to come back, and ends them', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const stream = await EventStream.open(barrage.port, { query: 'channel=video:1' });
  const { lastEventId } = stream;
  void barrage.gateway.close();
  expect(await stream.closed()).toEqual({ type: 'close', code: 1012, reason: 'the gateway is leaving, come back' });
  expect([stream.ending, stream.lastEventId]).toEqual(['ended', lastEventId]);
});

test('a client that was closed for good, and comes back all the same, is told to stop', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const id = /^id: (.*)$/m.exec(closeEvent(closeCodes.forbidden).toString())?.[1] ?? '';
  expect(closeEvent(closeCodes.goingAway).toString()).not.toContain('id:');
  const again = await EventStream.dial(barrage.port, { query: 'channel=video:1', headers: { 'last-event-id': id } });
  expect(again.response.statusCode).toBe(204);
});
