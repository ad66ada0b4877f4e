import { once } from 'node:events';
import { connect as connectPlain, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { Certificates } from '../support/certificates.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { TestProcess } from '../support/process.ts';
import { brokenRecord } from '../support/redis-proxy.ts';
import { upgradeRequest } from '../support/raw-socket.ts';
import { TestClient } from '../support/websocket.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.dispose());

/** A way to a port. Returns its own port, and what sends a broken record on it and then resets. */
async function breakableWay(port: number): Promise<{ readonly port: number; readonly break: () => Promise<void> }> {
  const upstreams: Socket[] = [];
  const server = createServer((socket) => {
    const upstream = connectPlain(port, '127.0.0.1');
    upstreams.push(upstream);
    socket.on('error', () => {});
    upstream.on('error', () => {}).on('close', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const breakAll = async (): Promise<void> => {
    for (const upstream of upstreams) upstream.write(brokenRecord);
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const upstream of upstreams) upstream.resetAndDestroy();
  };
  return { port: (server.address() as AddressInfo).port, break: breakAll };
}

const unfinished = ['POST /v1/mesh/publish HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 100', '', '{'].join(
  '\r\n',
);
const stream = ['GET /v1/stream?channel=video:1 HTTP/1.1', 'Host: x', 'Accept: text/event-stream', '', ''].join('\r\n');

test('a peer that breaks a record of TLS and then resets ends its own connection, and nothing else', async () => {
  const secret = await MountedSecret.of(certificates);
  const process = new TestProcess('standalone/main.ts', { ...secret.settings, BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0' });
  const [gateway, publisher] = (await process.said(/clients +wss:\/\/localhost:(\d+)[^]*publish +https:\/\/localhost:(\d+)/)).map(Number);
  const ports = [gateway ?? 0, publisher ?? 0];
  const ca = await certificates.ca();
  const other = await TestClient.open(ports[0] ?? 0, { ca });
  for (const port of ports)
    for (const spoken of ['', 'GET / HT', unfinished, stream, `${upgradeRequest(port)}\r\n`]) {
      const way = await breakableWay(port);
      const socket = connect({ port: way.port, host: '127.0.0.1', ca });
      socket.on('error', () => {});
      await once(socket, 'secureConnect');
      socket.write(spoken);
      // An answer is awaited where there is one.
      if (spoken === stream || spoken.includes('Upgrade')) await once(socket, 'data');
      await way.break();
      await vi.waitUntil(() => socket.destroyed, { timeout: 10_000 });
      expect(process.hasEnded, process.stderr).toBe(false);
    }
  other.send({ op: 'subscribe', channel: '1@video' });
  expect(JSON.parse(await other.nextText())).toEqual({ result: true });
});
