import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

/** A web server with one page that has the client as `Barrage`. */
async function pageServer(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: "import { Barrage } from './client/barrage.ts'; globalThis.Barrage = Barrage;", resolveDir: '.', loader: 'ts' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  const server = createServer(({ url }, response) => {
    response.writeHead(200, { 'content-type': url === '/client.js' ? 'text/javascript' : 'text/html' });
    response.end(url === '/client.js' ? outputFiles[0]?.text : '<script type="module" src="/client.js"></script>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

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
