import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { encodeCommand } from './redis-command.ts';

/**
 * What the way to Redis is like. `refused`: connections end, and new ones are refused. `silent`: nothing arrives any
 * more and nothing is lost, as in a network that drops packets: it arrives when the way is open again. `garbled`, for
 * TLS: the bus gets a record of TLS that can't be read, and then a reset; on new connections after its handshake.
 */
export type Way = 'open' | 'refused' | 'silent' | 'garbled';

/** An alert of TLS 1.2, without encryption: TLS 1.3 takes none. */
export const brokenRecord = Buffer.from([21, 3, 3, 0, 2, 2, 50]);
/** Time from it to the reset, in milliseconds: the bus has read it. */
const resetAfterMs = 20;

/**
 * Stands between a bus and a real Redis: changes what the server says, says things in the bus's name, or is a bad
 * network.
 */
export class RedisProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #links = new Map<Socket, Link>();
  #way: Way = 'open';
  #delayMs = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /**
   * Stands before a Redis until `dispose`.
   * @param rewrite is given the bytes of the server as they come, as Latin-1 text, and returns what the bus gets
   */
  static async before(
    redis: { readonly host: string; readonly port: number },
    rewrite: (text: string) => string = (text) => text,
  ): Promise<RedisProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new RedisProxy(server);
    server.on('connection', (socket) => {
      if (proxy.#way === 'refused') return void socket.destroy();
      const upstream = connect(redis.port, redis.host);
      const pace = { delayMs: () => proxy.#delayMs, isSilent: () => proxy.#way === 'silent' };
      const link = { upstream, ways: [new Delayed(upstream, pace), new Delayed(socket, pace)] as const };
      proxy.#links.set(socket, link);
      let isGreeted = false;
      socket.on('data', (bytes: Buffer) => {
        // What follows the client's greeting is sent when the server's has been read.
        if (isGreeted && proxy.#way === 'garbled') return garble(socket);
        isGreeted = true;
        link.ways[0].push(bytes);
      });
      upstream.on('data', (bytes: Buffer) => link.ways[1].push(Buffer.from(rewrite(bytes.toString('latin1')), 'latin1')));
      upstream.on('error', () => undefined).on('close', () => socket.destroy());
      socket
        .on('error', () => undefined)
        .on('close', () => {
          proxy.#links.delete(socket);
          upstream.destroy();
        });
    });
    return proxy;
  }

  /** Sends a command on every connection, as if the bus had. */
  send(...words: string[]): void {
    for (const { upstream } of this.#links.values()) upstream.write(encodeCommand(words));
  }

  /** Makes the way open, or closes it. */
  become(way: Way): void {
    this.#way = way;
    if (way === 'refused') this.breakAll();
    if (way === 'garbled') for (const socket of this.#links.keys()) garble(socket);
    if (way === 'open') for (const { ways } of this.#links.values()) for (const each of ways) each.pump();
  }

  /** From now on bytes take so long in each direction. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Breaks every connection; new ones are taken. */
  breakAll(): void {
    for (const socket of this.#links.keys()) socket.destroy();
  }

  dispose(): void {
    this.#server.close();
    this.breakAll();
  }
}

function garble(socket: Socket): void {
  socket.write(brokenRecord);
  setTimeout(() => socket.resetAndDestroy(), resetAfterMs);
}

interface Link {
  readonly upstream: Socket;
  readonly ways: readonly [Delayed, Delayed];
}

/** Bytes in one direction, in their order. */
class Delayed {
  readonly #to: Socket;
  readonly #pace: { readonly delayMs: () => number; readonly isSilent: () => boolean };
  readonly #queue: { readonly dueAt: number; readonly bytes: Buffer }[] = [];
  #isWaiting = false;

  constructor(to: Socket, pace: { readonly delayMs: () => number; readonly isSilent: () => boolean }) {
    this.#to = to;
    this.#pace = pace;
  }

  push(bytes: Buffer): void {
    this.#queue.push({ dueAt: performance.now() + this.#pace.delayMs(), bytes });
    this.pump();
  }

  /** Writes what is due. */
  pump(): void {
    if (this.#pace.isSilent()) return;
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      const waitMs = first.dueAt - performance.now();
      if (waitMs > 0) {
        if (this.#isWaiting) return;
        this.#isWaiting = true;
        setTimeout(() => {
          this.#isWaiting = false;
          this.pump();
        }, waitMs);
        return;
      }
      this.#queue.shift();
      if (!this.#to.destroyed) this.#to.write(first.bytes);
    }
  }
}
