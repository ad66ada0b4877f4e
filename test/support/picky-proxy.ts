import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A proxy before a gateway that lets some kinds of requests pass and others not, as companies' networks do. */
export class PickyProxy implements AsyncDisposable {
  /** Whether WebSocket handshakes pass; else they are answered 403. */
  webSockets = true;
  /** Whether event streams pass; else they are answered 404, as by a gateway of an older version. */
  streams = true;
  /** Handshakes and streams that were refused. */
  readonly refused = { webSockets: 0, streams: 0 };
  /** Paths of requests that passed. */
  readonly passed: string[] = [];
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  /** Clients' sockets that became WebSockets. */
  readonly #upgraded = new Set<Duplex>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#pass(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => this.#upgrade(request, socket, head));
    this.#server.on('connection', (socket: Socket) => this.#keep(socket));
  }

  /** @param target port of a gateway on loopback */
  static async start(target: number): Promise<PickyProxy> {
    const proxy = new PickyProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }

  /** Says something to the clients of WebSockets, as if the gateway did. It must not be saying anything itself. */
  say(message: object): void {
    const text = Buffer.from(JSON.stringify(message));
    // A whole text frame, whose length fits in seven bits.
    for (const socket of this.#upgraded) socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
  }

  /** Cuts off everything at once. New connections are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', method, headers } = request;
    if (!this.streams && url.startsWith('/v1/stream')) {
      this.refused.streams++;
      response.writeHead(404, { 'access-control-allow-origin': '*' }).end();
      return;
    }
    this.passed.push(url);
    const passed = httpRequest({ host: '127.0.0.1', port: this.#target, path: url, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    request.pipe(passed);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (!this.webSockets) {
      this.refused.webSockets++;
      socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const far = connect(this.#target, '127.0.0.1', () => {
      const lines = request.rawHeaders.flatMap((name, index, all) => (index % 2 === 0 ? [`${name}: ${all[index + 1] ?? ''}`] : []));
      far.write(`${request.method ?? 'GET'} ${request.url ?? '/'} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      far.write(head);
      far.pipe(socket);
      socket.pipe(far);
    });
    this.#keep(far);
    this.#upgraded.add(socket);
    socket.on('close', () => this.#upgraded.delete(socket));
    for (const [one, other] of [
      [far, socket],
      [socket, far],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
