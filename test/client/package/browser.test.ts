import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { browserFiles } from '../../../client/package/bundles.ts';
import { launchChromium } from '../../support/chromium.ts';
import { neutralEnvironment } from '../../support/environment.ts';
import { installPackedClient } from '../../support/packed-client.ts';
import { PickyProxy } from '../../support/picky-proxy.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { ScriptedGateway } from '../scripted-gateway.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const policies = JSON.stringify({
  channels: [{ channel: '*', history: { size: 100, ttlSeconds: 600 }, access: { subscribe: 'Public', publish: 'Public' } }],
});
const quick = { BARRAGE_BACKOFF_BASE_MS: '20', BARRAGE_BACKOFF_CAP_MS: '100' };
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());

/** A web server of other people's: these files, and no others. */
async function webServer(files: ReadonlyMap<string, string | Uint8Array>): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const body = files.get(url.split('?', 1)[0] ?? '');
    const type = url.split('?', 1)[0]?.endsWith('.js') === true ? 'text/javascript' : 'text/html';
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A page with this script, and what it has written into itself. */
async function openPage(
  script: string,
  files = new Map<string, string | Uint8Array>(),
): Promise<{ page: Page; text: () => Promise<string> }> {
  files.set('/', `<!doctype html><body><script type="module">${script}</script>`);
  const origin = await webServer(files);
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  await page.goto(`${origin}/`);
  return { page, text: async () => (await page.locator('body').innerText()).trim() };
}

const scriptOf = async (file: string): Promise<string> =>
  /<script type="module">\n([^]*?)<\/script>/.exec(await readFile(file, 'utf8'))?.[1] ?? '';

test.each(['docs/client.md', 'client/package/README.md'])(
  'the page of %s shows what is published, from another origin and without a build step',
  async (file) => {
    const server = await TestStandalone.withPolicies(policies);
    const { text } = await openPage((await scriptOf(file)).replaceAll('localhost:6790', `127.0.0.1:${server.port}`));
    await expect.poll(() => server.metric('barrage_gateway_subscriptions')).toBe(1);
    await server.publish('video:1', 'seen');
    await expect.poll(text).toBe('seen');
  },
);

test('where no WebSocket passes, the file of the gateway loads its second part and streams', async () => {
  const server = await TestStandalone.withPolicies(policies, quick);
  const proxy = await PickyProxy.start(server.port);
  proxy.webSockets = false;
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const own = await fetch(`http://127.0.0.1:${server.port}/barrage.js`, { method: 'HEAD' });
  const address = `http://127.0.0.1:${server.port}${own.headers.get('barrage-address')}`;
  const { page } = await openPage(`
    import { Barrage } from '${address}';
    const barrage = (globalThis.barrage = new Barrage('${proxy.url}'));
    barrage.on('error', () => {});
    barrage.subscribe('video:1').on('publication', ({ data }) => document.body.append(data));
    barrage.on('transport', (name) => document.body.append(name + ' '));`);
  await expect.poll(() => page.locator('body').innerText(), { timeout: 30_000 }).toContain('sse');
  await expect.poll(() => server.metric('barrage_gateway_subscriptions')).toBe(1);
  await server.publish('video:1', 'streamed');
  await expect.poll(() => page.locator('body').innerText()).toContain('streamed');
});

test('without its second part the first one says what is missing, goes on trying, and takes it up once it is there', async () => {
  const server = await TestStandalone.withPolicies(policies, quick);
  const proxy = await PickyProxy.start(server.port);
  proxy.webSockets = false;
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const { first, extra } = await browserFiles();
  const files = new Map<string, string | Uint8Array>([['/barrage.js', first.content]]);
  const { page } = await openPage(
    `import { Barrage, BarrageError } from '/barrage.js';
    globalThis.errors = [];
    const barrage = (globalThis.barrage = new Barrage('${proxy.url}'));
    barrage.on('error', (error) => globalThis.errors.push([error instanceof BarrageError, error.code, error.message]));
    globalThis.subscription = barrage.subscribe('video:1', { delay: () => 0 });
    subscription.on('error', (error) => globalThis.errors.push(['subscription', error.code, error.message]));`,
    files,
  );
  const read = <T>(what: string): Promise<T> => page.evaluate(what);
  const told = async (): Promise<readonly (readonly unknown[])[]> =>
    (await read<unknown[][]>('errors')).filter(([, code]) => code === 'unsupported');
  await expect
    .poll(async () => (await told()).map(([of]) => of), { timeout: 30_000 })
    .toEqual(expect.arrayContaining([true, 'subscription']));
  expect((await told())[0]?.[2]).toContain(`${extra.name}, which belongs beside barrage.js, can't be loaded`);
  proxy.webSockets = true;
  await expect.poll(() => read('barrage.state'), { timeout: 30_000 }).toBe('open');
  expect(await read('barrage.transport')).toBe('websocket');
  expect(await read('subscription.state')).toBe('subscribing');
  files.set(`/${extra.name}`, extra.content);
  await expect.poll(() => read('subscription.state'), { timeout: 30_000 }).toBe('subscribed');
});

test('without its second part a page follows a channel, and a publish says what is missing until it is there', async () => {
  const server = await TestStandalone.withPolicies(policies, quick);
  const { first, extra } = await browserFiles();
  const files = new Map<string, string | Uint8Array>([['/barrage.js', first.content]]);
  const { page } = await openPage(
    `import { Barrage } from '/barrage.js';
    globalThis.told = [];
    const barrage = (globalThis.barrage = new Barrage('ws://127.0.0.1:${server.port}/'));
    barrage.on('error', ({ code, message }) => told.push([code, message]));
    barrage.subscribe('video:1').on('publication', ({ data }) => told.push(data));`,
    files,
  );
  const told = (): Promise<unknown[]> => page.evaluate('told');
  await expect.poll(() => server.metric('barrage_gateway_subscriptions')).toBe(1);
  await server.publish('video:1', 'seen');
  await expect.poll(told).toEqual(['seen']);
  const publish = `barrage.publish('video:1', { own: true }).then(() => 'published', ({ code, message }) => code + ': ' + message)`;
  expect(await page.evaluate(publish)).toMatch(new RegExp(`^unsupported: ${extra.name}, which belongs beside barrage.js, can't be loaded`));
  files.set(`/${extra.name}`, extra.content);
  expect(await page.evaluate(publish)).toBe('published');
  await expect.poll(told).toEqual(['seen', '{"own":true}']);
});

test.each([
  ['a token', (url: string) => `'${url}', { token: 'any' }`],
  ['an https address', (url: string) => `'${url.replace('ws', 'http')}'`],
])(
  'with %s the second part is asked for beside the first dial; where it is missing the client says so and waits for it',
  async (_, arguments_) => {
    const gateway: ScriptedGateway = await ScriptedGateway.start({ directions: () => ({ urls: [gateway.url] }) });
    onTestFinished(() => gateway[Symbol.asyncDispose]());
    const { first, extra } = await browserFiles();
    const files = new Map<string, string | Uint8Array>([['/barrage.js', first.content]]);
    const { page } = await openPage(
      `import { Barrage } from '/barrage.js';
    globalThis.errors = [];
    const barrage = (globalThis.barrage = new Barrage(${arguments_(gateway.url)}));
    barrage.on('error', ({ code, message }) => globalThis.errors.push([code, message]));
    barrage.subscribe('video:1');`,
      files,
    );
    const errors = (): Promise<string[][]> => page.evaluate('errors');
    await expect.poll(async () => (await errors()).length, { timeout: 30_000 }).toBeGreaterThan(1);
    for (const [code, message] of await errors())
      expect([code, message]).toEqual([
        'unsupported',
        expect.stringContaining(`${extra.name}, which belongs beside barrage.js, can't be loaded`),
      ]);
    files.set(`/${extra.name}`, extra.content);
    await expect.poll(() => page.evaluate('barrage.state'), { timeout: 30_000 }).toBe('open');
  },
);

test('a bundle of Vite loads the second part when it is needed', async () => {
  await using folder = await installPackedClient();
  const server = await TestStandalone.withPolicies(policies, quick);
  const proxy = await PickyProxy.start(server.port);
  proxy.webSockets = false;
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  await mkdir(join(folder.path, 'src'));
  await writeFile(join(folder.path, 'index.html'), '<!doctype html><body><script type="module" src="/src/main.js"></script>');
  await writeFile(
    join(folder.path, 'src/main.js'),
    `import { Barrage } from '@barrage-live/client';
    const barrage = new Barrage('${proxy.url}');
    barrage.on('error', () => {});
    barrage.on('transport', (name) => document.body.append(name));`,
  );
  const vite = join(import.meta.dirname, '../../../node_modules/.bin/vite');
  const { stdout } = await promisify(execFile)(vite, ['build'], { cwd: folder.path, env: neutralEnvironment() });
  const names = [...stdout.matchAll(/dist\/(\S+\.(?:js|html))/g)].map(([, name]) => name ?? '');
  const files = new Map<string, Uint8Array>();
  for (const name of names) files.set(name === 'index.html' ? '/' : `/${name}`, await readFile(join(folder.path, 'dist', name)));
  expect(names.filter((name) => /extra-/.test(name))).toHaveLength(1);
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  await page.goto(`${await webServer(files)}/`);
  await expect.poll(() => page.locator('body').innerText(), { timeout: 30_000 }).toBe('sse');
});
