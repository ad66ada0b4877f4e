import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { codeBlocks } from '../../docs/code-blocks.ts';
import { Balancer } from '../../support/balancer.ts';
import { launchChromium } from '../../support/chromium.ts';
import { EventStream } from '../../support/event-stream.ts';
import { startNginx } from '../../support/nginx.ts';
import { TestProcess } from '../../support/process.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestStandalone, policyFile } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 120_000 });

const docs = await readFile(new URL('../../../docs/sse.md', import.meta.url), 'utf8');
const policies =
  'channels: [{ channel: "video:*", history: { size: 10000, ttlSeconds: 600, resumePublicationsMax: 1000 }, merge: { windowMilliseconds: 20 } }]';
const channels = ['video:1', 'video:2'];
const backoff = { BARRAGE_BACKOFF_BASE_MS: '200', BARRAGE_BACKOFF_CAP_MS: '1000' };

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterAll(() => browser?.close());

interface Seen {
  /** `channel data`, in the order in which they came. */
  readonly items: readonly string[];
  readonly recovered: readonly (boolean | undefined)[];
  readonly hellos: number;
  readonly closes: readonly number[];
  /** 2: the browser has given up. */
  readonly state: number;
}

/** A page of another port of this machine. */
async function pageElsewhere(): Promise<Page> {
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>watching</p>'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const page = await browser.newPage();
  onTestFinished(async () => {
    await page.close();
    server.closeAllConnections();
    server.close();
  });
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  return page;
}

/** A page with nothing but an `EventSource`: it does not look at offsets. */
async function watch(port: number): Promise<() => Promise<Seen>> {
  const page = await pageElsewhere();
  await page.evaluate(
    (url) => {
      const seen = { items: [] as string[], recovered: [] as unknown[], hellos: 0, closes: [] as number[], state: 0 };
      const events = new EventSource(url);
      Object.assign(globalThis, { seen, events });
      events.onmessage = ({ data }) => {
        const message = JSON.parse(data as string);
        if (message.type === 'batch') for (const item of message.items) seen.items.push(`${message.channel} ${item.data}`);
        if (message.type === 'subscribed') seen.recovered.push(message.recovered);
        if (message.type === 'hello') seen.hellos++;
        if (message.type === 'close') seen.closes.push(message.code);
      };
    },
    `http://localhost:${port}/v1/stream?${channels.map((channel) => `channel=${channel}`).join('&')}`,
  );
  const seen = (): Promise<Seen> =>
    page.evaluate(() => {
      const scope = globalThis as unknown as { readonly seen: Seen; readonly events: EventSource };
      return { ...scope.seen, state: scope.events.readyState };
    });
  await until(async () => (await seen()).recovered.length === channels.length, 20);
  return seen;
}

/** Publishes to both channels until it is told to stop. @returns what was published to each */
function publishing(barrage: TestStandalone): () => Promise<ReadonlyMap<string, readonly string[]>> {
  const published = new Map(channels.map((channel) => [channel, [] as string[]]));
  let isOver = false;
  const over = (async (): Promise<void> => {
    for (let index = 0; !isOver; index++) {
      for (const channel of channels) {
        await barrage.publish(channel, String(index));
        published.get(channel)?.push(`${channel} ${index}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return async () => {
    isOver = true;
    await over;
    return published;
  };
}

/** Waits for all that was published, and expects that it came once and in order. */
async function expectAll(seen: () => Promise<Seen>, published: ReadonlyMap<string, readonly string[]>): Promise<Seen> {
  const count = [...published.values()].reduce((sum, each) => sum + each.length, 0);
  await until(async () => (await seen()).items.length >= count, 50);
  const all = await seen();
  for (const [channel, items] of published) expect(all.items.filter((item) => item.startsWith(`${channel} `))).toEqual(items);
  return all;
}

test('the page of docs/sse.md shows what comes, and takes back what is recalled', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const page = await pageElsewhere();
  const [code = ''] = codeBlocks(docs).flatMap((block) => (block.language === 'js' ? [block.code] : []));
  const own = code
    .replace('https://live.example.com', `http://localhost:${barrage.port}`)
    // Nobody is user 7 here.
    .replace('&channel=user:7', '&channel=video:2');
  expect(own).not.toBe(code);
  const content = `globalThis.shown = [];
    const show = (...given) => shown.push(['show', ...given]);
    const takeBack = (...given) => shown.push(['takeBack', ...given]);
    ${own}`;
  await page.addScriptTag({ content });
  const shown = (): Promise<unknown> => page.evaluate(() => (globalThis as unknown as { readonly shown: unknown }).shown);
  await expect.poll(() => barrage.metric('barrage_gateway_subscriptions')).toBe(2);
  const { offset, epoch } = await barrage.publish('video:1', 'Hello');
  await barrage.publish('video:2', 'Bye');
  await expect.poll(shown).toEqual([
    ['show', 'video:1', offset, 'Hello'],
    ['show', 'video:2', expect.any(Number), 'Bye'],
  ]);
  await barrage.post('/v1/channels/video%3A1/recall', { epoch, offsets: [offset] });
  await expect.poll(shown).toContainEqual(['takeBack', 'video:1', expect.objectContaining({ offsets: [offset] })]);
});

test('a page whose connection is cut again and again gets everything once, though it does nothing for it', async () => {
  const barrage = await TestStandalone.withPolicies(policies, backoff);
  await using way = await Balancer.start([barrage.port]);
  const seen = await watch(way.port);
  const stop = publishing(barrage);
  for (let cuts = 1; cuts <= 3; cuts++) {
    const before = (await seen()).items.length;
    await until(async () => (await seen()).items.length > before + 10, 20);
    way.cut();
    await until(async () => (await seen()).hellos === 1 + cuts, 20);
  }
  const all = await expectAll(seen, await stop());
  await until(async () => (await seen()).recovered.length === 4 * channels.length, 20);
  expect((await seen()).recovered.slice(channels.length)).toEqual(Array.from({ length: 3 * channels.length }, () => true));
  expect(all.closes).toEqual([]);
});

test('through the documented nginx: a page outlives its killed gateway, and a time without any gateway', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const BARRAGE_POLICY_FILE = await policyFile(policies);
  const start = (name: string, port = '0'): TestProcess =>
    new TestProcess('gateway/main.ts', {
      BARRAGE_REDIS_URL: redis.url,
      BARRAGE_GATEWAY_NAME: name,
      BARRAGE_GATEWAY_PORT: port,
      BARRAGE_POLICY_FILE,
      ...backoff,
    });
  const gateways = [start('one'), start('two')];
  const ports = await Promise.all(gateways.map((gateway) => gateway.port()));
  const backend = await TestStandalone.withPolicies(policies, { BARRAGE_REDIS_URL: redis.url, BARRAGE_GATEWAY_NAME: 'backend' });
  const documented = /```nginx\n(.*?)```/s.exec(docs)?.[1] ?? '';
  const nginx = await startNginx(({ port }) =>
    documented
      .replace('127.0.0.1:6790', `127.0.0.1:${ports[0]}`)
      .replace('127.0.0.1:6791', `127.0.0.1:${ports[1]}`)
      .replace('listen 8080', `listen 127.0.0.1:${port}`),
  );
  onTestFinished(() => nginx.stop());
  // Events are not held back on the way, and commands find their stream through whichever gateway gets them.
  const stream = await EventStream.open(nginx.port);
  for (let turn = 0; turn < 4; turn++) expect(await stream.command('ping')).toMatchObject({ result: { now: expect.any(Number) } });
  expect(stream.response.headers['content-type']).toBe('text/event-stream');

  const seen = await watch(nginx.port);
  const stop = publishing(backend);
  await until(async () => (await seen()).items.length > 20, 20);
  await Promise.all(gateways.map((gateway) => gateway.kill()));
  await until(async () => (await seen()).closes.includes(1013), 50);
  const answer = await stream.post([{ id: 1, op: 'ping' }]);
  expect(answer.status).toBe(503);
  start('one', String(ports[0]));
  await until(async () => (await seen()).hellos > 1, 50);
  const all = await expectAll(seen, await stop());
  expect(all.recovered).toEqual([undefined, undefined, true, true]);
  expect(all.state).not.toBe(2);
});
