import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Barrage } from '../../client/barrage.ts';

function dial(url: string): Barrage {
  const barrage = new Barrage(url, { webSocket: WebSocket, transports: ['websocket'] });
  onTestFinished(() => barrage.close());
  return barrage;
}

test('a class of WebSockets that throws errors without a listener harms nobody: a refused dial and an early close', async () => {
  const server = createServer((socket) => void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const messages: string[] = [];
  for (const url of ['ws://127.0.0.1:9/', `ws://127.0.0.1:${port}/`]) {
    const barrage = dial(url);
    barrage.on('error', ({ message }) => messages.push(message));
    await vi.waitUntil(() => barrage.state === 'waiting', { timeout: 8000, interval: 2 });
    barrage.close();
  }
  expect(messages).toEqual([
    'the connection to ws://127.0.0.1:9/ ended with 1006 (connect ECONNREFUSED 127.0.0.1:9)',
    `the connection to ws://127.0.0.1:${port}/ ended with 1006 (Unexpected server response: 403)`,
  ]);
  const early = dial(`ws://127.0.0.1:${port}/`);
  early.close();
  // `ws` tells of it in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
});
