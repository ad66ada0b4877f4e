import { SignJWT, type JWTPayload } from 'jose';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Bus, ChannelLog } from '../../../core/bus/bus.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { closeCodes } from '../../../core/close-codes.ts';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { createLogger } from '../../../core/process/logging.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { Gateway } from '../../../gateway/gateway.ts';
import { keySet, signingKey, startKeyServer, tokenBy } from '../../support/key-server.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { TestClient, V1Client, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

const done = '{"result":true}';
const secret = 'a shared secret of 32 characters';
const settings = { BARRAGE_JWT_SECRET: secret, BARRAGE_PING_INTERVAL_MS: '1000' };
const policies = JSON.stringify({ channels: [{ channel: 'vip:*', access: { subscribe: 'Authenticated', publish: 'Authenticated' } }] });

function token(claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
}

/** Its `exp` lies in the past, but the tolerance of five seconds is not used up for so many milliseconds. */
function tokenLasting(milliseconds: number, sub = 'me'): Promise<string> {
  return token({ sub, exp: (Date.now() + milliseconds) / 1000 - 5 });
}

function endings(client: V1Client): readonly string[] {
  return client.messages.flatMap((message) => (message.type === 'unsubscribed' ? [message.channel] : []));
}

test('a token says who its bearer is, in both protocols', async () => {
  const barrage = await TestStandalone.start(settings);
  const [plain, client] = [await barrage.plain(), await barrage.v1()];
  expect(await plain.ask({ op: 'auth', token: await token({ sub: 'me' }) })).toBe(done);
  expect(await plain.ask({ op: 'subscribe', channel: '@user' })).toBe(done);
  expect((await client.command('auth', { token: await token({ sub: 'me', uid: 1001 }) })).result).toEqual({ uid: '1001' });
  await client.subscribe('user:1001');
  expect((await client.command('subscribe', { channel: 'user:me' })).error?.code).toBe('forbidden');
  expect(await barrage.publish('user:me', 'for me')).toMatchObject({ s: 1 });
  expect(await plain.nextText()).toBe('for me');
  const { result } = await client.command('auth', { token: await token({ sub: 'me', exp: Math.floor(Date.now() / 1000) + 60 }) });
  expect(result).toEqual({ uid: 'me', expiresInMs: expect.any(Number) });
  expect(result?.['expiresInMs']).toBeGreaterThan(60_000);
  expect(result?.['expiresInMs']).toBeLessThanOrEqual(65_000);
});

test('public keys are fetched from their address', async () => {
  const [rsa, elliptic] = [await signingKey('r1', 'RS256'), await signingKey('e1', 'ES256')];
  const server = await startKeyServer({ status: 200, body: await keySet([rsa, elliptic]) });
  const barrage = await TestStandalone.start({ BARRAGE_JWKS_URL: server.url, BARRAGE_JWT_AUDIENCE: 'barrage' });
  const client = await barrage.v1();
  for (const key of [rsa, elliptic]) {
    const { result } = await client.command('auth', { token: await tokenBy(key, { sub: key.kid, aud: 'barrage' }) });
    expect(result).toEqual({ uid: key.kid });
  }
  expect((await client.command('auth', { token: await tokenBy(rsa, { sub: 'me', aud: 'another' }) })).error).toMatchObject({
    code: 'not_authenticated',
    retry: false,
  });
  expect(server.requests).toEqual(['GET /keys']);
});

test('a bad token is refused, and closes that plain connection and no other', async () => {
  const barrage = await TestStandalone.start(settings);
  const [other, client] = [await barrage.plain(), await barrage.v1()];
  for (const bad of ['', 'x', 'a.b.c', await token({ sub: 'me', exp: 1 }), `${await token({ sub: 'me' })}x`]) {
    const plain = await barrage.plain();
    plain.send({ op: 'auth', token: bad });
    expect((await plain.closed()).code).toBe(closeCodes.authRefused.code);
    expect((await client.command('auth', { token: bad })).error).toMatchObject({ code: 'not_authenticated', retry: false });
  }
  expect(await other.ask({ op: 'subscribe', channel: '1@video' })).toBe(done);
  expect(client.closing).toBeUndefined();
});

test('an address of keys that is away is a reason to try again, and to come back', async () => {
  const rsa = await signingKey('r1', 'RS256');
  const server = await startKeyServer('cut');
  const barrage = await TestStandalone.start({ BARRAGE_JWKS_URL: server.url });
  const [plain, client] = [await barrage.plain(), await barrage.v1()];
  const good = await tokenBy(rsa, { sub: 'me' });
  expect((await client.command('auth', { token: good })).error).toMatchObject({ code: 'unavailable', retry: true });
  plain.send({ op: 'auth', token: good });
  expect((await plain.closed()).code).toBe(closeCodes.authTimeout.code);
  server.answer = { status: 200, body: await keySet([rsa]) };
  await vi.waitUntil(async () => (await client.command('auth', { token: good })).result !== undefined, { timeout: 10_000, interval: 100 });
});

test('when a token expires, what needed it ends and is told, and the rest goes on; a fresh token lets in again', async () => {
  const barrage = await TestStandalone.withPolicies(policies, settings);
  const client = await barrage.v1();
  await client.command('auth', { token: await tokenLasting(3_000) });
  for (const channel of ['vip:1', 'user:me', 'video:1']) await client.subscribe(channel);
  await until(() => endings(client).length === 2);
  expect(endings(client)).toEqual(['vip:1', 'user:me']);
  expect(await barrage.publish('vip:1', 'not for me')).toMatchObject({ s: 0 });
  const { offset } = await barrage.publish('video:1', 'for everybody');
  await until(() => client.reached('video:1') === offset);
  expect(client.items('vip:1')).toEqual([]);
  for (const [op, fields] of [
    ['publish', { channel: 'vip:1', data: 'x' }],
    ['subscribe', { channel: 'vip:1' }],
    ['counts', { channel: 'vip:1' }],
  ] as const)
    expect((await client.command(op, fields)).error?.code, op).toBe('not_authenticated');
  await client.command('auth', { token: await token({ sub: 'me' }) });
  await client.subscribe('vip:1');
  expect((await client.command('publish', { channel: 'vip:1', data: 'x' })).error).toBeUndefined();
});

test('an expired token is no good for a command even before anybody looked at the connection', async () => {
  const barrage = await TestStandalone.withPolicies(policies, {
    ...settings,
    BARRAGE_PING_INTERVAL_MS: '300000',
    BARRAGE_IDLE_TIMEOUT_MS: '600000',
  });
  const client = await barrage.v1();
  await client.command('auth', { token: await tokenLasting(3_000) });
  await client.subscribe('vip:1');
  const publish = () => client.command('publish', { channel: 'vip:1', data: 'x' });
  expect((await publish()).error).toBeUndefined();
  // The next sweep is 37 s away.
  await vi.waitUntil(async () => (await publish()).error?.code === 'not_authenticated', { timeout: 15_000, interval: 50 });
  expect(endings(client)).toEqual(['vip:1']);
});

test('an expired token closes a plain connection that lives on it, and leaves alone one that does not', async () => {
  const barrage = await TestStandalone.withPolicies(policies, settings);
  const [bound, free] = [await barrage.plain(), await barrage.plain()];
  for (const client of [free, bound]) {
    expect(await client.ask({ op: 'auth', token: await tokenLasting(3_000) })).toBe(done);
    expect(await client.ask({ op: 'subscribe', channel: '1@video' })).toBe(done);
  }
  expect(await bound.ask({ op: 'subscribe', channel: '1@vip' })).toBe(done);
  expect(await bound.closed()).toEqual({ code: 4501, reason: 'the token has expired' });
  expect(JSON.parse(await free.ask({ op: 'subscribe', channel: '@user' }))).toEqual({ code: 1, msg: 'Not Auth' });
  await barrage.publish('video:1', 'still here');
  expect(await free.nextText()).toBe('still here');
});

test('a fresh token before the end of the old one keeps everything', async () => {
  const barrage = await TestStandalone.withPolicies(policies, settings);
  const [renewing, witness] = [await barrage.v1(), await barrage.v1()];
  await renewing.command('auth', { token: await tokenLasting(3_000) });
  await renewing.subscribe('vip:1');
  expect((await renewing.command('auth', { token: await tokenLasting(60_000) })).result).toMatchObject({ uid: 'me' });
  // Sweeps go round: when the witness's end is found, the renewing one was looked at after its first token's.
  await witness.command('auth', { token: await tokenLasting(5_000) });
  await witness.subscribe('vip:1');
  await until(() => endings(witness).length === 1);
  expect(endings(renewing)).toEqual([]);
  expect(await barrage.publish('vip:1', 'for me')).toMatchObject({ s: 1 });
});

/** A gateway on a bus of its own; `gate` holds up the subscription of vip:1 until it is opened. */
async function gatedGateway(): Promise<{
  readonly gateway: Gateway;
  readonly bus: Bus;
  readonly openGate: () => void;
  readonly isAwaited: () => boolean;
}> {
  const memory = createMemoryBus();
  const gate = Promise.withResolvers<void>();
  let isAwaited = false;
  const log: ChannelLog = {
    append: (channel, publications) => memory.log.append(channel, publications),
    history: (channel, query) => memory.log.history(channel, query),
    unsubscribe: (channel) => memory.log.unsubscribe(channel),
    subscribe: async (channel, subscriber) => {
      isAwaited ||= channel === 'vip:1';
      if (channel === 'vip:1') await gate.promise;
      return memory.log.subscribe(channel, subscriber);
    },
  };
  const bus: Bus = {
    log,
    calls: memory.calls,
    state: () => memory.state(),
    onStateChange: (listener) => memory.onStateChange(listener),
    close: () => memory.close(),
  };
  const read = readSettings({ ...settings, BARRAGE_GATEWAY_PORT: '0', BARRAGE_DRAIN_MS: '0' });
  if (read.kind === 'faults') throw new Error(read.faults.join());
  const gateway = await Gateway.start({
    settings: read.settings,
    bus,
    policies: new Policies(policyFileSchema.parse(JSON.parse(policies)).channels),
    registry: new Registry(),
    logger: createLogger({ part: 'test', level: 'silent' }),
  });
  onTestFinished(async () => {
    gate.resolve();
    await gateway.close();
    await memory.close();
  });
  return { gateway, bus, openGate: gate.resolve, isAwaited: () => isAwaited };
}

test('who a backend says that a client is does not expire with the client’s own token', async () => {
  const { gateway, bus, openGate } = await gatedGateway();
  openGate();
  const [client, witness] = [await V1Client.open(gateway.port), await V1Client.open(gateway.port)];
  await client.command('auth', { token: await tokenLasting(3_000) });
  await client.subscribe('vip:1');
  const hello = client.messages[0];
  const id = Number(hello?.type === 'hello' ? hello.client : 0);
  const call = { kind: 'set-context', context: { uid: 'me' } } as const;
  expect(await bus.calls.callAll({ method: 'call', client: id, call }, 1_000)).toMatchObject({ replies: [{ kind: 'done' }] });
  await witness.command('auth', { token: await tokenLasting(5_000) });
  await witness.subscribe('vip:1');
  await until(() => endings(witness).length === 1);
  expect(endings(client)).toEqual([]);
});

test('an identity that ends while the room is being opened lets nobody in', async () => {
  const { gateway, openGate, isAwaited } = await gatedGateway();
  const [client, plain, witness] = [
    await V1Client.open(gateway.port),
    await TestClient.open(gateway.port),
    await V1Client.open(gateway.port),
  ];
  await client.command('auth', { token: await tokenLasting(3_000) });
  expect(await plain.ask({ op: 'auth', token: await tokenLasting(3_000) })).toBe(done);
  const reply = client.command('subscribe', { channel: 'vip:1' });
  plain.send({ op: 'subscribe', channel: '1@vip' });
  await until(isAwaited);
  await witness.command('auth', { token: await tokenLasting(5_000) });
  await witness.subscribe('vip:2');
  await until(() => endings(witness).length === 1);
  openGate();
  expect((await reply).error?.code).toBe('not_authenticated');
  expect(JSON.parse(await plain.nextText())).toEqual({ code: 1, msg: 'Not Auth' });
  expect(gateway.rooms.counts('vip:1')).toEqual({ ready: 0, full: 0 });
});
