import { get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { createHttpServer } from '../../core/process/http-server.ts';
import { plainText } from '../../core/process/plain-answer.ts';
import { listen } from '../../core/process/lifecycle.ts';
import { judge } from '../../ops/view/findings.ts';
import { RedisServer } from '../support/redis-server.ts';
import { firstSnapshot } from '../support/operations.ts';
import { TestStandalone } from '../support/standalone.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { streamBounds } from '../../ops/event-streams.ts';
import { OperationsPage, type OperationsPlace, type OperationsSource } from '../../ops/operations-page.ts';
import { History } from '../../ops/view/history.ts';
import { calmGateway } from './unit/snapshots.ts';

interface Rig {
  readonly port: number;
  readonly registry: Registry;
  /** Seconds as the page's clock counts them: each call is one. */
  readonly second: () => void;
  readonly looks: () => number;
  readonly samples: () => number;
}

/** A page on a real port, whose seconds pass when the test says so. */
async function rig(place: OperationsPlace = { host: '::', isAdminPort: true }, bulk = 0): Promise<Rig> {
  let [looks, samples, now] = [0, 0, 0];
  let tick = (): void => {};
  const source: OperationsSource = {
    sample: () => void samples++,
    look: () => void looks++,
    history: () => new History().toEvent(),
    snapshot: (topic) => ({ ...calmGateway(), at: now, process: { ...calmGateway().process, name: `${topic}${'x'.repeat(bulk)}` } }),
  };
  const registry = new Registry();
  const clock = {
    monotonic: () => now,
    every: (_: number, callback: () => void) => ((tick = callback), () => {}),
    soon: (callback: () => void) => systemClock.soon(callback),
  };
  const page = new OperationsPage({ source, place, registry, clock });
  const { server } = createHttpServer({
    request: (request, response) => {
      if (!page.answer(request, response)) response.writeHead(418).end();
    },
    unreadable: { form: plainText },
    keepAliveMs: 5_000,
    headersMs: 5_000,
    requestMs: 5_000,
    socketsMax: 100,
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => {
    page.close();
    server.closeAllConnections();
    server.close();
  });
  const second = (): void => {
    now += 1_000;
    tick();
  };
  return { port, registry, second, looks: () => looks, samples: () => samples };
}

function ask(
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, ...options }, resolve);
    request.on('error', reject);
    onTestFinished(() => void request.destroy());
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The next data of a stream until it has this text. */
async function until(response: IncomingMessage, wanted: string): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  return new Promise((resolve) => {
    response.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes(wanted)) resolve(text);
    });
  });
}

async function metric(registry: Registry, line: string): Promise<boolean> {
  return (await registry.metrics()).split('\n').includes(line);
}

test('a stream begins with the history, and goes on with one event a second; the looks are only for a reader', async () => {
  const { port, second, looks, samples } = await rig();
  second();
  await expect.poll(samples).toBe(1);
  expect(looks()).toBe(0);
  const response = await ask(port, '/ops/events?pool=live%2Fmain');
  expect(response.headers).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  const text = until(response, '"at":3000');
  await until(response, '"at":1000');
  second();
  await until(response, '"at":2000');
  second();
  expect((await text).match(/^event: .*$/gm)).toEqual(['event: history', 'event: snapshot', 'event: snapshot', 'event: snapshot']);
  expect(await text).toContain('"name":"live/main"');
  // One for the page that opened.
  expect([samples(), looks()]).toEqual([3, 3]);
});

test('the last stream within the bound is open; one more is told why and when to come back; a place that is free is taken', async () => {
  const { port, registry } = await rig();
  const open = await Promise.all(Array.from({ length: streamBounds.streamsMax }, () => ask(port, '/ops/events')));
  expect(open.map(({ statusCode }) => statusCode)).toEqual(open.map(() => 200));
  const refused = await ask(port, '/ops/events');
  expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5']);
  expect(await textOf(refused)).toMatch(/^16 operations pages are open on this process, which is the most: close one, or come back in 5 s/);
  expect(await metric(registry, 'barrage_ops_streams 16')).toBe(true);
  expect(await metric(registry, 'barrage_ops_streams_ended_total{why="refused"} 1')).toBe(true);
  open[0]?.destroy();
  await expect.poll(() => metric(registry, 'barrage_ops_streams 15')).toBe(true);
  expect((await ask(port, '/ops/events')).statusCode).toBe(200);
});

test('a reader that takes nothing is cut off, with no more than one event in memory', async () => {
  const { port, second, registry } = await rig(undefined, 4_000_000);
  const socket: Socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {});
  socket.write('GET /ops/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise((resolve) => socket.once('readable', resolve));
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
  // A slow machine may take a moment to fill the socket.
  for (let count = 0; count < 5; count++) {
    second();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await metric(registry, 'barrage_ops_streams 1')).toBe(true);
  expect(process.memoryUsage().arrayBuffers + process.memoryUsage().external - before).toBeLessThan(16_000_000);
  for (let count = 0; count < 3; count++) {
    second();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await metric(registry, 'barrage_ops_streams_ended_total{why="stalled"} 1')).toBe(true);
  socket.resume();
  await closed;
});

test('pages come with a strict content policy, know their version, and only read', async () => {
  const { port } = await rig();
  const page = await ask(port, '/ops');
  expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.headers['content-security-policy']).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  expect(await textOf(page)).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son[a-z]+=/);
  const again = await ask(port, '/ops', { headers: { 'if-none-match': String(page.headers.etag) } });
  expect(again.statusCode).toBe(304);
  const script = await ask(port, '/ops/page/page.ts');
  expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8');
  expect(await textOf(script)).not.toMatch(/import type|: Snapshot/);
  expect((await ask(port, '/ops', { method: 'HEAD' })).statusCode).toBe(200);
  expect((await ask(port, '/ops/')).statusCode).toBe(200);
  expect((await ask(port, '/ops/../package.json')).statusCode).toBe(404);
  expect((await ask(port, '/ops', { method: 'POST' })).statusCode).toBe(405);
  expect((await ask(port, '/opsx')).statusCode).toBe(418);
});

test('pages of other origins get no stream', async () => {
  const { port } = await rig();
  for (const site of ['cross-site', 'same-site']) {
    const response = await ask(port, '/ops/events', { headers: { 'sec-fetch-site': site } });
    expect([response.statusCode, await textOf(response)]).toEqual([403, 'only the operations page itself may read this stream\n']);
  }
  expect((await ask(port, '/ops/events', { headers: { 'sec-fetch-site': 'same-origin' } })).statusCode).toBe(200);
});

test('a port that clients reach has no page, and a port of loopback has one for loopback alone', async () => {
  const open = await rig({ host: '0.0.0.0', isAdminPort: false });
  for (const path of ['/ops', '/ops/events', '/ops/page/page.ts']) {
    const response = await ask(open.port, path);
    expect(response.statusCode).toBe(403);
    expect(await textOf(response)).toContain('set BARRAGE_ADMIN_PORT');
  }
  const loopback = await rig({ host: '127.0.0.1', isAdminPort: false });
  expect((await ask(loopback.port, '/ops', { headers: { host: 'evil.example' } })).statusCode).toBe(403);
  expect((await ask(loopback.port, '/ops', { headers: { host: 'localhost:6790' } })).statusCode).toBe(200);
});

test('a Redis that goes away is on the page with its reason, and gone from it when Redis is back', { timeout: 60_000 }, async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const standalone = await TestStandalone.start({ BARRAGE_REDIS_URL: redis.url, BARRAGE_ADMIN_PORT: '0' });
  const found = async (): Promise<readonly string[]> => {
    const snapshot = await firstSnapshot(`http://127.0.0.1:${standalone.adminPort}/ops/events`);
    return judge(snapshot, new History()).findings.map(({ name, text }) => `${name}: ${text}`);
  };
  await expect.poll(found).toEqual([]);
  await redis.stop('kept');
  await expect.poll(async () => (await found()).join()).toMatch(/^bus-away: The bus is away: .*ECONNREFUSED/);
  await redis.start();
  await expect.poll(found).toEqual([]);
});
