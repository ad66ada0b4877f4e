import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { launchChromium } from '../../support/chromium.ts';
import { TestStandalone } from '../../support/standalone.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterAll(() => browser?.close());

/** A page of another server on this machine, as a developer has one, with a frame that has no origin. */
async function pageElsewhere(): Promise<{ readonly page: Page; readonly frame: Frame; readonly origin: string }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<iframe sandbox="allow-scripts" srcdoc="<p>x</p>"></iframe>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  await page.goto(origin);
  const frame = page.frames().find((each) => each.parentFrame() !== null);
  if (frame === undefined) throw new Error('the page has no frame');
  return { page, frame, origin };
}

/** How a WebSocket of this page begins: `open`, or the close code that the page is shown. */
function dialFrom(page: Page | Frame, port: number): Promise<string> {
  return page.evaluate(
    (url) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(url, 'barrage.v1');
        socket.onopen = () => resolve('open');
        socket.onclose = ({ code, reason }) => resolve(`${code} ${reason}`.trim());
      }),
    `ws://localhost:${port}/`,
  );
}

test('Chromium’s page on another port of this machine connects; a frame without an origin only where null is allowed', async () => {
  const { page, frame } = await pageElsewhere();
  const [plain, withNull] = [await TestStandalone.start(), await TestStandalone.start({ BARRAGE_GATEWAY_ORIGINS: 'null' })];
  expect(await dialFrom(page, plain.port)).toBe('open');
  // All that a browser tells a page of a 403.
  expect(await dialFrom(frame, plain.port)).toBe('1006');
  expect(await dialFrom(frame, withNull.port)).toBe('open');
});

test('the SDK of a refused page says in the console which origin to add, and where', async () => {
  const { page, origin } = await pageElsewhere();
  const { port } = await TestStandalone.start({ BARRAGE_GATEWAY_HOST: '0.0.0.0', BARRAGE_PUBLISHER_HOST: '127.0.0.1' });
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  const gateway = `localhost:${port}`;
  const content = `import { Barrage } from 'http://${gateway}/barrage.js'; new Barrage('ws://${gateway}/');`;
  await page.addScriptTag({ type: 'module', content });
  const words = `forbidden: pages of ${origin} may not connect: add that origin to BARRAGE_GATEWAY_ORIGINS (of a GatewayPool: spec.auth.allowedOrigins)`;
  await expect.poll(() => said.find((text) => text.includes('forbidden')) ?? said).toContain(words);
});

test('beyond loopback a list is all: Chromium’s own page of the gateway needs its origin in it', async () => {
  const { page, origin } = await pageElsewhere();
  const beyond = { BARRAGE_GATEWAY_HOST: '0.0.0.0', BARRAGE_PUBLISHER_HOST: '127.0.0.1' };
  const [open, listed, other] = [
    await TestStandalone.start(beyond),
    await TestStandalone.start({ ...beyond, BARRAGE_GATEWAY_ORIGINS: `${origin.toUpperCase()}/` }),
    await TestStandalone.start({ ...beyond, BARRAGE_GATEWAY_ORIGINS: 'https://app.example' }),
  ];
  expect(await dialFrom(page, open.port)).toBe('1006');
  expect(await dialFrom(page, listed.port)).toBe('open');
  await page.goto(`http://localhost:${open.port}/`);
  expect(await dialFrom(page, open.port)).toBe('open');
  await page.goto(`http://localhost:${other.port}/`);
  expect(await dialFrom(page, other.port)).toBe('1006');
});
