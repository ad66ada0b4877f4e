import { expect, onTestFinished, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { PickyProxy } from '../support/picky-proxy.ts';
import { TestStandalone } from '../support/standalone.ts';

test('where no WebSocket passes, the page shows what it uses instead, and comments fly all the same', { timeout: 60_000 }, async () => {
  const server = await TestStandalone.start();
  const proxy = await PickyProxy.start(server.port);
  proxy.webSockets = false;
  const browser = await launchChromium();
  onTestFinished(async () => {
    await browser.close();
    await proxy[Symbol.asyncDispose]();
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`http://localhost:${proxy.port}/`);
  const status = page.locator('#status');
  await expect.poll(() => status.textContent(), { timeout: 30_000 }).toBe('Live · event stream');
  expect(await status.getAttribute('title')).toBe('Transport: sse');
  await page.locator('#comment-text').fill('by another way');
  await page.locator('#comment-text').press('Enter');
  await expect.poll(() => page.locator('#feed-lines').textContent(), { timeout: 30_000 }).toContain('by another way');
});
