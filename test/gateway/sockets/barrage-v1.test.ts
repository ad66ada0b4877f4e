import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { limits } from '../../../core/limits.ts';
import { startAuthServer } from '../../support/auth-server.ts';
import { TestStandalone, policyFile, type PublishAnswer } from '../../support/standalone.ts';
import { accountOf, until, type V1Client } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

function policies(...channels: readonly object[]): Promise<TestStandalone> {
  return TestStandalone.withPolicies(JSON.stringify({ channels }));
}

/**
 * Publishes all of them within one turn of the event loop, so that no timer comes in between: the first opens a quiet
 * room's window, the others wait in it.
 */
async function publishAtOnce(barrage: TestStandalone, channel: string, publications: readonly object[]): Promise<void> {
  const backend = new WebSocket(`ws://127.0.0.1:${barrage.publisherPort}/ws/v1`);
  onTestFinished(() => backend.terminate());
  await once(backend, 'open');
  const answers: PublishAnswer[] = [];
  backend.on('message', (answer: Buffer) => answers.push(JSON.parse(answer.toString())));
  for (const [i, publication] of publications.entries())
    backend.send(JSON.stringify({ m: 'mesh.publish', p: { c: channel, ...publication }, i }));
  await until(() => answers.length === publications.length);
  expect(answers.filter(({ E }) => E !== null)).toEqual([]);
}

test('hello comes first, once, and says how to behave', async () => {
  const barrage = await TestStandalone.start({
    BARRAGE_PING_INTERVAL_MS: '20000',
    BARRAGE_BACKOFF_BASE_MS: '300',
    BARRAGE_BACKOFF_CAP_MS: '9000',
  });
  const before = Date.now();
  const [one, two] = [await barrage.v1(), await barrage.v1()];
  const after = Date.now();
  expect(one.socket.protocol).toBe('barrage.v1');
  expect(one.messages).toEqual([
    {
      type: 'hello',
      client: expect.stringMatching(/^[0-9]{1,16}$/),
      now: expect.toSatisfy((now: number) => now >= before && now <= after, 'the time of this machine'),
      pingIntervalMs: 20_000,
      pongTimeoutMs: 8_000,
      backoff: { baseMs: 300, capMs: 9_000 },
      limits: {
        frameBytesMax: limits.clientFrameBytesMax,
        subscriptionsMax: limits.subscriptionsPerConnectionMax,
        commandsPerSecondMax: limits.commandsPerSecondMax,
      },
    },
  ]);
  expect(two.messages[0]).not.toEqual(one.messages[0]);
});

test('every command gets one reply with its id, in order', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  const ids = [7, 0, 9_007_199_254_740_991, 7];
  for (const id of ids) client.send({ id, op: 'ping' });
  await until(() => client.messages.length === 1 + ids.length);
  expect(client.messages.slice(1)).toEqual(ids.map((id) => ({ type: 'reply', id, result: { now: expect.any(Number) } })));
});

test('each error has its code, words, and whether to try again', async () => {
  const auth = await startAuthServer({ me: { status: 200, body: '{"uid":"me"}' } });
  const channels = [
    { channel: 'vip:*', access: { subscribe: 'Authenticated', publish: 'Authenticated' } },
    { channel: 'small:*', limits: { membersMax: 1, payloadBytesMax: 4 }, access: { publish: 'Public' }, presence: 'Off' },
  ];
  const barrage = await TestStandalone.withPolicies(JSON.stringify({ channels }), { BARRAGE_AUTH_URL: auth.url });
  const [client, other] = [await barrage.v1(), await barrage.v1()];
  await other.subscribe('small:1');
  await client.subscribe('video:1');
  const cases: readonly (readonly [op: string, fields: object, code: string, retry: boolean])[] = [
    ['sing', {}, 'unknown_op', false],
    ['subscribe', { channel: 'a b' }, 'bad_request', false],
    ['subscribe', { channel: 'vip:1' }, 'not_authenticated', false],
    ['publish', { channel: 'vip:1', data: 'x' }, 'not_authenticated', false],
    ['counts', { channel: 'vip:1' }, 'not_authenticated', false],
    ['auth', { token: 'nobody' }, 'not_authenticated', false],
    ['subscribe', { channel: 'user:1' }, 'not_authenticated', false],
    ['publish', { channel: 'video:1', data: 'x' }, 'forbidden', false],
    ['counts', { channel: 'small:1' }, 'forbidden', false],
    ['subscribe', { channel: 'video:1' }, 'already_subscribed', false],
    ['unsubscribe', { channel: 'video:2' }, 'not_subscribed', false],
    ['density', { channel: 'video:2', density: 5 }, 'not_subscribed', false],
    ['subscribe', { channel: 'small:1' }, 'limit_exceeded', true],
    ['publish', { channel: 'small:1', data: '12345' }, 'payload_too_large', false],
    ['publish', { channel: 'small:1', data: '?', kind: 'binary' }, 'bad_request', false],
  ];
  for (const [op, fields, code, retry] of cases) {
    const { error } = await client.command(op, fields);
    expect([op, fields, error]).toEqual([op, fields, { code, retry, message: expect.stringMatching(/./) }]);
  }
  expect((await client.command('auth', { token: 'me' })).result).toEqual({ uid: 'me' });
  expect((await client.command('subscribe', { channel: 'user:1' })).error?.code).toBe('forbidden');
  await client.subscribe('user:me');
  await client.subscribe('vip:1');
});

test('an auth service that is late is a reason to try again, and costs no connection', async () => {
  const auth = await startAuthServer({ t: 'never' });
  const barrage = await TestStandalone.start({ BARRAGE_AUTH_URL: auth.url });
  const client = await barrage.v1();
  expect((await client.command('auth', { token: 't' })).error).toMatchObject({ code: 'unavailable', retry: true });
});

test('batches account for every offset, from the position of the reply on', async () => {
  const barrage = await TestStandalone.start();
  const early = await barrage.v1();
  const start = await early.subscribe('video:1');
  await Promise.all(Array.from({ length: 40 }, (_, index) => barrage.publish('video:1', `p${index}`)));
  const late = await barrage.v1();
  const joined = await late.subscribe('video:1');
  await Promise.all(Array.from({ length: 40 }, (_, index) => barrage.publish('video:1', `q${index}`)));
  const { offset: last } = await barrage.publish('video:1', 'last');
  await until(() => early.reached('video:1') === last && late.reached('video:1') === last);
  expect(accountOf(early, 'video:1', start)).toEqual({ upto: last, items: 81, leftOut: 0, missing: 0 });
  expect(accountOf(late, 'video:1', joined)).toEqual({ upto: last, items: last - joined.offset, leftOut: 0, missing: 0 });
  expect(early.of('video:1').length).toBeLessThan(81);
});

test('a reply to unsubscribe is the last that is heard of a channel, and one may come back', async () => {
  const barrage = await TestStandalone.start();
  const [client, other] = [await barrage.v1(), await barrage.v1()];
  for (const each of [client, other]) await each.subscribe('video:1');
  await barrage.publish('video:1', 'one');
  await barrage.publish('video:1', 'waits in the window');
  expect((await client.command('unsubscribe', { channel: 'video:1' })).result).toEqual({});
  const heard = client.of('video:1').length;
  const { offset: two } = await barrage.publish('video:1', 'two');
  // When the one who stayed has all of it, nothing is left that could be sent to the one who went.
  await until(() => other.reached('video:1') === two);
  await client.command('ping');
  expect(client.of('video:1')).toHaveLength(heard);
  const again = await client.subscribe('video:1', { since: { epoch: 'other', offset: 1 } });
  expect(again.recovered).toBe(false);
  await client.command('unsubscribe', { channel: 'video:1' });
  expect((await client.subscribe('video:1', { since: { epoch: again.epoch, offset: again.offset } })).recovered).toBe(true);
  const { offset } = await barrage.publish('video:1', 'three');
  await until(() => client.reached('video:1') === offset);
  expect(client.items('video:1').slice(-1)).toMatchObject([{ data: 'three', offset }]);
});

test('counts are those of all who watch', async () => {
  const barrage = await TestStandalone.start();
  const clients = [await barrage.v1(), await barrage.v1()];
  for (const client of clients) await client.subscribe('video:1');
  const plain = await barrage.plain();
  await plain.ask({ op: 'subscribe', channel: '1@video' });
  expect((await clients[0]?.command('counts', { channel: 'video:1' }))?.result).toEqual({ members: 3 });
  expect((await clients[0]?.command('counts', { channel: 'video:2' }))?.result).toEqual({ members: 0 });
});

/** Publishes at some rate for about a second; returns the last offset. */
async function publishFor(barrage: TestStandalone, milliseconds: number, more: (index: number) => object = () => ({})): Promise<number> {
  const startedAt = performance.now();
  let offset = 0;
  for (let index = 0; performance.now() - startedAt < milliseconds;) {
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        ({ offset } = await barrage.publish('video:1', `p${index}`, more(index++)));
      }),
    );
  }
  return (await barrage.publish('video:1', 'last')).offset ?? offset;
}

test('a density is obeyed, the rest is accounted for as left out, and it can be changed', async () => {
  const barrage = await TestStandalone.start();
  const [calm, all] = [await barrage.v1(), await barrage.v1()];
  const start = await calm.subscribe('video:1', { density: 7 });
  const allStart = await all.subscribe('video:1');
  expect([start.density, allStart.density]).toEqual([5, undefined]);
  const startedAt = performance.now();
  const last = await publishFor(barrage, 1000);
  await until(() => calm.reached('video:1') === last && all.reached('video:1') === last);
  const seconds = (performance.now() - startedAt) / 1000;
  const account = accountOf(calm, 'video:1', start);
  expect(account.items + account.leftOut).toBe(last - start.offset);
  expect(account.items).toBeGreaterThanOrEqual(5);
  expect(account.items).toBeLessThanOrEqual(5 + 5 * seconds);
  expect(accountOf(all, 'video:1', allStart).leftOut).toBe(0);
  expect((await calm.command('density', { channel: 'video:1', density: 60 })).result).toEqual({ density: 50 });
  expect((await calm.command('density', { channel: 'video:1' })).result).toEqual({});
  const later = await publishFor(barrage, 300);
  await until(() => calm.reached('video:1') === later);
  expect(accountOf(calm, 'video:1', start)).toMatchObject({ upto: later, missing: 0 });
  expect(calm.items('video:1').filter(({ offset }) => offset > last)).toHaveLength(later - last);
});

test('above its budget a client gets what has priority, and all the rest is accounted for', async () => {
  const barrage = await policies({ channel: 'video:*', budget: { publicationsPerSecond: 20 } });
  const client = await barrage.v1();
  const start = await client.subscribe('video:1');
  expect(start.density).toBe(20);
  const startedAt = performance.now();
  for (let round = 0; round < 8; round++) {
    const priorities = ['low', 'low', 'low', 'low', 'normal', 'normal', 'normal', 'high'];
    await Promise.all(priorities.map((priority) => barrage.publish('video:1', priority, { priority })));
    await new Promise((resolve) => setTimeout(resolve, 110));
  }
  const last = start.offset + 64;
  await until(() => client.reached('video:1') === last);
  const { items, leftOut } = accountOf(client, 'video:1', start);
  expect(items + leftOut).toBe(64);
  expect(items).toBeLessThanOrEqual(20 + (20 * (performance.now() - startedAt)) / 1000);
  expect(client.items('video:1').filter(({ data }) => data === 'high')).toHaveLength(8);
  const { tally } = barrage.gateway.metrics;
  expect([tally.count('budget', 'high'), tally.count('budget', 'normal') + tally.count('budget', 'low')]).toEqual([0, leftOut]);
});

test('a batch with bytes in it is one binary frame, header first', async () => {
  const barrage = await policies({ channel: '*', merge: { windowMilliseconds: 300 } });
  const client = await barrage.v1();
  const start = await client.subscribe('video:1');
  await publishAtOnce(barrage, 'video:1', [
    { d: 'opens the window' },
    { d: 'text 弹幕' },
    { d: 'AP+A', t: 'binary' },
    { d: '', t: 'binary' },
  ]);
  await until(() => client.reached('video:1') === start.offset + 4);
  const binary = client.of('video:1').filter(({ isBinary }) => isBinary);
  expect(binary).toHaveLength(1);
  expect(binary[0]?.items.map(({ data }) => data)).toEqual(
    expect.arrayContaining(['text 弹幕', Buffer.from([0, 255, 128]), Buffer.alloc(0)]),
  );
  expect(accountOf(client, 'video:1', start)).toMatchObject({ items: 4, leftOut: 0 });
});

test('a thousand likes are one publication with a count', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  const start = await client.subscribe('video:1');
  await barrage.publish('video:1', 'opens the window');
  const like = { conflateKey: 'like', conflate: 'Sum' };
  await Promise.all(Array.from({ length: 10 }, () => barrage.publish('video:1', 'like', { ...like, count: 100 })));
  await Promise.all(['1:0', '2:0'].map((score) => barrage.publish('video:1', score, { conflateKey: 'score' })));
  await until(() => client.reached('video:1') === start.offset + 13);
  const items = client.items('video:1');
  expect(items.filter(({ data }) => data === 'like').reduce((sum, { count = 0 }) => sum + count, 0)).toBe(1000);
  expect(items.length).toBeLessThan(13);
  expect(items.at(-1)).toMatchObject({ count: undefined });
  const { leftOut } = accountOf(client, 'video:1', start);
  expect(leftOut).toBe(13 - items.length);
  expect(barrage.gateway.metrics.tally.count('conflated', 'normal')).toBe(leftOut);
});

test('what is past its time when the window ends is left out', async () => {
  const barrage = await policies({ channel: '*', merge: { windowMilliseconds: 300 } });
  const client = await barrage.v1();
  const start = await client.subscribe('video:1');
  await publishAtOnce(barrage, 'video:1', [{ d: 'opens the window' }, { d: 'soon stale', ttlMs: 1 }, { d: 'good', ttlMs: 60_000 }]);
  await until(() => client.reached('video:1') === start.offset + 3);
  expect(client.items('video:1').map(({ data }) => data)).toEqual(['opens the window', 'good']);
  expect(accountOf(client, 'video:1', start)).toMatchObject({ leftOut: 1 });
});

test.each([
  ['back', -3_600_000],
  ['forward', 3_600_000],
])("the machine's clock is set %s by an hour: ttlMs and the delivery latency count from the publishing on", async (_, byMs) => {
  const barrage = await policies({ channel: '*', merge: { windowMilliseconds: 300 }, access: { publish: 'Public' } });
  const client = await barrage.v1();
  await client.subscribe('video:1');
  const before = Date.now;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => before() + byMs);
  onTestFinished(() => clock.mockRestore());
  await publishAtOnce(barrage, 'video:1', [{ d: 'opens the window' }, { d: 'soon stale', ttlMs: 1 }, { d: 'good', ttlMs: 60_000 }]);
  await client.command('publish', { channel: 'video:1', data: 'own', ttlMs: 60_000 });
  await until(() => client.reached('video:1') === 4);
  expect(client.items('video:1').map(({ data }) => data)).toEqual(['opens the window', 'good', 'own']);
  const seconds = await barrage.metric('barrage_delivery_latency_seconds_sum');
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(60);
});

test('clients publish where the policy says who may, and each is slowed down by itself', async () => {
  const auth = await startAuthServer({ me: { status: 200, body: '{"uid":"me"}' } });
  const channels = [
    { channel: 'open:*', access: { publish: 'Public' } },
    { channel: 'known:*', access: { publish: 'Authenticated' } },
    { channel: 'slow:*', access: { publish: 'Public', slowModeSeconds: 30 } },
    { channel: 'rate:*', access: { publish: 'Public' }, limits: { publicationsPerSecond: 2 } },
  ];
  const barrage = await TestStandalone.withPolicies(JSON.stringify({ channels }), { BARRAGE_AUTH_URL: auth.url });
  const [writer, reader] = [await barrage.v1(), await barrage.v1()];
  const publish = (client: V1Client, channel: string, fields: object = {}) => client.command('publish', { channel, data: 'x', ...fields });
  const { offset, epoch } = await reader.subscribe('open:1');
  expect((await publish(writer, 'open:1', { data: '弹幕' })).result).toEqual({ epoch, offset: offset + 1 });
  expect((await publish(writer, 'open:1', { data: 'AP8=', kind: 'binary' })).result).toEqual({ epoch, offset: offset + 2 });
  await until(() => reader.reached('open:1') === offset + 2);
  expect(reader.items('open:1').map(({ data }) => data)).toEqual(['弹幕', Buffer.from([0, 255])]);
  expect((await publish(writer, 'closed:1')).error?.code).toBe('forbidden');
  expect((await publish(writer, 'known:1')).error?.code).toBe('not_authenticated');
  await writer.command('auth', { token: 'me' });
  expect((await publish(writer, 'known:1')).result).toBeDefined();
  expect((await publish(writer, 'slow:1')).result).toBeDefined();
  expect((await publish(writer, 'slow:1')).error).toMatchObject({ code: 'too_many_requests', retry: true, message: /\b30 s/ });
  expect((await publish(writer, 'slow:2')).result).toBeDefined();
  expect((await publish(reader, 'slow:1')).result).toBeDefined();
  const second = await barrage.v1();
  await second.command('auth', { token: 'me' });
  expect((await publish(second, 'slow:1')).error?.code).toBe('too_many_requests');
  const results = await Promise.all(Array.from({ length: 5 }, () => publish(reader, 'rate:1')));
  expect(results.filter(({ error }) => error?.code === 'too_many_requests').length).toBeGreaterThanOrEqual(2);
});

/** Exchanges the file in one step, as a ConfigMap does. */
async function replace(path: string, content: object | string): Promise<void> {
  await writeFile(`${path}.new`, typeof content === 'string' ? content : JSON.stringify(content));
  await rename(`${path}.new`, path);
}

test('a changed policy file is in force without a reconnect, and a bad one changes nothing', async () => {
  const path = await policyFile(JSON.stringify({ channels: [{ channel: 'video:*' }] }));
  const barrage = await TestStandalone.start({ BARRAGE_POLICY_FILE: path });
  const client = await barrage.v1();
  await client.subscribe('video:1');
  const tries = async (): Promise<string> =>
    (await client.command('publish', { channel: 'video:1', data: 'x' })).error?.code ?? 'published';
  expect(await tries()).toBe('forbidden');
  await replace(path, { channels: [{ channel: 'video:*', access: { publish: 'Public' } }] });
  await until(async () => (await tries()) === 'published', 50);
  await replace(path, { channels: [{ channel: 'video:*', access: { publish: 'Everyone' } }] });
  await until(async () => (await barrage.metric('barrage_policy_file_valid')) === 0, 50);
  expect(await tries()).toBe('published');
  await replace(path, { channels: [{ channel: 'video:*', limits: { payloadBytesMax: 3 }, access: { publish: 'Public' } }] });
  await until(async () => (await client.command('publish', { channel: 'video:1', data: 'long' })).error?.code === 'payload_too_large', 50);
  expect(client.closing).toBeUndefined();
});

test('a density that was asked for is obeyed also when the policy grows', async () => {
  const path = await policyFile(JSON.stringify({ channels: [{ channel: 'video:*', budget: { publicationsPerSecond: 10 } }] }));
  const barrage = await TestStandalone.start({ BARRAGE_POLICY_FILE: path });
  const client = await barrage.v1();
  const start = await client.subscribe('video:1', { density: 20 });
  await replace(path, { channels: [{ channel: 'video:*', presence: 'Off' }] });
  await until(async () => (await client.command('counts', { channel: 'video:1' })).error?.code === 'forbidden', 50);
  const before = client.items('video:1').length;
  const startedAt = performance.now();
  const last = await publishFor(barrage, 500);
  await until(() => client.reached('video:1') === last);
  expect(accountOf(client, 'video:1', start).missing).toBe(0);
  expect(client.items('video:1').length - before).toBeLessThanOrEqual(20 + (20 * (performance.now() - startedAt)) / 1000);
});

test('a backend’s calls reach one client: a payload, a subscription, its end', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  const [hello] = client.messages;
  const id = hello?.type === 'hello' ? hello.client : '';
  expect(await barrage.post('/v1/mesh/send', { c: id, d: 'just you' })).toEqual({ E: null, r: { s: true } });
  expect(await barrage.post('/v1/mesh/send', { c: Number(id), d: 'AP8=', t: 'binary' })).toEqual({ E: null, r: { s: true } });
  await until(() => client.messages.length === 3);
  expect(client.messages.slice(1)).toEqual([
    { type: 'direct', kind: 'text', data: 'just you' },
    { type: 'direct', kind: 'binary', data: 'AP8=' },
  ]);
  await client.leave();
  expect((await barrage.post('/v1/mesh/send', { c: id, d: 'gone' })).E?.c).toBe(401);
});
