import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';

/** A web server with one page that has the client as `Barrage`. Ends with the test. */
export async function pageServer(): Promise<string> {
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
