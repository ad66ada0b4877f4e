import { expect, test, vi } from 'vitest';
import { closeCodes } from '../../../core/close-codes.ts';
import { startAuthServer } from '../../support/auth-server.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until, type TestClient } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

const done = '{"result":true}';
const notAuth = { code: 1, msg: 'Not Auth' };

function subscribe(client: TestClient, channel: string): Promise<string> {
  return client.ask({ op: 'subscribe', channel });
}

test('X@Y subscribes to the channel Y:X, and each publication arrives verbatim as one text frame', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.plain();
  expect(client.socket.protocol).toBe('');
  expect(await subscribe(client, '100001@video')).toBe(done);
  const payloads = [
    '{"text":"Hello, 弹幕!"}',
    '',
    ' not JSON\n',
    '"\\u0000"',
    '🎉'.repeat(20_000 / 4),
    'x'.repeat(125),
    'x'.repeat(126),
    'x'.repeat(65_536),
  ];
  for (const payload of payloads) expect(await barrage.publish('video:100001', payload)).toMatchObject({ s: 1, f: 0 });
  for (const payload of payloads) {
    const frame = await client.next();
    expect(frame.kind).toBe('text');
    expect(frame.bytes.toString() === payload).toBe(true);
  }
});

test('a binary publication arrives as one binary frame with the decoded bytes', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.plain();
  await subscribe(client, '1@voice');
  for (const bytes of [Buffer.from([0, 255, 128, 10]), Buffer.alloc(0), Buffer.alloc(40_000, 200)]) {
    await barrage.publish('voice:1', bytes.toString('base64'), { t: 'binary' });
    expect(await client.next()).toEqual({ kind: 'binary', bytes });
  }
});

test('one connection has several channels, and leaves each by itself', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.plain();
  for (const channel of ['1@video', '2@video', 'BTCUSDT@depth', '弹幕@房间']) expect(await subscribe(client, channel)).toBe(done);
  const publish = async (channel: string): Promise<number> => (await barrage.publish(channel, channel)).s;
  expect([await publish('video:1'), await publish('depth:BTCUSDT'), await publish('房间:弹幕'), await publish('video:3')]).toEqual([
    1, 1, 1, 0,
  ]);
  expect([await client.nextText(), await client.nextText(), await client.nextText()].toSorted()).toEqual([
    'depth:BTCUSDT',
    'video:1',
    '房间:弹幕',
  ]);
  expect(await client.ask({ op: 'unsubscribe', channel: '1@video' })).toBe(done);
  expect([await publish('video:1'), await publish('video:2')]).toEqual([0, 1]);
  expect(await client.nextText()).toBe('video:2');
});

test('subscribing twice, leaving where one is not, and an unknown op are answered like a success', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.plain();
  for (const op of ['subscribe', 'subscribe', 'unsubscribe', 'unsubscribe', 'dance'])
    expect(await client.ask({ op, channel: '1@video' })).toBe(done);
  await subscribe(client, '1@video');
  await subscribe(client, '1@video');
  expect((await barrage.publish('video:1', 'once')).s).toBe(1);
  expect(await client.nextText()).toBe('once');
});

test('auth asks the webhook, and @user is then the own channel', async () => {
  const auth = await startAuthServer({
    number: { status: 200, body: '{"uid":1001,"name":"x"}' },
    text: { status: 200, body: '{"uid":"u-7"}' },
  });
  const barrage = await TestStandalone.start({ BARRAGE_AUTH_URL: auth.url });
  for (const [token, uid] of [
    ['number', '1001'],
    ['text', 'u-7'],
  ]) {
    const client = await barrage.plain();
    expect(JSON.parse(await subscribe(client, '@user'))).toEqual(notAuth);
    expect(await client.ask({ op: 'auth', token })).toBe(done);
    expect(await subscribe(client, '@user')).toBe(done);
    expect(await barrage.publish(`user:${uid}`, 'for you')).toMatchObject({ s: 1 });
    expect(await client.nextText()).toBe('for you');
  }
  expect(auth.bodies).toEqual(['POST application/json {"token":"number"}', 'POST application/json {"token":"text"}']);
});

test('nobody reads another user’s channel, whatever stands before @user', async () => {
  const auth = await startAuthServer({ t: { status: 200, body: '{"uid":"1001"}' }, other: { status: 200, body: '{"uid":"2002"}' } });
  const barrage = await TestStandalone.withPolicies('channels: [{ channel: "*" }]', { BARRAGE_AUTH_URL: auth.url });
  const client = await barrage.plain();
  await client.ask({ op: 'auth', token: 't' });
  expect(await subscribe(client, '2002@user')).toBe(done);
  expect([(await barrage.publish('user:2002', 'secret')).s, (await barrage.publish('user:1001', 'mine')).s]).toEqual([0, 1]);
  expect(await client.nextText()).toBe('mine');
  // Who becomes another user leaves the first one's channel.
  await client.ask({ op: 'auth', token: 'other' });
  expect((await barrage.publish('user:1001', 'not mine any more')).s).toBe(0);
});

test('a channel for the authenticated says Not Auth before, and lets in after', async () => {
  const auth = await startAuthServer({ t: { status: 200, body: '{"uid":1}' } });
  const barrage = await TestStandalone.withPolicies('channels: [{ channel: "vip:*", access: { subscribe: Authenticated } }]', {
    BARRAGE_AUTH_URL: auth.url,
  });
  const client = await barrage.plain();
  expect(JSON.parse(await subscribe(client, '1@vip'))).toEqual(notAuth);
  // A subscribe that is sent right behind an auth finds the user.
  client.send({ op: 'auth', token: 't' });
  expect(await subscribe(client, '1@vip')).toBe(done);
  expect(await client.nextText()).toBe(done);
});

test('a refused token, a bad answer and a gateway that knows no way to ask close that connection for good, and no other', async () => {
  const auth = await startAuthServer({
    json: { status: 200, body: 'uid=1' },
    none: { status: 200, body: '{"user":1}' },
    empty: { status: 200, body: '{"uid":""}' },
    fraction: { status: 200, body: '{"uid":1.5}' },
    star: { status: 200, body: '{"uid":"*"}' },
    huge: { status: 200, body: JSON.stringify({ uid: '1', filler: 'x'.repeat(100_000) }) },
    forbidden: { status: 403, body: '{"uid":1}' },
    moved: { status: 302, body: '{"uid":1}' },
  });
  const barrage = await TestStandalone.start({ BARRAGE_AUTH_URL: auth.url });
  const other = await barrage.plain();
  for (const token of ['unknown', 'json', 'none', 'empty', 'fraction', 'star', 'huge', 'forbidden', 'moved']) {
    const client = await barrage.plain();
    client.send({ op: 'auth', token });
    expect([token, (await client.closed()).code]).toEqual([token, closeCodes.authRefused.code]);
  }
  const alone = await TestStandalone.start();
  const client = await alone.plain();
  client.send({ op: 'auth', token: 'x' });
  expect((await client.closed()).code).toBe(closeCodes.authRefused.code);
  expect(await subscribe(other, '1@video')).toBe(done);
});

test('a webhook that is not there, cuts off, or is out of order says nothing of a token: those clients are to come back', async () => {
  const auth = await startAuthServer({
    cut: 'cut',
    half: 'half',
    busy: { status: 429, body: '{}' },
    broken: { status: 500, body: '{"uid":1}' },
    away: { status: 503, body: '' },
  });
  const barrage = await TestStandalone.start({ BARRAGE_AUTH_URL: auth.url });
  for (const token of ['cut', 'half', 'busy', 'broken', 'away']) {
    const [plain, client] = [await barrage.plain(), await barrage.v1()];
    plain.send({ op: 'auth', token });
    expect([token, (await plain.closed()).code]).toEqual([token, closeCodes.authTimeout.code]);
    expect((await client.command('auth', { token })).error, token).toMatchObject({ code: 'unavailable', retry: true });
    expect(client.closing).toBeUndefined();
  }
  // A port that was just given back: nobody listens there.
  const gone = await startAuthServer({});
  await gone.stop();
  const alone = await TestStandalone.start({ BARRAGE_AUTH_URL: gone.url });
  const [plain, client] = [await alone.plain(), await alone.v1()];
  plain.send({ op: 'auth', token: 'x' });
  expect((await plain.closed()).code).toBe(closeCodes.authTimeout.code);
  expect((await client.command('auth', { token: 'x' })).error).toMatchObject({ code: 'unavailable', retry: true });
});

test('a webhook that never answers closes that connection after three seconds, and delays no other', async () => {
  const auth = await startAuthServer({ t: 'never' });
  const barrage = await TestStandalone.start({ BARRAGE_AUTH_URL: auth.url });
  const [client, other] = [await barrage.plain(), await barrage.plain()];
  const startedAt = performance.now();
  client.send({ op: 'auth', token: 't' });
  expect(await subscribe(other, '1@video')).toBe(done);
  expect((await client.closed()).code).toBe(closeCodes.authTimeout.code);
  expect(performance.now() - startedAt).toBeGreaterThan(2_900);
  expect(other.closing).toBeUndefined();
});

test('what is no command closes that connection with 4500 and no other', async () => {
  const barrage = await TestStandalone.start();
  const other = await barrage.plain();
  await subscribe(other, '1@video');
  const bad: readonly (string | Buffer | object)[] = [
    Buffer.from('{"op":"subscribe","channel":"1@video"}'),
    'hello',
    '',
    '[]',
    '"subscribe"',
    'null',
    {},
    { channel: '1@video' },
    { op: 1, channel: '1@video' },
    { op: 'subscribe' },
    { op: 'subscribe', channel: 7 },
    { op: 'subscribe', channel: 'a@b@c' },
    { op: 'subscribe', channel: 'video' },
    { op: 'subscribe', channel: '' },
    { op: 'subscribe', channel: '@' },
    { op: 'subscribe', channel: '1@' },
    { op: 'subscribe', channel: '@video' },
    { op: 'unsubscribe', channel: 'a@b@c' },
    { op: 'dance', channel: 'nowhere' },
    { op: 'auth' },
    { op: 'auth', token: 5 },
  ];
  for (const message of bad) {
    const client = await barrage.plain();
    client.send(message);
    expect([message, await client.closed()]).toEqual([
      message,
      { code: closeCodes.badCommand.code, reason: expect.stringMatching(/: (?:send|write|in this)|JSON in text|is empty/) },
    ]);
    expect(client.frames).toEqual([]);
  }
  await barrage.publish('video:1', 'still here');
  expect(await other.nextText()).toBe('still here');
  expect(await barrage.metric('barrage_gateway_connections_closed_total', 'code="4500"')).toBe(bad.length);
});

test('under load no publication comes before the subscribe reply or after the unsubscribe reply', async () => {
  const barrage = await TestStandalone.withPolicies('channels: [{ channel: "*", merge: { windowMilliseconds: 5 } }]');
  let isOver = false;
  let published = 0;
  const load = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!isOver) await barrage.publish('video:1', `p${published++}`);
    }),
  );
  const clients = await Promise.all(Array.from({ length: 10 }, () => barrage.plain()));
  for (let round = 0; round < 15; round++) {
    const before = clients.map(({ frames }) => frames.length);
    for (const client of clients) client.send({ op: 'subscribe', channel: '1@video' });
    await until(() => clients.every(({ frames }, index) => frames.length > (before[index] ?? 0) + 2));
    for (const client of clients) client.send({ op: 'unsubscribe', channel: '1@video' });
    await until(() => clients.every(({ texts }, index) => texts.slice(before[index]).filter((text) => text === done).length === 2));
    const quietUntil = published + 20;
    await until(() => published >= quietUntil);
    for (const [index, { texts }] of clients.entries()) {
      const said = texts.slice(before[index]);
      expect([said[0], said.at(-1)]).toEqual([done, done]);
      const numbers = said.slice(1, -1).map((text) => Number(text.slice(1)));
      expect(numbers.length).toBeGreaterThan(0);
    }
  }
  isOver = true;
  await load;
});

test('a client that sends reserved JSON names, or numbers beyond 2^53, is treated like any other', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.plain();
  expect(await client.ask('{"op":"subscribe","channel":"1@video","__proto__":{"x":1},"id":9007199254740993}')).toBe(done);
  expect(await client.ask('{"op":"subscribe","channel":"__proto__@constructor"}')).toBe(done);
  await barrage.publish('constructor:__proto__', 'x');
  expect(await client.nextText()).toBe('x');
});
