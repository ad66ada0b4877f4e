import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { SignJWT, type JWTPayload } from 'jose';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { closeCodes } from '../../../core/close-codes.ts';
import { policyFile, TestStandalone } from '../../support/standalone.ts';
import { until, type TestClient, type V1Client } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

const secret = 'a shared secret of 32 characters';
const settings = { BARRAGE_JWT_SECRET: secret };

function token(claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
}

async function authenticate(client: V1Client, sub: string): Promise<void> {
  expect((await client.command('auth', { token: await token({ sub }) })).result).toEqual({ uid: sub });
}

/** What a backend does to one client, over the publisher's WebSocket. */
async function backendOf(barrage: TestStandalone, client: V1Client): Promise<(f: string, ...a: unknown[]) => Promise<unknown>> {
  const hello = client.messages[0];
  const id = hello?.type === 'hello' ? hello.client : '';
  const socket = new WebSocket(`ws://127.0.0.1:${barrage.publisherPort}/ws/v1`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return async (f, ...a) => {
    socket.send(JSON.stringify({ m: 'conn.call', p: { c: id, f, a }, i: 1 }));
    const [answer] = await once(socket, 'message');
    return (JSON.parse(String(answer)) as { E: { m: string } | null }).E?.m;
  };
}

function endings(client: V1Client): readonly unknown[] {
  return client.messages.filter(({ type }) => type === 'unsubscribed');
}

test('a backend’s note on a client does not bring back who it said that the client was', async () => {
  const barrage = await TestStandalone.start(settings);
  const client = await barrage.v1();
  const call = await backendOf(barrage, client);
  expect(await call('set_context_value', 'uid', 'old')).toBeUndefined();
  await client.subscribe('user:old');
  await authenticate(client, 'me');
  await client.subscribe('user:me');
  expect(await call('set_context_value', 'theme', 'dark')).toBeUndefined();
  expect(await call('set_context', { theme: 'light' })).toBeUndefined();
  expect(await barrage.publish('user:me', 'for me')).toMatchObject({ s: 1 });
  expect((await client.command('subscribe', { channel: 'user:old' })).error?.code).toBe('forbidden');
  // Said again, it holds.
  expect(await call('set_context_value', 'uid', 'old')).toBeUndefined();
  await client.subscribe('user:old');
});

test('who becomes another user is told that the first one’s channel has ended, before the answer to auth', async () => {
  const barrage = await TestStandalone.start(settings);
  const client = await barrage.v1();
  await authenticate(client, 'one');
  for (const channel of ['user:one', 'video:1']) await client.subscribe(channel);
  await authenticate(client, 'two');
  expect(endings(client)).toEqual([{ type: 'unsubscribed', channel: 'user:one', message: 'this client is another user now' }]);
  expect(client.messages.findIndex(({ type }) => type === 'unsubscribed')).toBe(client.messages.length - 2);
  const call = await backendOf(barrage, client);
  await client.subscribe('user:two');
  await call('set_context', { uid: 'three' });
  await until(() => endings(client).length === 2);
  expect(await barrage.publish('video:1', 'still here')).toMatchObject({ s: 1 });
  expect(await barrage.publish('user:two', 'not for three')).toMatchObject({ s: 0 });
});

test('a plain client that becomes another user leaves the first one’s channel, and stays connected', async () => {
  const barrage = await TestStandalone.start(settings);
  const client: TestClient = await barrage.plain();
  const done = '{"result":true}';
  for (const [sub, said] of [
    ['one', 'for one'],
    ['two', 'for two'],
  ] as const) {
    expect(await client.ask({ op: 'auth', token: await token({ sub }) })).toBe(done);
    expect(await client.ask({ op: 'subscribe', channel: '@user' })).toBe(done);
    expect(await barrage.publish(`user:${sub}`, said)).toMatchObject({ s: 1 });
    expect(await client.nextText()).toBe(said);
  }
  expect(await barrage.publish('user:one', 'not for two')).toMatchObject({ s: 0 });
});

test('whom a new policy does not admit leaves at once: told by barrage.v1, disconnected by the plain protocol', async () => {
  const policies = (subscribe: string): string => `channels: [{ channel: "video:*", access: { subscribe: ${subscribe} } }]`;
  const path = await policyFile(policies('Public'));
  const barrage = await TestStandalone.start({ ...settings, BARRAGE_POLICY_FILE: path });
  const [nobody, somebody] = [await barrage.v1(), await barrage.v1()];
  const [plain, elsewhere] = [await barrage.plain(), await barrage.plain()];
  await authenticate(somebody, 'me');
  for (const client of [nobody, somebody]) for (const channel of ['video:1', 'news']) await client.subscribe(channel);
  for (const [client, channel] of [
    [plain, '1@video'],
    [elsewhere, '1@news'],
  ] as const)
    await client.ask({ op: 'subscribe', channel });
  expect(await barrage.publish('video:1', 'for all')).toMatchObject({ s: 3 });
  await writeFile(path, policies('Authenticated'));
  expect(await plain.closed()).toEqual({
    code: closeCodes.forbidden.code,
    reason: 'not allowed any more: the policy of video:1 has changed',
  });
  await until(() => endings(nobody).length === 1);
  expect(endings(nobody)).toMatchObject([{ channel: 'video:1' }]);
  expect(await barrage.publish('video:1', 'for members')).toMatchObject({ s: 1 });
  await until(() => somebody.items('video:1').length === 2);
  expect(nobody.items('video:1')).toHaveLength(1);
  expect(endings(somebody)).toEqual([]);
  expect(await barrage.publish('news', 'for all')).toMatchObject({ s: 2 });
  expect(elsewhere.closing).toBeUndefined();
});
