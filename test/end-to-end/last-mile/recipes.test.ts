import { once } from 'node:events';
import { request, type RequestOptions } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { formVariable } from '../../suite.ts';
import { startNginx } from '../../support/nginx.ts';
import { until } from '../../support/websocket.ts';
import { recordDials } from './dials.ts';
import { haproxyEdge, nginxEdge, trustedCertificates, type Edge } from './edges.ts';
import { apiKey, channel, pageOrigin, startSite, Viewer, type Site } from './last-mile-pool.ts';

/** `npm run last-mile` takes the page's 75 s and the default interval of pings; the short form a twenty-fifth. */
const isLong = process.env[formVariable] === 'long';
const pingIntervalMs = isLong ? 25_000 : 1_000;
const idleSeconds = (3 * pingIntervalMs) / 1000;

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

/** A request through the edge. The body of an endless answer is not awaited: `onData` is given its parts. */
async function ask(
  edge: Edge,
  options: RequestOptions & { readonly body?: string; readonly onData?: (text: string) => void },
): Promise<Answer> {
  const { body, onData, ...rest } = options;
  const call = request({ host: '127.0.0.1', port: edge.port, servername: 'localhost', ...rest }).end(body);
  const answered = once(call, 'response') as Promise<[import('node:http').IncomingMessage]>;
  const [response] = await answered;
  let text = '';
  response.setEncoding('utf8').on('error', () => {});
  response.on('data', (part: string) => {
    text += part;
    onData?.(part);
  });
  if (onData === undefined) await once(response, 'end');
  else onTestFinished(() => void call.destroy());
  return { status: response.statusCode, text };
}

async function publish(edge: Edge, data: string): Promise<Answer> {
  const headers = { host: 'publish.example.com', authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ c: channel, d: data });
  return ask(edge, { method: 'POST', path: '/v1/mesh/publish', servername: 'publish.example.com', headers, body });
}

/** The HTTP status that a page's handshake is refused with; 101 where it is not. */
async function handshakeStatus(edge: Edge, origin: string): Promise<number> {
  const socket = new WebSocket(`wss://localhost:${edge.port}/`, 'barrage.v1', { origin });
  socket.on('error', () => {});
  try {
    return await new Promise((resolve) => {
      socket.on('open', () => resolve(101));
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    });
  } finally {
    socket.terminate();
  }
}

/** Where a pod's address leads: nowhere for these clients. It counts who tries. */
async function podAddress(): Promise<{ readonly url: string; readonly tries: () => number }> {
  let tries = 0;
  const server = createServer((socket) => {
    tries++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, tries: () => tries };
}

/** An nginx without TLS, which tells that it is there by one header. */
async function startClear({ gateways }: Site): Promise<Edge> {
  const nginx = await startNginx(
    ({ port }) => `
    upstream gateways { ${gateways.map((gateway) => `server 127.0.0.1:${gateway.port} max_fails=0;`).join(' ')} }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://gateways;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_next_upstream error timeout http_503;
      }
    }`,
  );
  onTestFinished(() => nginx.stop());
  return nginx;
}

/** So many clients by each of these addresses. */
function pairs(count: number, ...addresses: readonly string[]): readonly Viewer[] {
  return Array.from({ length: count }, () => addresses.map((address) => new Viewer(address))).flat();
}

async function pulled(site: Site): Promise<number> {
  let sum = 0;
  for (const { gateway } of site.pool.members) {
    const { values } = (await gateway.metrics.pull.requests.get()) as { readonly values: readonly { readonly value: number }[] };
    sum += values.reduce((all, { value }) => all + value, 0);
  }
  return sum;
}

test(
  'through each proxy of the page: WebSockets, event streams, pull, the publish API and pages; silence cuts nobody, and a drain moves all without a loss',
  { timeout: 90_000 + 5_000 * idleSeconds },
  async () => {
    const certificates = await trustedCertificates();
    const dials = recordDials();
    const pods = { a: await podAddress(), b: await podAddress() };
    const times = { BARRAGE_PING_INTERVAL_MS: String(pingIntervalMs), BARRAGE_IDLE_TIMEOUT_MS: '60000' };
    const site = await startSite(
      { a: pods.a.url, b: pods.b.url },
      { ...times, BARRAGE_BACKOFF_BASE_MS: '200', BARRAGE_BACKOFF_CAP_MS: '2000' },
    );
    const behind = { ...site, idleSeconds };
    const edges = { nginx: await nginxEdge(certificates, behind), haproxy: await haproxyEdge(certificates, behind) };
    const all = Object.values(edges);

    // By both forms of an address, over TLS; and by a proxy without it, where no client refuses an address by itself.
    const clear = await startClear(site);
    const viewers = [
      ...all.flatMap(({ port }) => pairs(10, `https://localhost:${port}`, `wss://localhost:${port}/`)),
      ...pairs(5, `http://localhost:${clear.port}`, `ws://localhost:${clear.port}/`),
    ];
    await expect.poll(() => viewers.filter(({ isSubscribed }) => isSubscribed).length, { timeout: 30_000 }).toBe(viewers.length);
    const heard: string[] = ['', ''];
    for (const [index, edge] of all.entries()) {
      const path = `/v1/stream?channel=${channel}`;
      const { status } = await ask(edge, { path, headers: { host: `localhost:${edge.port}` }, onData: (text) => (heard[index] += text) });
      expect(status).toBe(200);
      await expect.poll(() => heard[index]).toContain('"type":"subscribed"');
      expect([await handshakeStatus(edge, pageOrigin), await handshakeStatus(edge, 'https://evil.example')]).toEqual([101, 403]);
      expect((await publish(edge, `by ${index}`)).status).toBe(200);
    }
    let published = all.length;
    for (const viewer of viewers) await expect.poll(() => viewer.offsets).toEqual([1, 2]);
    for (const text of [0, 1]) await expect.poll(() => heard[text]).toContain('by 1');

    // The cache answers every second question, at the latest when both come within a second.
    for (const edge of all) {
      const path = `/v1/channels/${encodeURIComponent(channel)}/head`;
      const twice = async (): Promise<number> => {
        const before = await pulled(site);
        for (let asked = 0; asked < 2; asked++) expect((await ask(edge, { path })).text).toContain('"offset":2');
        return (await pulled(site)) - before;
      };
      await expect.poll(twice).toBeLessThan(2);
    }

    // Nothing but pings for more than twice the time after which the proxies cut. A process that stood still for so
    // long is cut for it, so there are three tries.
    const absences = (): number => viewers.reduce((sum, viewer) => sum + viewer.absences.length, 0);
    const cutInSilence = async (): Promise<number> => {
      const before = absences();
      await pause(2.2 * 1000 * idleSeconds);
      return absences() - before;
    };
    let tries = 1;
    while ((await cutInSilence()) > 0) expect(++tries).toBeLessThanOrEqual(3);
    expect((await publish(edges.nginx, 'after the silence')).status).toBe(200);
    published++;
    if (tries === 1) for (const text of [0, 1]) await expect.poll(() => heard[text]).toContain('after the silence');
    await until(() => viewers.every(({ offsets, isSubscribed }) => isSubscribed && offsets.at(-1) === published), 20);
    const before = absences();

    // All clients of one gateway leave it, while more is published.
    const a = site.pool.member('a');
    const moving = viewers.length;
    const { status } = await a.put('drain', site.pool.command('a', { command: 'drain', connectionsPerSecond: 20 }));
    expect(status).toBe(200);
    const onA = async (): Promise<number> => (await a.status()).drain.movedConnections;
    while ((await a.status()).connections > 2) {
      expect((await publish(edges.haproxy, String(published))).status).toBe(200);
      published++;
      await pause(50);
    }
    await until(() => viewers.every(({ offsets }) => offsets.at(-1) === published), 20);
    expect(await onA()).toBeGreaterThan(moving / 4);
    for (const viewer of viewers) {
      expect([viewer.faultsUpTo(published), viewer.gaps, viewer.isSubscribed]).toEqual([0, [], true]);
    }
    expect(absences() - before).toBe(0);
    // All came by the proxies, and nobody tried a pod.
    const own = [...all.map(({ port }) => `wss://localhost:${port}/`), `ws://localhost:${clear.port}/`];
    expect(new Set(dials.map(({ url }) => url))).toEqual(new Set(own));
    expect([pods.a.tries(), pods.b.tries()]).toEqual([0, 0]);
  },
);
