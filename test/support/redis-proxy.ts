import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { encodeCommand } from './redis-command.ts';

/** Stands between a bus and a real Redis: changes what the server says, and says things in the bus's name. */
export class RedisProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #upstreams = new Map<Socket, Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /**
   * Stands before a Redis until `dispose`.
   * @param rewrite is given the bytes of the server as they come, as Latin-1 text, and returns what the bus gets
   */
  static async before(redis: { readonly host: string; readonly port: number }, rewrite: (text: string) => string): Promise<RedisProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new RedisProxy(server);
    server.on('connection', (socket) => {
      const upstream = connect(redis.port, redis.host);
      proxy.#upstreams.set(socket, upstream);
      socket.pipe(upstream);
      upstream.on('data', (bytes) => socket.write(Buffer.from(rewrite(bytes.toString('latin1')), 'latin1')));
      upstream.on('error', () => undefined).on('close', () => socket.destroy());
      socket
        .on('error', () => undefined)
        .on('close', () => {
          proxy.#upstreams.delete(socket);
          upstream.destroy();
        });
    });
    return proxy;
  }

  /** Sends a command on every connection, as if the bus had. */
  send(...words: string[]): void {
    for (const upstream of this.#upstreams.values()) upstream.write(encodeCommand(words));
  }

  /** Breaks every connection; new ones are taken. */
  breakAll(): void {
    for (const socket of this.#upstreams.keys()) socket.destroy();
  }

  dispose(): void {
    this.#server.close();
    this.breakAll();
  }
}
