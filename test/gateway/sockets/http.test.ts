import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { spareSocketsMax } from '../../../core/process/socket-bound.ts';
import { rawSocket, readToEnd, upgradeRequest } from '../../support/raw-socket.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { TestClient, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 40_000 });

/** What Java's HttpClient and `curl --http2` send with their first request. */
const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n';

/** Writes a request, and reads the head and body of its answer; the connection stays. */
async function ask(socket: Socket, request: string): Promise<{ readonly status: number; readonly head: string; readonly body: string }> {
  let text = '';
  const onData = (data: Buffer): void => void (text += data.toString());
  socket.on('data', onData);
  socket.write(request);
  await until(() => {
    const end = text.indexOf('\r\n\r\n');
    const length = /^content-length: (\d+)\r$/im.exec(text)?.[1];
    return end >= 0 && (length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= end + 4 + Number(length));
  });
  socket.off('data', onData);
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const isChunked = /^transfer-encoding: chunked\r?$/im.test(head);
  return { status: Number(head.split(' ')[1]), head, body: isChunked ? body.replace(/^[0-9a-f]+\r\n/i, '').replace(/\r\n0$/, '') : body };
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

function post(more: string, target = '/v1/mesh/publish'): string {
  const body = JSON.stringify({ c: 'video:1', d: 'hello' });
  return `POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
}

test.each([
  ['HTTP/2', h2c],
  ['TLS', 'Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n'],
  ['WebSocket, by another method', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'],
])('an offer of %s is ignored, and the request published; the connection takes another one', async (_, offer) => {
  const barrage = await TestStandalone.start();
  const socket = await rawSocket(barrage.publisherPort);
  for (const offset of [1, 2]) {
    const { status, body } = await ask(socket, post(offer));
    expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 200, E: null, r: { offset } });
  }
});

test("an offer of HTTP/2 is ignored on the clients' port and the admin port", async () => {
  const barrage = await TestStandalone.start({ BARRAGE_ADMIN_PORT: '0' });
  for (const path of ['/v1/connect?channel=a', '/']) {
    const { status } = await ask(await rawSocket(barrage.port), get(path, h2c));
    expect(status, path).toBe(200);
  }
  for (const path of ['/readyz', '/livez', '/admin/v1/status']) {
    const { status } = await ask(await rawSocket(barrage.adminPort), get(path, h2c));
    expect(status, path).toBe(200);
  }
  const refused = await ask(
    await rawSocket(barrage.adminPort),
    get('/readyz', upgradeRequest(0).split('\r\n').slice(2, -1).join('\r\n') + '\r\n'),
  );
  expect(refused.status).toBe(200);
});

test('WebSocket offered beside HTTP/2 is accepted', async () => {
  const barrage = await TestStandalone.start();
  const socket = await rawSocket(barrage.port);
  socket.write(`${upgradeRequest(barrage.port).replace('Upgrade: websocket', 'Upgrade: h2c, WebSocket')}\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
});

test('a request target in absolute form is its path, and its host the one that counts', async () => {
  const barrage = await TestStandalone.start();
  const published = await ask(await rawSocket(barrage.publisherPort), post('', 'http://localhost:6789/v1/mesh/publish?wait=delivered'));
  expect(published.status).toBe(200);
  const foreign = await ask(await rawSocket(barrage.publisherPort), post('', 'http://rebound.example/v1/mesh/publish'));
  expect(foreign.status).toBe(401);
  const connect = await ask(await rawSocket(barrage.port), get('HTTP://rt.example:81/v1/connect?channel=a'));
  expect(JSON.parse(connect.body)).toMatchObject({ urls: ['ws://rt.example:81/'] });
  expect((await ask(await rawSocket(barrage.port), get('http://localhost/readyz'))).status).toBe(200);
  expect((await ask(await rawSocket(barrage.port), get('http://localhost'))).body).toContain('<html');
});

test("who publishes to the clients' port is told where to", async () => {
  const barrage = await TestStandalone.start();
  for (const target of ['/v1/mesh/publish', '/v1/mesh/send', '/'])
    expect(await ask(await rawSocket(barrage.port), post('', target))).toMatchObject({
      status: 404,
      body: expect.stringContaining('6789'),
    });
});

test('every port states a keep-alive longer than 600 s, and the setting changes it', async () => {
  const [usual, short] = [
    await TestStandalone.start({ BARRAGE_ADMIN_PORT: '0' }),
    await TestStandalone.start({ BARRAGE_ADMIN_PORT: '0', BARRAGE_HTTP_KEEP_ALIVE_MS: '7000' }),
  ];
  for (const [barrage, seconds] of [
    [usual, 620],
    [short, 7],
  ] as const) {
    const answers = [
      await ask(await rawSocket(barrage.port), get('/v1/connect?channel=a')),
      await ask(await rawSocket(barrage.publisherPort), post('')),
      await ask(await rawSocket(barrage.adminPort), get('/readyz')),
    ];
    for (const { head } of answers) expect(head).toMatch(new RegExp(`^keep-alive: timeout=${seconds}\\r?$`, 'im'));
  }
});

test("sockets on the clients' port are bounded whatever they speak, and probes and clients are answered meanwhile", async () => {
  const barrage = await TestStandalone.start({ BARRAGE_GATEWAY_CONNECTIONS_MAX: '5' });
  const { port } = barrage;
  const idle: Socket[] = [];
  for (let index = 0; index < 5; index++) {
    idle.push(await rawSocket(port));
    const { head } = await ask(idle[index] as Socket, get('/v1/connect?channel=a'));
    expect(head).toContain('onnection: keep-alive');
  }
  // Beyond the bound each is answered once, and closed.
  const sixth = await rawSocket(port);
  sixth.write(get('/v1/connect?channel=a'));
  expect((await readToEnd(sixth)).toString()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  // Any number of silent ones leaves room for the next: the quietest goes.
  const silent: Socket[] = [];
  for (let index = 0; index < spareSocketsMax + 20; index++) silent.push(await rawSocket(port));
  for (const socket of silent) socket.resume();
  await until(() => [...idle, ...silent].filter(({ readableEnded, destroyed }) => readableEnded || destroyed).length >= 20);
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="full"')).toBeGreaterThanOrEqual(20);
  expect(await barrage.metric('barrage_gateway_sockets')).toBeLessThanOrEqual(5 + spareSocketsMax);
  expect((await ask(await rawSocket(port), get('/readyz'))).status).toBe(200);
  // WebSockets take the places, up to the bound.
  const clients: TestClient[] = [];
  for (let index = 0; index < 5; index++) clients.push(await barrage.plain());
  const sixthClient = await rawSocket(port);
  sixthClient.write(`${upgradeRequest(port)}\r\n`);
  expect((await readToEnd(sixthClient)).toString()).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: \d+/i);
  expect((await ask(await rawSocket(port), get('/readyz'))).status).toBe(200);
  expect(clients.every(({ socket }) => socket.readyState === socket.OPEN)).toBe(true);
});
