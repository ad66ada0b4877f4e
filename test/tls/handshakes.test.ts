import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { limits } from '../../core/limits.ts';
import { createHttpServer } from '../../core/process/http-server.ts';
import { plainText } from '../../core/process/plain-answer.ts';
import { Handshakes } from '../../core/tls/handshakes.ts';
import { openTls, type Tls } from '../../core/tls/tls.ts';
import { Certificates } from '../support/certificates.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { recordedLog } from '../support/recorded-log.ts';

vi.setConfig({ testTimeout: 60_000 });
const soon = { timeout: 15_000 };

let certificates: Certificates;
let ca: string;

beforeAll(async () => {
  certificates = await Certificates.make();
  ca = await certificates.ca();
});

afterAll(() => certificates.dispose());

async function tlsOf(registry: Registry): Promise<Tls> {
  const { certFile: tlsCertFile, keyFile: tlsKeyFile } = await MountedSecret.of(certificates);
  const tls = await openTls({ tlsCertFile, tlsKeyFile }, { registry, logger: recordedLog().logger });
  if (tls === undefined) throw new Error('the settings name a certificate');
  onTestFinished(() => tls.certificate.close());
  return tls;
}

interface Port {
  readonly port: number;
  readonly clock: FakeClock;
  readonly handshakes: Handshakes;
  readonly server: Server;
  /** Sockets by what became of their handshake. */
  readonly results: () => Promise<Readonly<Record<string, number>>>;
}

/** A TLS server whose turns and deadlines a test's clock gives. */
async function listening(
  handshakesPerSecond: number,
  { handshakeTimeout = 60_000, openMax = 100 }: { readonly handshakeTimeout?: number; readonly openMax?: number } = {},
): Promise<Port> {
  const registry = new Registry();
  const tls = await tlsOf(registry);
  const { cert, key } = tls.certificate.pair;
  const server = createServer({ cert, key, handshakeTimeout }, (_, response) => response.end('answered'));
  const clock = new FakeClock();
  const plainAnswer = { contentType: 'text/plain', body: 'use https' };
  const handshakes = new Handshakes(server, { tls, port: 'clients', handshakesPerSecond, openMax, plainAnswer }, clock);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    handshakes.close();
    server.close();
    server.closeAllConnections();
  });
  const results = async (): Promise<Readonly<Record<string, number>>> => {
    const { values } = (await registry.getSingleMetric('barrage_tls_handshakes_total')?.get()) ?? { values: [] };
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels['result']), value]));
  };
  return { port: (server.address() as AddressInfo).port, clock, handshakes, server, results };
}

function dial(port: number): TLSSocket {
  const socket = connect({ port, host: '127.0.0.1', ca });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

test('handshakes begin at the rate, in the order of their coming, and none is refused', async () => {
  const { port, clock, handshakes, results } = await listening(50);
  const sockets = Array.from({ length: 5 }, () => dial(port));
  await expect.poll(results, soon).toEqual({ done: 1 });
  await expect.poll(() => handshakes.open, soon).toBe(4);
  for (let turn = 2; turn <= 5; turn++) {
    // Not before its time.
    await clock.advance(19);
    expect(handshakes.open).toBe(6 - turn);
    await clock.advance(1);
    await expect.poll(results, soon).toEqual({ done: turn });
  }
  await expect.poll(() => sockets.every(({ authorized }) => authorized), soon).toBe(true);
  expect([handshakes.open, clock.pending]).toEqual([0, 0]);
});

test('a socket that says nothing, or does not get its turn, is closed in time', async () => {
  const { port, clock, handshakes, results } = await listening(0.01);
  dial(port);
  await expect.poll(results, soon).toEqual({ done: 1 });
  const [silent, waiting] = [await rawSocket(port), dial(port)];
  await expect.poll(() => [handshakes.open, waiting.connecting], soon).toEqual([2, false]);
  const ends = [silent, waiting].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  await clock.advance(limits.handshakeTimeoutMs - 1);
  expect(handshakes.open).toBe(2);
  silent.resume();
  silent.on('end', () => silent.destroy());
  await clock.advance(1);
  await Promise.all(ends);
  expect([handshakes.open, await results()]).toEqual([0, { done: 1, timeout: 2 }]);
});

test('a handshake that does not end, breaks the protocol or is left is counted as such', async () => {
  const { port, handshakes, results } = await listening(1_000, { handshakeTimeout: 200 });
  const [half, broken, left, gone] = [await rawSocket(port), await rawSocket(port), await rawSocket(port), await rawSocket(port)];
  half.write(Buffer.from([0x16, 0x03, 0x01]));
  broken.write(Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0x00, 0x20]), Buffer.alloc(32, 7)]));
  left.write(Buffer.from([0x16]));
  gone.destroy();
  left.destroy();
  await expect.poll(results, soon).toMatchObject({ timeout: 1, left: 2 });
  const { timeout, left: gones, ...others } = await results();
  expect([timeout, gones, Object.values(others)]).toEqual([1, 2, [1]]);
  expect(handshakes.open).toBe(0);
});

test('at the bound all sockets stay; one more closes the one that is silent longest, and clients are served', async () => {
  const { port, handshakes, results } = await listening(1_000, { openMax: 20 });
  const closed: number[] = [];
  for (let index = 0; index < 20; index++) {
    const socket = await rawSocket(port);
    socket.on('end', () => closed.push(index));
    socket.resume();
  }
  await expect.poll(() => handshakes.open, soon).toBe(20);
  expect([closed, await results()]).toEqual([[], {}]);
  await once(dial(port), 'secureConnect');
  await expect.poll(results, soon).toEqual({ crowded: 1, done: 1 });
  await expect.poll(() => closed, soon).toEqual([0]);
});

test('where all sockets wait for their turn, the newest one is closed', async () => {
  const { port, handshakes, results } = await listening(0.01, { openMax: 2 });
  dial(port);
  await expect.poll(results, soon).toEqual({ done: 1 });
  for (let waiting = 1; waiting <= 2; waiting++) {
    dial(port);
    await expect.poll(() => handshakes.waiting, soon).toBe(waiting);
  }
  const newest = dial(port);
  await new Promise((resolve) => newest.once('close', resolve));
  expect([handshakes.open, await results()]).toEqual([2, { done: 1, crowded: 1 }]);
});

test('what a server holds before its handshake ends with it, and a socket of TLS has the size of buffer that was asked for', async () => {
  const tls = await tlsOf(new Registry());
  const sizes: number[] = [];
  const { server, sockets } = createHttpServer({
    request: (request, response) => {
      sizes.push(request.socket.writableHighWaterMark);
      response.end('answered');
    },
    unreadable: { form: plainText },
    keepAliveMs: 60_000,
    headersMs: 10_000,
    requestMs: 10_000,
    socketsMax: 10,
    highWaterMark: 16_384,
    tls: { tls, port: 'clients', handshakesPerSecond: 1_000, plainAnswer: { contentType: 'text/plain', body: '' } },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [client] = [dial(port), await rawSocket(port)];
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'data');
  expect([sizes, sockets.open]).toEqual([[16_384], 1]);
  // Only the idle ones: nothing else is left.
  const closed = once(server, 'close');
  server.close();
  await closed;
  await expect.poll(() => sockets.open, soon).toBe(0);
});
