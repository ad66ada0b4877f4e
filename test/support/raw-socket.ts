import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** A client's frame (RFC 6455 section 5.2), masked with zeros, so that its payload is readable. */
export function clientFrame(
  kind: keyof typeof opcodes,
  payload: Buffer | string,
  { isFinal = true }: { readonly isFinal?: boolean } = {},
): Buffer {
  const bytes = Buffer.from(payload);
  const first = (isFinal ? 0x80 : 0) | opcodes[kind];
  const mask = Buffer.alloc(4);
  if (bytes.length < 126) return Buffer.concat([Buffer.from([first, 0x80 | bytes.length]), mask, bytes]);
  const length = Buffer.alloc(bytes.length < 65_536 ? 2 : 8);
  if (length.length === 2) length.writeUInt16BE(bytes.length);
  else length.writeBigUInt64BE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from([first, 0x80 | (length.length === 2 ? 126 : 127)]), length, mask, bytes]);
}

/** A WebSocket upgrade request without its last empty line. */
export function upgradeRequest(port: number, headers: readonly string[] = []): string {
  return [
    'GET / HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
    '',
  ].join('\r\n');
}

/** A TCP connection for what no client library would send. It keeps its side open when the server ends its own. */
export async function rawSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** The same after a WebSocket handshake: what is written are frames. */
export async function rawWebSocket(port: number, protocol?: string): Promise<Socket> {
  const socket = await rawSocket(port);
  socket.write(`${upgradeRequest(port, protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`])}\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (!answer.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(answer.toString('latin1'));
  return socket;
}

/** What the server said until it closed, also where it reset the connection. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => {
    socket.once('end', resolve);
    socket.once('close', resolve);
  });
  return Buffer.concat(chunks);
}

/** Writes, and waits until the socket takes more or is gone. */
export async function written(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      socket.off('drain', go).off('close', go);
      resolve();
    };
    socket.on('drain', go).on('close', go);
  });
}
