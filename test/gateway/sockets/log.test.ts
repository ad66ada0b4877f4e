import { writeFile } from 'node:fs/promises';
import { SignJWT } from 'jose';
import { expect, onTestFinished, test, vi } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { LoggedProcess } from '../../support/logged-process.ts';
import { clientFrame, rawSocket, readToEnd, upgradeRequest } from '../../support/raw-socket.ts';
import type { RecordedLine } from '../../support/recorded-log.ts';
import { policyFile } from '../../support/standalone.ts';
import { TestClient, V1Client, refusedUpgrade, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 40_000 });

const jwtSecret = 'a shared secret of 32 characters';

/** @param lastsMs time from now; the tolerance of five seconds is used up */
async function token(sub: string, lastsMs = 600_000): Promise<string> {
  const claims = { sub, exp: (Date.now() + lastsMs) / 1000 - 5 };
  return await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(jwtSecret));
}

const policies = {
  channels: [
    { channel: 'strict:*', merge: { windowMilliseconds: 0 }, slowConsumer: { policy: 'Disconnect', queueBytesMax: 100_000 } },
    { channel: 'vip:*', access: { subscribe: 'Authenticated' } },
    { channel: 'club:*', access: { subscribe: 'Public' } },
    { channel: 'paced:*', limits: { publicationsPerSecond: 1 } },
  ],
};

/** "Why was this user disconnected at that time?", from the log alone. */
function whyDisconnected(log: readonly RecordedLine[], user: string, at: number): string {
  const ends = log.filter((line) => line.event === 'connection-closed' && line['user'] === user);
  const end = ends.find(({ time }) => Math.abs(Date.parse(String(time)) - at) < 10_000);
  if (end === undefined) return 'it was not';
  return `by the ${String(end['by'])}, ${String(end['code'])}: ${String(end['reason'])}`;
}

test('"why was X disconnected at 20:14?" is answered from the log alone, whatever the cause', async () => {
  const file = await policyFile(JSON.stringify(policies));
  const barrage = await LoggedProcess.start({
    BARRAGE_JWT_SECRET: jwtSecret,
    BARRAGE_POLICY_FILE: file,
    BARRAGE_PING_INTERVAL_MS: '1500',
    BARRAGE_IDLE_TIMEOUT_MS: '3000',
    BARRAGE_TRUSTED_PROXIES: '127.0.0.0/8',
  });
  const { gatewayPort: port } = barrage;
  const endedAt = new Map<string, number>();
  const noted = <C extends TestClient>(user: string, client: C): C => {
    client.socket.once('close', () => endedAt.set(user, Date.now()));
    onTestFinished(() => client.socket.terminate());
    return client;
  };
  const plain = async (user: string, lastsMs?: number): Promise<TestClient> => {
    const client = noted(user, await TestClient.open(port, { headers: { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' } }));
    expect(await client.ask({ op: 'auth', token: await token(user, lastsMs) })).toBe('{"result":true}');
    return client;
  };
  const v1 = async (user: string): Promise<V1Client> => {
    const client = noted(user, await V1Client.open(port));
    expect((await client.command('auth', { token: await token(user) })).result).toMatchObject({ uid: user });
    return client;
  };

  // A reader that stalls.
  const slow = await v1('slow');
  await slow.subscribe('strict:1');
  slow.stall();
  const publish = (channel: string): Promise<unknown> =>
    fetch(`http://127.0.0.1:${barrage.publisherPort}/v1/mesh/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ c: channel, d: 'x'.repeat(60_000) }),
    });
  for (let round = 0; round < 20 && !barrage.said('connection-closed', 'slow'); round++)
    await Promise.all(Array.from({ length: 10 }, () => publish('strict:1')));
  endedAt.set('slow', Date.now());
  // A channel whose rate a backend exceeds.
  await Promise.all(Array.from({ length: 5 }, () => publish('paced:1')));
  // A token that is not renewed.
  const expiring = await plain('expiring', 1_500);
  await expiring.ask({ op: 'subscribe', channel: '1@vip' });
  // A device that sleeps: it answers no ping.
  const asleep = await rawSocket(port);
  asleep.write(`${upgradeRequest(port)}\r\n`);
  asleep.write(clientFrame('text', JSON.stringify({ op: 'auth', token: await token('asleep') })));
  asleep.once('close', () => undefined).once('end', () => endedAt.set('asleep', Date.now()));
  asleep.resume();
  // A connection that a proxy cuts: no close frame comes.
  (await v1('cut')).socket.terminate();
  // A client that leaves, with words of its own.
  const leaving = await v1('leaving');
  await leaving.subscribe('video:1');
  expect((await leaving.command('subscribe', { channel: 'user:slow' })).error?.code).toBe('forbidden');
  leaving.socket.close(1000, 'hunter2');
  // Clients that break the protocol, each in its own way.
  (await v1('garbage')).send('hunter2');
  (await plain('unnamed')).send({ op: 'subscribe', channel: 'hunter2' });
  (await v1('binary')).send(Buffer.from('hunter2'));
  (await v1('long')).send('x'.repeat(limits.clientFrameBytesMax + 1));
  const flooding = await v1('flooding');
  for (let id = 0; id < 3 * limits.commandsPerSecondMax; id++) flooding.send({ id, op: 'ping' });
  const framing = await rawSocket(port);
  framing.write(`${upgradeRequest(port)}\r\n`);
  framing.write(clientFrame('text', JSON.stringify({ op: 'auth', token: await token('framing') })));
  await until(() => barrage.said('user-identified', 'framing'), 20);
  framing.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]));
  await readToEnd(framing);
  endedAt.set('framing', Date.now());
  // A token that was never good: nobody knows the user, and the connection is found by its address.
  const stranger = noted('stranger', await TestClient.open(port, { headers: { 'x-forwarded-for': '198.51.100.99' } }));
  stranger.send({ op: 'auth', token: 'hunter2' });
  // Members whom a new policy does not admit.
  const member = await plain('member');
  await member.ask({ op: 'subscribe', channel: '1@club' });
  await writeFile(
    file,
    JSON.stringify({ channels: [...policies.channels.slice(0, 2), { channel: 'club:*', access: { subscribe: 'Owner' } }] }),
  );
  // And one who stays until the process drains.
  await plain('staying');
  await until(() => endedAt.size === 13, 20);
  await until(() => barrage.of('connection-closed').length === 13, 100);
  expect(whyDisconnected(barrage.lines(), 'staying', Date.now())).toBe('it was not');
  barrage.process.terminate();
  expect(await barrage.process.ended()).toBe(0);

  const log = barrage.lines();
  const answers = Object.fromEntries([...endedAt].map(([user, at]) => [user, whyDisconnected(log, user, at)]));
  expect(answers).toEqual({
    slow: "by the gateway, 4000: too slow: the channel's policy lets 100000 bytes wait for one connection",
    expiring: 'by the gateway, 4501: the token has expired',
    asleep: 'by the gateway, 4001: nothing was received within the idle time of 3000 ms',
    cut: 'by the network, 1006: cut without a close frame: by a proxy, the network, or the end of the client',
    leaving: 'by the client, 1000: the client closed',
    garbage: 'by the gateway, 4500: not JSON: send {"id":1,"op":"ping"}',
    unnamed: 'by the gateway, 4500: the channel is not named KEY@TYPE',
    binary: 'by the gateway, 4500: this message is binary; commands are JSON in text messages',
    long: 'by the gateway, 1009: a message may have at most 65536 bytes',
    flooding: 'by the gateway, 4003: too many commands: this connection may send 200 a second',
    framing: 'by the gateway, 1002: the client broke the WebSocket protocol (WS_ERR_INVALID_OPCODE)',
    stranger: 'it was not',
    member: 'by the gateway, 4502: not allowed any more: the policy of club:1 has changed',
    staying: 'by the gateway, 1012: the gateway is leaving, come back',
  });
  const closed = log.filter(({ event }) => event === 'connection-closed');
  expect(closed.find((line) => line['address'] === '198.51.100.99')).toMatchObject({ by: 'gateway', code: 4501, protocol: 'plain' });
  expect(closed.find((line) => line['user'] === 'member')).toMatchObject({
    address: '198.51.100.7',
    protocol: 'plain',
    subscriptions: 1,
    channels: ['club:1'],
  });
  // The life of one connection is all lines with its number.
  const { connection } = log.find((line) => line.event === 'user-identified' && line['user'] === 'leaving')!;
  const life = log.filter((line) => line['connection'] === connection);
  expect(life.map(({ event }) => event)).toEqual([
    'connection-opened',
    'user-identified',
    'subscribed',
    'subscription-refused',
    'connection-closed',
  ]);
  expect(life[0]).toMatchObject({ protocol: 'barrage.v1', address: '127.0.0.1' });
  expect(life[2]).toMatchObject({ user: 'leaving', channel: 'video:1', by: 'client' });
  expect(life[3]).toMatchObject({ user: 'leaving', channel: 'user:slow', reason: 'forbidden', by: 'client' });
  expect(life[4]).toMatchObject({ subscriptions: 1, channels: ['video:1'], durationMs: expect.any(Number) });
  expect(life[4]?.['bytesIn']).toBeGreaterThan(200);
  expect(life[4]?.['bytesOut']).toBeGreaterThan(200);
  expect(log.filter((line) => line.event === 'user-expired')).toMatchObject([{ user: 'expiring' }]);
  expect(log.find((line) => line.event === 'token-refused')).toMatchObject({ reason: expect.stringContaining('not a JWT') });
  expect(log.find((line) => line.event === 'operation-refused')).toMatchObject({
    operation: 'mesh.publish',
    channel: 'paced:1',
    reason: 'tooMany',
    status: 429,
    retryAfterSeconds: expect.any(Number),
  });
  const limited = log.filter((line) => line.event === 'rate-limited');
  expect(limited[0]).toMatchObject({ user: 'flooding', reason: 'the commands of a connection' });
  expect(limited.length).toBeLessThanOrEqual(2);
  expect(log.at(-1)).toMatchObject({ level: expect.any(String) });
  expect(barrage.process.stderr).not.toContain('hunter2');
});

test('a marked text in every place that a client or a backend can fill is nowhere in the log; refused keys are told by name', async () => {
  const mark = 'hunter2';
  const key = `the-good-key-${mark}`;
  const barrage = await LoggedProcess.start({
    BARRAGE_JWT_SECRET: `${mark} as a shared secret of 32 characters`,
    BARRAGE_API_KEYS: key,
    BARRAGE_GATEWAY_ORIGINS: 'https://app.example',
  });
  const { gatewayPort, publisherPort } = barrage;
  const headers = {
    authorization: `Bearer ${mark}`,
    cookie: `session=${mark}`,
    'x-api-key': mark,
    'user-agent': mark,
    forwarded: `for=${mark}`,
    'x-forwarded-for': mark,
    [`x-${mark}`]: mark,
  };
  const path = `/${mark}?token=${mark}`;

  // Clients.
  const client = await V1Client.open(gatewayPort, { headers, path });
  for (const [op, fields] of Object.entries({
    auth: { token: mark },
    subscribe: { channel: 'video:1', since: { epoch: mark, offset: 1 } },
    publish: { channel: 'video:1', data: mark, conflateKey: mark, kind: 'binary' },
    counts: { channel: 'video:1', extra: mark },
    [mark]: { [mark]: mark },
  }))
    await client.command(op, fields);
  await client.command('subscribe', { channel: `not a channel ${mark}` });
  client.socket.ping(mark);
  client.socket.close(4999, mark);
  const jwt = await new SignJWT({ sub: mark }).setProtectedHeader({ alg: 'HS256', kid: 'key-of-2025' }).sign(Buffer.alloc(32, mark));
  for (const message of [
    mark,
    `{"${mark}":1}`,
    { op: 'subscribe', channel: mark },
    { op: 'auth', token: mark },
    { op: 'auth', token: jwt },
  ]) {
    const plain = await TestClient.open(gatewayPort, { headers, path });
    plain.send(message);
    await plain.closed();
  }
  const binary = await TestClient.open(gatewayPort, { headers, path });
  binary.send(Buffer.from(mark));
  await binary.closed();
  expect((await refusedUpgrade(gatewayPort, { ...headers, origin: 'https://elsewhere.example' })).status).toBe(403);
  const odd = await rawSocket(gatewayPort);
  odd.write(`${mark}\r\n\r\n`);
  await readToEnd(odd);

  // Backends.
  const post = async (body: string, more: Readonly<Record<string, string>> = {}): Promise<number> => {
    const { status } = await fetch(`http://127.0.0.1:${publisherPort}/v1/mesh/publish?wait=${mark}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key, [`x-${mark}`]: mark, ...more },
      body,
    });
    return status;
  };
  const publication = JSON.stringify({ c: 'video:1', d: mark });
  expect(await post(publication, { 'x-api-key': `unknown-${mark}` })).toBe(401);
  for (const body of [publication, mark, JSON.stringify({ [mark]: mark }), JSON.stringify({ c: `no channel ${mark}`, d: mark })])
    expect(await post(body)).toBe(400);
  expect(await post(publication, { 'content-type': mark })).toBe(415);
  expect((await refusedUpgrade(publisherPort, headers)).status).toBe(404);
  const backend = await TestClient.open(publisherPort, { headers: { 'x-api-key': key, cookie: mark }, path: `/ws/v1?key=${mark}` });
  for (const message of [mark, { m: mark, p: mark, i: mark }, { m: 'mesh.publish', p: { c: mark, d: mark, [mark]: mark }, i: mark }])
    await backend.ask(message);
  await backend.ask({ m: 'mesh.send', p: { c: 1, d: mark }, i: mark });
  await backend.ask({ m: 'mesh.publish', p: { c: 'video:1', d: mark }, i: mark });
  backend.socket.close(4999, mark);
  await backend.closed();

  await until(() => barrage.of('connection-closed').length === 7 && barrage.of('backend-closed').length === 1, 20);
  barrage.process.terminate();
  expect(await barrage.process.ended()).toBe(0);
  const log = barrage.lines();
  const events = new Set(log.map(({ event }) => event));
  for (const event of ['connection-opened', 'subscribed', 'token-refused', 'tokens-refused', 'handshake-refused', 'origin-refused'])
    expect(events).toContain(event);
  for (const event of ['request-unreadable', 'key-refused', 'operation-refused', 'backend-refused', 'backend-opened', 'backend-closed'])
    expect(events).toContain(event);
  expect(log.find(({ event }) => event === 'handshake-refused')).toMatchObject({
    address: '127.0.0.1',
    origin: 'https://elsewhere.example',
    reason: 'origin',
    status: 403,
  });
  // printf %s unknown-hunter2 | sha256sum | cut -c1-8
  expect(log.filter(({ event }) => event === 'key-refused')).toMatchObject([{ address: '127.0.0.1', key: 'f7ba5852' }]);
  expect(log.filter((line) => line.event === 'token-refused' && line['key'] === 'key-of-2025')).toHaveLength(1);
  expect(log.filter(({ event }) => event === 'operation-refused')).toContainEqual(
    expect.objectContaining({ operation: 'mesh.publish', reason: 'badArguments', status: 400 }),
  );
  expect(log.find(({ event }) => event === 'backend-closed')).toMatchObject({ by: 'backend', code: 4999, requests: 3 });
  expect(`${barrage.process.stdout}${barrage.process.stderr}`).not.toContain(mark);
});
