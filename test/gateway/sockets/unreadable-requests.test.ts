import { createServer, maxHeaderSize, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { plainText } from '../../../core/process/plain-answer.ts';
import { answerUnreadable } from '../../../core/process/unreadable-requests.ts';
import { rawSocket, readToEnd } from '../../support/raw-socket.ts';

interface Served {
  readonly port: number;
  /** Codes of what was told. */
  readonly told: readonly (string | undefined)[];
}

async function serve(listener: RequestListener, isTaken?: (socket: Socket) => boolean): Promise<Served> {
  const told: (string | undefined)[] = [];
  const server = createServer(listener);
  answerUnreadable(server, { form: plainText, onUnreadable: ({ code }) => told.push(code), ...(isTaken === undefined ? {} : { isTaken }) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, told };
}

async function answerTo(port: number, text: string): Promise<string> {
  const socket = await rawSocket(port);
  socket.write(text);
  return (await readToEnd(socket)).toString();
}

const head = 'GET / HTTP/1.1\r\nhost: a\r\n';

test('what is no request is told so, and what to do', async () => {
  const { port, told } = await serve((_, response) => response.end('served'));
  expect(await answerTo(port, 'hello\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*\r\n\r\nthis is no request of HTTP\/1\.1 \(.+\): send/,
  );
  expect(await answerTo(port, `${head}expect: cake\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 417 [\s\S]*\r\n\r\nExpect: only 100-continue is known here, and not "cake"\n$/,
  );
  expect(told).toEqual(['HPE_INVALID_METHOD']);
});

test('a head at its bound is read, one byte more is refused', async () => {
  const { port } = await serve((_, response) => response.end('served'));
  const withHeader = (bytes: number): string => `${head}connection: close\r\nx: ${'x'.repeat(bytes)}\r\n\r\n`;
  // What counts of the rest is the platform's own business.
  let most = 0;
  for (let step = maxHeaderSize; step >= 1; step /= 2)
    if ((await answerTo(port, withHeader(most + step))).startsWith('HTTP/1.1 200')) most += step;
  expect(most).toBeGreaterThan(maxHeaderSize - 100);
  expect(most).toBeLessThan(maxHeaderSize);
  expect(await answerTo(port, withHeader(most + 1))).toMatch(
    /^HTTP\/1\.1 431 [\s\S]*\r\n\r\nthe address and the headers of a request may have \d+ bytes together: send fewer\n$/,
  );
});

test('who leaves earlier answers unread keeps no socket', async () => {
  const sockets: Socket[] = [];
  const { port, told } = await serve((request, response) => {
    sockets.push(request.socket);
    response.end(Buffer.alloc(16_777_216));
  });
  const socket = await rawSocket(port);
  socket.pause();
  socket.write(`${head}\r\nhello\r\n\r\n`);
  await expect.poll(() => [told.length, sockets[0]?.destroyed]).toEqual([1, true]);
});

test('nothing is written into an answer that has begun, or to a socket that carries something else', async () => {
  const begun = await serve((_, response) => response.writeHead(200).write('a part'));
  const taken = await serve(
    (_, response) => response.flushHeaders(),
    () => true,
  );
  for (const { port } of [begun, taken]) {
    const answer = await answerTo(port, `${head}\r\nhello\r\n\r\n`);
    expect(answer.match(/HTTP\/1\.1 \d+/g) ?? []).not.toContain('HTTP/1.1 400');
  }
  expect([begun.told.length, taken.told]).toEqual([1, []]);
});
