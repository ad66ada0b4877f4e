import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Balancer } from '../../support/balancer.ts';
import { startNginx } from '../../support/nginx.ts';
import type { ReloadingProxy } from '../../support/reloading-proxy.ts';
import { PipelinedHttp } from '../../support/pipelined-http.ts';
import { Poller, type PullAnswer } from '../../support/poller.ts';
import { TestStandalone } from '../../support/standalone.ts';

vi.setConfig({ testTimeout: 120_000 });

const docs = await readFile(new URL('../../../docs/pull.md', import.meta.url), 'utf8');
const clients = 10_000;
const sockets = 10;
const rounds = 3;
const publishedMin = 120;
const policies = 'channels: [{ channel: "video:*", history: { size: 100000, ttlSeconds: 3600 } }]';

/** The documented nginx, in front of a gateway. */
async function cacheFor(gateway: { readonly port: number }): Promise<ReloadingProxy> {
  const documented = /```nginx\n(.*?)```/s.exec(docs)?.[1] ?? '';
  const nginx = await startNginx(({ port, folder }) =>
    documented
      .replace('/var/cache/nginx/barrage', `${folder}/cache`)
      .replace('127.0.0.1:6790', `127.0.0.1:${gateway.port}`)
      .replace('listen 8080', `listen 127.0.0.1:${port}`),
  );
  onTestFinished(() => nginx.stop());
  return nginx;
}

/** Many clients' way to the cache over few sockets. Equal documents are read once, by their tags. */
class Crowd {
  readonly #ways: readonly PipelinedHttp[];
  readonly #documents = new Map<string, unknown>();

  private constructor(ways: readonly PipelinedHttp[]) {
    this.#ways = ways;
  }

  static async open(port: number): Promise<Crowd> {
    const ways = await Promise.all(Array.from({ length: sockets }, () => PipelinedHttp.open(port, 'Accept-Encoding: gzip\r\n')));
    onTestFinished(() => ways.forEach((way) => way.close()));
    return new Crowd(ways);
  }

  async ask(path: string, client: number): Promise<PullAnswer> {
    const { status, headers, body } = (await this.#ways[client % sockets]?.ask(path)) ?? {};
    const tag = /^etag: (.*)$/im.exec(headers ?? '')?.[1];
    const key = `${status} ${path} ${tag ?? ''}`;
    if (!this.#documents.has(key)) {
      const isGzip = /^content-encoding: gzip/im.test(headers ?? '');
      const bytes = body ?? Buffer.alloc(0);
      this.#documents.set(key, JSON.parse((isGzip ? gunzipSync(bytes) : bytes).toString()));
    }
    return { status: status ?? 0, document: this.#documents.get(key) };
  }
}

test(`${clients} pollers behind the documented nginx get everything once and in order, for one request a second`, async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const nginx = await cacheFor(barrage);
  const { epoch } = await barrage.publish('video:1', '1');
  let published = 1;
  let isPublishing = true;
  const publishing = (async () => {
    while (isPublishing || published < publishedMin) {
      await barrage.publish('video:1', String(++published));
      await sleep(20);
    }
  })();
  const received = new Uint32Array(clients);
  const faults: string[] = [];
  const pollers = Array.from({ length: clients }, (_, client) => {
    const onItem = ({ data, offset }: { readonly data: string; readonly offset: number }): void => {
      const expected = (received[client] ?? 0) + 1;
      if (Number(data) !== expected || offset !== expected) faults.push(`client ${client} got ${data} in place of ${expected}`);
      received[client] = expected;
    };
    return new Poller({ channel: 'video:1', position: { epoch, offset: 0 }, onItem });
  });
  const crowd = await Crowd.open(nginx.port);
  const startedAt = performance.now();
  const poll = async (poller: Poller, client: number): Promise<void> => {
    do poller.take(await crowd.ask(poller.path, client));
    while (!poller.waits);
  };
  const round = async (): Promise<void> => {
    const roundAt = performance.now();
    await Promise.all(pollers.map(poll));
    await sleep(Math.max(0, 1_000 - (performance.now() - roundAt)));
  };
  for (let index = 0; index < rounds; index++) await round();
  isPublishing = false;
  await publishing;
  const isBehind = (): boolean => received.some((count) => count < published);
  for (let index = 0; index < 30 && isBehind() && faults.length === 0; index++) await round();
  expect(faults.slice(0, 5)).toEqual([]);
  expect(received.every((count) => count === published)).toBe(true);
  expect(pollers.flatMap(({ gaps }) => gaps)).toEqual([]);

  const seconds = (performance.now() - startedAt) / 1000;
  const requests = (label: string): Promise<number> => barrage.metric('barrage_gateway_pull_requests_total', label);
  const segments = Math.floor(published / 50);
  const ofHeads = await requests('document="head"');
  const ofSegments = await requests('document="segment"');
  const reads = await barrage.metric('barrage_gateway_pull_bus_reads_total');
  process.stdout.write(
    `pull: ${seconds.toFixed(1)} s, ${published} publications, requests: ${ofHeads} heads, ${ofSegments} segments, ${reads} reads\n`,
  );
  expect(ofHeads).toBeLessThanOrEqual(seconds + 2);
  // Each closed segment once. One that a head of this second does not show yet may be asked for in vain, once a second.
  const inVain = await barrage.metric('barrage_gateway_pull_requests_total', 'result="refused"');
  expect(ofSegments - inVain).toBeLessThanOrEqual(segments);
  expect(inVain).toBeLessThanOrEqual(seconds + 2);
  expect(reads).toBeLessThanOrEqual(seconds + 2 + segments + inVain);
  expect(await barrage.metric('barrage_gateway_pull_documents_encoded_total', 'document="segment"')).toBeLessThanOrEqual(segments);
});

test('the cache keeps segments, and neither what a token opened nor what may be right in a moment', async () => {
  const secured = `channels: [{ channel: "video:*", history: {} }, { channel: "private:*", history: {}, access: { subscribe: Authenticated } }]`;
  const barrage = await TestStandalone.withPolicies(secured, { BARRAGE_JWT_SECRET: 'x'.repeat(32) });
  const nginx = await cacheFor(barrage);
  const { epoch } = await barrage.publish('video:1', '1');
  const ask = (path: string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${nginx.port}/v1/channels/${path}`, { headers });
  for (let offset = 2; offset <= 50; offset++) await barrage.publish('video:1', String(offset));
  await barrage.publish('private:1', 'secret');
  // A head of the time before may stand for a second.
  await expect.poll(async () => (await ask(`video%3A1/segments/${epoch}/0`)).status).toBe(200);
  const sent = await barrage.metric('barrage_gateway_pull_requests_total', 'result="sent"');
  const tags = new Set<string | null>();
  for (let index = 0; index < 20; index++) tags.add((await ask(`video%3A1/segments/${epoch}/0`)).headers.get('etag'));
  expect([...tags]).toEqual([expect.stringMatching(/^"[\w-]{22}"$/)]);
  expect(await barrage.metric('barrage_gateway_pull_requests_total', 'result="sent"')).toBe(sent);
  const plain = await ask(`video%3A1/segments/${epoch}/0`, { 'accept-encoding': 'identity' });
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect(await plain.json()).toMatchObject({ after: 0, upto: 50 });
  for (let index = 0; index < 3; index++) {
    const denied = await ask('private%3A1/head', index === 1 ? { authorization: 'Bearer wrong' } : {});
    expect([denied.status, denied.headers.get('cache-control')]).toEqual([401, 'no-store']);
  }
  expect(await barrage.metric('barrage_gateway_pull_requests_total', 'result="refused"')).toBeGreaterThanOrEqual(3);
});

test('while no gateway can be reached the cache answers with what it has', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const balancer = await Balancer.start([barrage.port]);
  onTestFinished(() => balancer[Symbol.asyncDispose]());
  const nginx = await cacheFor(balancer);
  await barrage.publish('video:1', 'hello');
  const url = `http://127.0.0.1:${nginx.port}/v1/channels/video%3A1/head`;
  const before = await (await fetch(url)).text();
  await balancer[Symbol.asyncDispose]();
  // It is stale by then, or soon.
  await sleep(2_500);
  const after = await fetch(url);
  expect([after.status, await after.text()]).toEqual([200, before]);
});
