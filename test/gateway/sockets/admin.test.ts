import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readAdminStatus, type AdminStatus } from '../../../core/pool/admin-status.ts';
import { policiesHash, poolLimits, signDocument } from '../../../core/pool/pool-document.ts';
import { openPolicies, TestPool } from '../../support/gateway-pool.ts';
import { poolDocument, poolKeys } from '../../support/pool-document.ts';
import { TestProcess } from '../../support/process.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { V1Client, refusedUpgrade, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

const keys = poolKeys();

function policy(channel: string, more: object): string {
  return JSON.stringify({ channels: [{ channel, ...more }] });
}

test('a gateway that must have a document takes nobody before it, and says what it waits for', async () => {
  const pool = await TestPool.start(['a']);
  const a = pool.member('a');
  expect(await a.ready()).toEqual({ status: 503, text: 'waiting for: a pool document\n' });
  expect((await refusedUpgrade(a.port)).status).toBe(503);
  expect(await a.status()).toMatchObject({ poolEpoch: 0, policiesHash: '', ready: false, waitingFor: ['a pool document'] });
  await pool.pushToAll();
  expect((await a.ready()).status).toBe(200);
  expect(await a.metric('barrage_pool_document_epoch')).toBe(1);
});

test('the status counts what is here, and the largest channels first', async () => {
  const pool = await TestPool.start(['a']);
  await pool.pushToAll(pool.document({ epoch: 3 }));
  const a = pool.member('a');
  for (let index = 0; index < 4; index++) {
    const client = await V1Client.open(a.port);
    onTestFinished(() => client.socket.terminate());
    for (let channel = 0; channel <= index; channel++) await client.subscribe(`video:${channel}`);
  }
  const status = await a.status();
  expect(status).toMatchObject({
    role: 'gateway',
    name: 'a',
    uid: 'uid-a',
    poolEpoch: 3,
    policiesHash: policiesHash([openPolicies]),
    ready: true,
    waitingFor: [],
    connections: 4,
    subscriptions: 10,
    rooms: 4,
    drain: { state: 'serving', movedConnections: 0 },
    topChannels: [4, 3, 2, 1].map((members, index) => ({ channel: `video:${index}`, members })),
  });
  expect(status.loopUtilization).toBeGreaterThan(0);
  expect(status.loopUtilization).toBeLessThanOrEqual(1);
});

test('the status tells of clients that were refused because the gateway is full', async () => {
  const pool = await TestPool.start(['a'], { BARRAGE_GATEWAY_CONNECTIONS_MAX: '1' });
  await pool.pushToAll();
  const a = pool.member('a');
  expect((await a.status()).refusedPerSecond).toBe(0);
  const client = await V1Client.open(a.port);
  onTestFinished(() => client.socket.terminate());
  await until(async () => {
    expect((await refusedUpgrade(a.port)).status).toBe(503);
    return ((await a.status()).refusedPerSecond ?? 0) > 0;
  });
});

test('a pushed policy is in force at once, without a reconnect; a push without the parts that are in force is enough', async () => {
  const pool = await TestPool.start(['a']);
  await pool.pushToAll();
  const a = pool.member('a');
  const client = await V1Client.open(a.port);
  onTestFinished(() => client.socket.terminate());
  await client.subscribe('video:1');
  expect((await client.command('publish', { channel: 'video:1', data: 'x' })).error).toBeUndefined();
  const closed = policy('video:*', { access: { publish: 'Backend' } });
  const policies = { hash: policiesHash([closed]), parts: 1 };
  expect(await a.put('pool', pool.push(pool.document({ epoch: 2, policies }), [closed]))).toEqual({ status: 200, body: { epoch: 2 } });
  expect((await client.command('publish', { channel: 'video:1', data: 'x' })).error?.code).toBe('forbidden');
  expect((await a.put('pool', pool.push(pool.document({ epoch: 3, policies }), []))).status).toBe(200);
  expect((await client.command('publish', { channel: 'video:1', data: 'x' })).error?.code).toBe('forbidden');
  expect(client.closing).toBeUndefined();
});

test("a newer operator's policies are in force as far as this version understands them, with a document that is taken", async () => {
  const pool = await TestPool.start(['a']);
  await pool.pushToAll();
  const a = pool.member('a');
  const client = await V1Client.open(a.port);
  onTestFinished(() => client.socket.terminate());
  const video = {
    channel: 'video:*',
    access: { publish: 'Public', until: 7 },
    merge: { windowMilliseconds: 0, shape: 'Flat' },
    replay: {},
  };
  const part = JSON.stringify({ channels: [video, { channel: 'chat:*', access: { subscribe: 'Members' } }, { channel: 'a*b' }] });
  const policies = { hash: policiesHash([part]), parts: 1 };
  expect(await a.put('pool', pool.push(pool.document({ epoch: 2, policies }), [part]))).toEqual({ status: 200, body: { epoch: 2 } });
  expect(await a.status()).toMatchObject({ poolEpoch: 2, policiesHash: policies.hash });
  expect((await client.command('publish', { channel: 'video:1', data: 'x' })).error).toBeUndefined();
  expect((await client.command('subscribe', { channel: 'chat:1' })).error?.code).toBe('not_authenticated');
  for (const what of ['field', 'value', 'policy']) expect(await a.metric(`barrage_pool_policy_misfits{what="${what}"}`)).toBe(1);
  // A document that leaves the policies as they are leaves what is told of them.
  expect((await a.put('pool', pool.push(pool.document({ epoch: 3, policies }), []))).status).toBe(200);
  expect(await a.metric('barrage_pool_policy_misfits{what="field"}')).toBe(1);
});

test('an older epoch and the same epoch with another content are 409, the same again is 200', async () => {
  const pool = await TestPool.start(['a']);
  const a = pool.member('a');
  const push = pool.push(pool.document({ epoch: 5 }));
  expect(await a.put('pool', push)).toEqual({ status: 200, body: { epoch: 5 } });
  expect(await a.put('pool', push)).toEqual({ status: 200, body: { epoch: 5 } });
  expect(await a.put('pool', pool.push(pool.document({ epoch: 4 })))).toMatchObject({
    status: 409,
    body: { epoch: 5, error: { code: 'older' } },
  });
  expect(await a.put('pool', pool.push(pool.document({ epoch: 5, hashSeed: 1 })))).toMatchObject({
    status: 409,
    body: { epoch: 5, error: { code: 'conflict' } },
  });
  expect(await a.put('pool', pool.push(pool.document({ epoch: 9, pool: 'other/main' })))).toMatchObject({ status: 409 });
});

test('what is forged, garbage, incomplete or too large changes nothing', async () => {
  const pool = await TestPool.start(['a']);
  await pool.pushToAll();
  const a = pool.member('a');
  const stranger = signDocument(pool.document({ epoch: 2 }), keys.privateKeyPem);
  expect(await a.put('pool', JSON.stringify({ envelope: stranger, policies: [openPolicies] }))).toMatchObject({
    status: 403,
    body: { epoch: 1, error: { code: 'forged' } },
  });
  for (const garbage of [
    '',
    '{',
    '[]',
    'null',
    '{"envelope":1,"policies":[]}',
    '{"envelope":"{}","policies":[]}',
    '{"envelope":"","policies":[1]}',
  ])
    expect(await a.put('pool', garbage)).toMatchObject({ status: 400, body: { epoch: 1, error: { code: 'malformed' } } });
  expect(await a.put('pool', new Uint8Array([0xff, 0xfe]))).toMatchObject({ status: 400 });
  const missing = pool.document({ epoch: 2, policies: { hash: policiesHash(['x']), parts: 1 } });
  expect(await a.put('pool', pool.push(missing, []))).toMatchObject({ status: 400 });
  expect(await a.put('pool', pool.push(missing, ['x']))).toMatchObject({
    status: 400,
    body: { error: { message: 'policies-0: not JSON' } },
  });
  const response = await fetch(`http://127.0.0.1:${a.adminPort}/admin/v1/pool`, { method: 'POST', body: '{}' });
  expect([response.status, await response.json()]).toEqual([405, { error: { code: 'method_not_allowed', message: 'use PUT' } }]);
  expect(await a.status()).toMatchObject({ poolEpoch: 1, ready: true });
  // Never on the clients' port.
  for (const path of ['status', 'pool', 'drain']) {
    const { status } = await fetch(`http://127.0.0.1:${a.port}/admin/v1/${path}`);
    expect(status).toBe(426);
  }
});

test('policies of some megabytes are taken, and one byte above a bound is not', async () => {
  const pool = await TestPool.start(['a']);
  const a = pool.member('a');
  const parts = Array.from({ length: 8 }, (_, part) =>
    JSON.stringify({
      channels: Array.from({ length: 2_000 }, (_each, index) => ({ channel: `${'x'.repeat(100)}:${part}-${index}` })),
    }).padEnd(poolLimits.policyPartBytesMax),
  );
  const policies = { hash: policiesHash(parts), parts: parts.length };
  expect(await a.put('pool', pool.push(pool.document({ policies }), parts))).toEqual({ status: 200, body: { epoch: 1 } });
  const larger = [`${parts[0]} `];
  const named = { hash: policiesHash(larger), parts: 1 };
  expect(await a.put('pool', pool.push(pool.document({ epoch: 2, policies: named }), larger))).toMatchObject({
    status: 400,
    body: { epoch: 1 },
  });
});

test('without the key of a pool nothing is taken, and the answer names the setting', async () => {
  const pool = await TestPool.start(['a'], { BARRAGE_POOL_PUBLIC_KEY: '' });
  const a = pool.member('a');
  expect((await a.ready()).status).toBe(200);
  for (const answer of [await a.put('pool', pool.push(pool.document())), await a.put('drain', pool.command('a', { command: 'drain' }))])
    expect([answer.status, answer.body.error?.message]).toEqual([403, expect.stringContaining('BARRAGE_POOL_PUBLIC_KEY')]);
});

/** A folder as a mounted ConfigMap, whose files are exchanged as a whole. */
async function poolFolder(): Promise<{ readonly path: string; readonly put: (name: string, text: string) => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'barrage-pool-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return {
    path,
    put: async (name, text) => {
      await writeFile(join(path, `${name}.new`), text);
      await rename(join(path, `${name}.new`), join(path, name));
    },
  };
}

async function adminOf(started: TestProcess): Promise<(path: string) => Promise<Response>> {
  await started.port();
  const port = /"adminPort":(\d+)/.exec(started.stderr)?.[1];
  return (path) => fetch(`http://127.0.0.1:${port}${path}`);
}

async function statusOf(ask: (path: string) => Promise<Response>): Promise<AdminStatus | undefined> {
  return readAdminStatus(await (await ask('/admin/v1/status')).text());
}

test('gateway and publisher start from the folder, follow its changes, keep what is good, and a push of a later epoch wins', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const folder = await poolFolder();
  const closed = policy('*', { access: { publish: 'Backend' } });
  const document = (epoch: number, parts: readonly string[]): string =>
    signDocument(poolDocument({ epoch, policies: { hash: policiesHash(parts), parts: parts.length } }), keys.privateKeyPem);
  await folder.put('policies-0.json', openPolicies);
  await folder.put('pool.json', document(4, [openPolicies]));
  const variables = {
    BARRAGE_REDIS_URL: redis.url,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_ADMIN_PORT: '0',
    BARRAGE_POOL_FOLDER: folder.path,
    // In one line, as it fits in an environment file.
    BARRAGE_POOL_PUBLIC_KEY: keys.publicKeyPem.replaceAll('\n', String.raw`\n`),
  };
  const asks = await Promise.all(['gateway/main.ts', 'publisher/main.ts'].map((main) => adminOf(new TestProcess(main, variables))));
  const all = async (epoch: number, parts: readonly string[]): Promise<boolean> =>
    (await Promise.all(asks.map(statusOf))).every((status) => status?.poolEpoch === epoch && status.policiesHash === policiesHash(parts));
  await until(() => all(4, [openPolicies]), 50);
  expect(await Promise.all(asks.map(async (ask) => (await statusOf(ask))?.role))).toEqual(['gateway', 'publisher']);

  // The document before its policies: what was in force stays until both are there.
  await folder.put('pool.json', document(5, [closed]));
  await folder.put('policies-0.json', closed);
  await until(() => all(5, [closed]), 50);
  await folder.put('pool.json', 'garbage');
  const [ask] = asks;
  if (ask === undefined) throw new Error('no gateway');
  const pushed = JSON.stringify({ envelope: document(7, [closed]), policies: [] });
  for (const each of asks) {
    const { url } = await each('/livez');
    expect((await fetch(url.replace('/livez', '/admin/v1/pool'), { method: 'PUT', body: pushed })).status).toBe(200);
  }
  await folder.put('pool.json', document(6, [closed]));
  await until(() => all(7, [closed]), 50);
  await folder.put('pool.json', document(8, [closed]));
  await until(() => all(8, [closed]), 50);
  expect((await ask('/readyz')).status).toBe(200);
});

test('a folder whose document is missing or forged is waited for, not died of, and heals by itself', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const folder = await poolFolder();
  const started = new TestProcess('gateway/main.ts', {
    BARRAGE_REDIS_URL: redis.url,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_ADMIN_PORT: '0',
    BARRAGE_POOL_FOLDER: folder.path,
    BARRAGE_POOL_PUBLIC_KEY: keys.publicKeyPem,
  });
  const ask = await adminOf(started);
  expect(started.stderr).toContain('pool.json');
  await folder.put('pool.json', signDocument(poolDocument(), poolKeys().privateKeyPem));
  await until(() => started.stderr.includes("the signature is not one of this pool's key"), 50);
  expect(await (await ask('/readyz')).text()).toContain('a pool document');
  await folder.put('pool.json', signDocument(poolDocument(), keys.privateKeyPem));
  await until(async () => (await ask('/readyz')).status === 200, 50);
});

test.each([
  [
    'a policy file beside a pool folder',
    { BARRAGE_POLICY_FILE: 'p.yaml', BARRAGE_POOL_FOLDER: '/pool', BARRAGE_POOL_PUBLIC_KEY: keys.publicKeyPem },
    2,
    'BARRAGE_POLICY_FILE',
  ],
  ['a pool folder without a key', { BARRAGE_POOL_FOLDER: '/pool' }, 2, 'BARRAGE_POOL_PUBLIC_KEY'],
  ['a private key', { BARRAGE_POOL_PUBLIC_KEY: keys.privateKeyPem }, 2, 'BARRAGE_POOL_PUBLIC_KEY: must be'],
])('%s is a fault at start', async (_, variables, status, words) => {
  for (const main of ['gateway/main.ts', 'publisher/main.ts']) {
    const started = new TestProcess(main, { BARRAGE_REDIS_URL: 'redis://127.0.0.1:1', ...(variables as Record<string, string>) });
    expect(await started.ended()).toBe(status);
    expect(started.stderr).toContain(words);
    expect(started.stderr).not.toContain('PRIVATE');
  }
});
