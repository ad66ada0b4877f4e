import { SignJWT } from 'jose';
import type { Page as BrowserPage } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import type { Barrage, BarrageOptions } from '../../client/barrage.ts';
import { launchChromium } from '../support/chromium.ts';
import { PickyProxy } from '../support/picky-proxy.ts';
import { TestStandalone } from '../support/standalone.ts';
import { pageServer } from './page-server.ts';

const secret = 'a shared secret of 32 characters';
const policies = JSON.stringify({
  channels: [
    { channel: 'vip:*', history: { size: 1000, ttlSeconds: 600 }, access: { subscribe: 'Authenticated', publish: 'Authenticated' } },
  ],
});

/** What the page has in its global scope. */
interface Page {
  Barrage: new (url: string, options: BarrageOptions) => Barrage;
  barrage: Barrage;
  data: string[];
}

/** Loads the page anew, with a client of this gateway. */
async function load(page: BrowserPage, url: string, token: string): Promise<void> {
  await page.reload();
  await page.waitForFunction(() => 'Barrage' in globalThis);
  await page.evaluate(
    (given) => {
      const scope = globalThis as unknown as Page;
      scope.data = [];
      scope.barrage = new scope.Barrage(given.url, { token: given.token });
      scope.barrage.on('error', () => {});
      scope.barrage.subscribe('vip:1', { rewind: 5 }).on('publication', ({ data }) => scope.data.push(String(data)));
    },
    { url, token },
  );
}

test(
  'in a browser, from a page of another origin, a client whose WebSocket is blocked streams, or pulls with its token',
  { timeout: 90_000 },
  async () => {
    const server = await TestStandalone.withPolicies(policies, {
      BARRAGE_BACKOFF_BASE_MS: '20',
      BARRAGE_BACKOFF_CAP_MS: '100',
      BARRAGE_JWT_SECRET: secret,
    });
    const proxy = await PickyProxy.start(server.port);
    proxy.webSockets = false;
    const browser = await launchChromium();
    onTestFinished(async () => {
      await browser.close();
      await proxy[Symbol.asyncDispose]();
    });
    const page = await browser.newPage();
    await page.goto(await pageServer());
    const token = await new SignJWT({ sub: 'me' }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
    await load(page, proxy.url, token);
    const transport = (): Promise<unknown> => page.evaluate(() => (globalThis as unknown as Page).barrage.transport);
    const data = (): Promise<unknown> => page.evaluate(() => (globalThis as unknown as Page).data);
    await expect.poll(transport, { timeout: 30_000 }).toBe('sse');
    // Commands go by POST, which such a page may send only if the gateway lets it.
    const publish = (): Promise<number> =>
      page.evaluate(async () => (await (globalThis as unknown as Page).barrage.publish('vip:1', 'from the page')).offset);
    expect(await publish()).toBe(1);
    await expect.poll(data, { timeout: 30_000 }).toEqual(['from the page']);
    proxy.streams = false;
    await load(page, proxy.url, token);
    await expect.poll(transport, { timeout: 30_000 }).toBe('pull');
    await server.publish('vip:1', 'pulled');
    await expect.poll(data, { timeout: 30_000 }).toEqual(['from the page', 'pulled']);
  },
);
