import { expect, onTestFinished, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { pageServer } from './page-server.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

test(
  'in a browser a refused handshake leads to another gateway, and a network that comes back ends the wait',
  { timeout: 60_000 },
  async () => {
    const good = await ScriptedGateway.start({ hello: { backoff: { baseMs: 600_000, capMs: 600_000 } } });
    const full = await ScriptedGateway.start({
      isFull: () => true,
      directions: () => ({ urls: [good.url], backoff: { baseMs: 1, capMs: 2 }, epoch: 1 }),
    });
    const browser = await launchChromium();
    onTestFinished(async () => {
      await browser.close();
      await Promise.all([good, full].map((gateway) => gateway[Symbol.asyncDispose]()));
    });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(await pageServer());
    await page.waitForFunction(() => 'Barrage' in globalThis);
    await page.evaluate((url) => {
      const scope = globalThis as unknown as Record<string, unknown> & { Barrage: new (url: string, options: object) => unknown };
      scope['barrage'] = new scope.Barrage(url, { random: () => 0.999 });
    }, full.url);
    const state = (): Promise<unknown> => page.evaluate(() => (globalThis as unknown as { barrage: { state: string } }).barrage.state);
    await expect.poll(state).toBe('open');
    expect([full.refusals, full.questions.length]).toEqual([1, 1]);
    good.last.socket.terminate();
    await expect.poll(state).toBe('waiting');
    // Ten minutes from now, were it not for the network.
    await context.setOffline(true);
    await context.setOffline(false);
    await expect.poll(state).toBe('open');
  },
);
