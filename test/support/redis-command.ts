import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectByTls } from 'node:tls';

/** Where a Redis server is asked by its tests, beside the bus and its client. */
export interface RedisDoor {
  readonly host: string;
  readonly port: number;
  readonly password?: string;
  /** By TLS: the authority to trust, and the name that its certificate must be for. */
  readonly tls?: { readonly ca: string; readonly servername: string };
}

const sentinelGoodbye = /-ERR unknown command 'QUIT'[^\r]*\r\n$/;

/** Sends one command and returns the raw reply as lines joined by a space. @throws where the server can't be reached */
export async function askRedis(door: RedisDoor, words: readonly string[]): Promise<string> {
  return askRedisAtOnce(door, [words]);
}

/**
 * Sends commands that the server carries out with nothing between them, and returns the raw replies as lines joined by
 * a space.
 */
export async function askRedisAtOnce({ host, port, password, tls }: RedisDoor, commands: readonly (readonly string[])[]): Promise<string> {
  const socket = tls === undefined ? connect({ host, port }) : connectByTls({ host, port, ...tls });
  let reply = '';
  // TLS can tell a second error, after the wait for the answer has ended with the first.
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    reply += chunk.toString();
    // A Sentinel knows no QUIT, and says so behind what it was asked.
    if (sentinelGoodbye.test(reply)) socket.end();
  });
  const login = password === undefined ? '' : encodeCommand(['AUTH', password]);
  socket.write(`${login}${commands.map(encodeCommand).join('')}${encodeCommand(['QUIT'])}`);
  try {
    await once(socket, 'end');
  } finally {
    socket.destroy();
  }
  return (login === '' ? reply : reply.replace(/^\+OK\r\n/, ''))
    .replace(sentinelGoodbye, '')
    .replace(/\+OK\r\n$/, '')
    .trimEnd()
    .replaceAll('\r\n', ' ');
}

/** A command as clients send it. */
export function encodeCommand(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
