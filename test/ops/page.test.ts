import { get } from 'node:http';
import { SignJWT } from 'jose';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { streamBounds } from '../../ops/event-streams.ts';
import type { Standalone } from '../../standalone/standalone.ts';
import { violations } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { startForTest } from '../support/standalone.ts';
import { V1Client } from '../support/websocket.ts';
import { startPoolPage } from './pool-page.ts';

const jwtSecret = 'a secret of the test, long enough for HS256';
const hostileChannel = '<img/src=x/onerror=document.title="hacked">\'"&amp;';
const hostileUser = '<script>document.title="hacked"</script>';

let browser: Browser;
let standalone: Standalone;

beforeAll(async () => {
  standalone = await startForTest({ BARRAGE_JWT_SECRET: jwtSecret });
  browser = await launchChromium();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await standalone?.close();
});

interface Look {
  readonly colorScheme?: 'dark' | 'light';
  readonly width?: number;
  readonly path?: string;
  /** Port of the page; absent: the all-in-one process's. */
  readonly port?: number;
}

/** Opens the page, and waits for its figures. Its errors, and requests to other places, are faults. */
async function open({ colorScheme = 'light', width = 1280, path = '/ops', port = standalone.gatewayPort }: Look = {}): Promise<{
  readonly page: Page;
  readonly faults: readonly string[];
}> {
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  onTestFinished(() => page.close());
  const faults: string[] = [];
  const origin = `http://localhost:${port}`;
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) faults.push(`the page asked for ${request.url()}`);
  });
  await page.goto(`${origin}${path}`);
  if (path.startsWith('/ops?') || path === '/ops') await page.locator('#link[data-state=live]').waitFor();
  return { page, faults };
}

async function client(user?: string, port = standalone.gatewayPort): Promise<V1Client> {
  const opened = await V1Client.open(port);
  onTestFinished(() => opened.socket.terminate());
  if (user === undefined) return opened;
  const token = await new SignJWT({ uid: user }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(jwtSecret));
  await opened.command('auth', { token });
  return opened;
}

async function publish(channel: string, data: string): Promise<void> {
  await fetch(`http://127.0.0.1:${standalone.publisherPort}/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ c: channel, d: data }),
  });
}

/** Publishes every few milliseconds, for as long as the test lasts. */
function keepPublishing(channel: string, data: string): void {
  let isOver = false;
  onTestFinished(() => void (isOver = true));
  void (async () => {
    while (!isOver) {
      await publish(channel, data);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
}

const cell = (page: Page, panel: string, text: string) => page.locator(`#panel-${panel} tbody tr`, { hasText: text });

test('figures follow what happens, each second; hostile names are only text', { timeout: 60_000 }, async () => {
  const { page, faults } = await open();
  await expect.poll(() => page.locator('#tile-connections b').textContent()).toBe('0');
  expect(await page.locator('#verdict-text').textContent()).toBe('It is well');
  const reader = await client();
  await reader.subscribe(hostileChannel);
  const slow = await client(hostileUser);
  await slow.subscribe('video:slow');
  slow.stall();
  await expect.poll(() => page.locator('#tile-connections b').textContent()).toBe('2');
  await cell(page, 'rooms', hostileChannel).waitFor();
  keepPublishing(hostileChannel, 'x');
  keepPublishing('video:slow', 'y'.repeat(60_000));
  await expect.poll(async () => Number(await page.locator('#tile-delivered b').textContent()), { timeout: 15_000 }).toBeGreaterThan(5);
  for (const tile of ['merge', 'latency', 'published', 'busy'])
    expect(await page.locator(`#tile-${tile} b`).textContent(), tile).toMatch(/^\d/);
  const row = cell(page, 'clients', hostileUser);
  await row.waitFor();
  expect(await row.textContent()).toContain('127.0.0.1');
  await page.locator('#verdict[data-state=attention]').waitFor();
  expect(await page.locator('#findings').textContent()).toContain('Slow clients lose publications');
  expect(await page.locator('#findings a').first().getAttribute('href')).toBe('/ops/help#slow-clients');
  expect(await page.locator('#panels img, #panels script').count()).toBe(0);
  expect(await page.title()).toMatch(/^▲ .* · Barrage operations$/);
  const seen = await page.evaluate(async () => {
    const texts: (string | null)[] = [];
    for (let count = 0; count < 6; count++) {
      texts.push(document.querySelector('#uptime')?.textContent ?? null);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return new Set(texts).size;
  });
  // Three seconds have two changes at the least.
  expect(seen).toBeGreaterThanOrEqual(3);
  expect(await page.locator('#tile-delivered .line').getAttribute('d')).toMatch(/^M[\d.]+ [\d.]+L/);
  expect(faults).toEqual([]);
  const later = await open();
  // A page that is opened later has the ten minutes before.
  expect((await later.page.locator('#tile-delivered .line').getAttribute('d'))?.split('L').length).toBeGreaterThan(2);
});

test.each([
  ['light', 1280],
  ['dark', 390],
] as const)('axe finds nothing wrong: %s, %i wide', { timeout: 60_000 }, async (colorScheme, width) => {
  const reader = await client();
  await reader.subscribe('video:1');
  const { page } = await open({ colorScheme, width });
  await cell(page, 'rooms', 'video:1').waitFor();
  expect(await violations(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
});

test('axe finds nothing wrong with the help page, and a finding leads to its anchor', async () => {
  const { page, faults } = await open({ path: '/ops/help#latency', colorScheme: 'dark' });
  expect(await violations(page)).toEqual([]);
  expect(await page.locator(':target h2').textContent()).toBe('Delivery is slow');
  expect(faults).toEqual([]);
});

test('everything is reached by the keyboard', { timeout: 60_000 }, async () => {
  const reader = await client();
  await reader.subscribe('video:1');
  const { page } = await open();
  await cell(page, 'rooms', 'video:1').waitFor();
  const focus = (): Promise<string> =>
    page.evaluate(
      () =>
        document.activeElement?.id ||
        document.activeElement?.getAttribute('aria-labelledby') ||
        document.activeElement?.textContent?.trim() ||
        '',
    );
  const walk: string[] = [];
  for (let count = 0; count < 10; count++) {
    await page.keyboard.press('Tab');
    walk.push(await focus());
  }
  // What the tests before have caused may still be a finding, with its link.
  expect(walk.filter((each) => each !== 'What to do').slice(0, 6)).toEqual([
    'Skip to the state',
    'Barrage',
    'pause',
    'theme',
    'heading-rooms',
    'heading-drops',
  ]);
  await page.locator('#pause').focus();
  await page.keyboard.press('Space');
  const uptime = await page.locator('#uptime').textContent();
  await page.waitForTimeout(2_200);
  expect(await page.locator('#uptime').textContent()).toBe(uptime);
  expect(await page.locator('#link').textContent()).toMatch(/^Paused/);
  await page.keyboard.press('Space');
  await expect.poll(() => page.locator('#uptime').textContent()).not.toBe(uptime);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
  await page.reload();
  await page.locator('html[data-theme=dark]').waitFor();
});

test('a page that is one too many says why', { timeout: 60_000 }, async () => {
  const areClosed = async (): Promise<boolean> =>
    (await (await fetch(`http://127.0.0.1:${standalone.gatewayPort}/metrics`)).text()).includes('\nbarrage_ops_streams 0\n');
  await expect.poll(areClosed).toBe(true);
  const open16 = Array.from({ length: streamBounds.streamsMax }, () => {
    const request = get({ host: '127.0.0.1', port: standalone.gatewayPort, path: '/ops/events', agent: false });
    onTestFinished(() => void request.destroy());
    return new Promise((resolve) => request.on('error', resolve).on('response', (response) => resolve(response.resume())));
  });
  await Promise.all(open16);
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  await page.goto(`http://localhost:${standalone.gatewayPort}/ops`);
  await page.locator('#link[data-state=refused]').waitFor();
  expect(await page.locator('#link').textContent()).toMatch(/^Refused: 16 operations pages are open on this process/);
});

test('the page of a pool has its gateways side by side, sorted and filtered by the reader', { timeout: 60_000 }, async () => {
  const port = await startPoolPage();
  const { page, faults } = await open({ port, colorScheme: 'dark' });
  const names = (): Promise<readonly string[]> => page.locator('#panel-gateways tbody th').allTextContents();
  expect((await names()).slice(0, 2)).toEqual(['main-000', 'main-001']);
  expect(await page.locator('#panel-gateways tbody tr').count()).toBe(200);
  await page.locator('#panel-gateways thead button', { hasText: 'Connections' }).press('Enter');
  expect((await names())[0]).toBe('main-249');
  await page.locator('#filter-gateways').fill('main-10');
  expect(await names()).toHaveLength(10);
  expect(await page.locator('#panel-scaling').textContent()).toContain('250 gateways, because 2000 connections at 10 a gateway');
  expect(await violations(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test('a drain shows its progress until the end, and a page whose process is gone says so', { timeout: 60_000 }, async () => {
  const leaving = await startForTest({ BARRAGE_DRAIN_MS: '20000', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '5' });
  const { page } = await open({ port: leaving.gatewayPort });
  for (let count = 0; count < 15; count++) await client(undefined, leaving.gatewayPort);
  const closed = leaving.close();
  const progress = page.locator('#panel-drain progress');
  await progress.waitFor();
  const share = (): Promise<number> => progress.evaluate((node: HTMLProgressElement) => node.value);
  const [first, words] = [await share(), page.locator('#panel-drain .words')];
  expect(await words.textContent()).toMatch(/^\d+ connections? left$/);
  expect(await page.locator('#findings').textContent()).toMatch(/Draining: \d+ connections? told to move/);
  await expect.poll(share).toBeGreaterThan(first);
  leaving.hasten?.();
  await closed;
  await page.locator('#link[data-state=lost]').waitFor();
  expect(await page.locator('#link').textContent()).toMatch(/^Connection lost, figures are \d+ s old$/);
});
