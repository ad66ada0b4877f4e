import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A plain TCP load balancer that knows nothing: each connection goes to the next backend that takes it. */
export class Balancer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #turn = 0;
  /** Ports on loopback. */
  backends: readonly number[];

  private constructor(backends: readonly number[]) {
    this.backends = backends;
    this.#server = createServer((client) => this.#forward(client, this.backends.length));
  }

  static async start(backends: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(backends);
    await new Promise<void>((resolve) => balancer.#server.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts off all connections at once. New ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket, attempts: number): void {
    const port = this.backends[this.#turn++ % this.backends.length];
    if (port === undefined || attempts === 0) {
      client.destroy();
      return;
    }
    const backend = connect(port, '127.0.0.1');
    this.#keep(client, backend);
    backend.once('connect', () => {
      client.pipe(backend);
      backend.pipe(client);
      client.on('close', () => backend.destroy());
      backend.on('close', () => client.destroy());
    });
    let isTried = false;
    backend.once('error', () => {
      if (isTried || client.destroyed) return;
      isTried = true;
      if (backend.connecting || backend.bytesWritten === 0) this.#forward(client, attempts - 1);
      else client.destroy();
    });
  }

  #keep(...sockets: readonly Socket[]): void {
    for (const socket of sockets) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
  }
}
