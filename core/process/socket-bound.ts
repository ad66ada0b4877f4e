import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Most sockets above the bound that still get an answer: probes, and clients that ask for another address. */
export const spareSocketsMax = 256;

interface SocketBoundOptions {
  readonly server: Server;
  /** The server's event of a new socket that will speak HTTP; a socket of TLS speaks it after its handshake. */
  readonly opened?: 'connection' | 'secureConnection';
  readonly socketsMax: number;
  readonly onCrowded?: ((socket: Socket) => void) | undefined;
}

/**
 * Keeps the sockets of an HTTP server at no more than `socketsMax`, of any protocol: idle HTTP, half a handshake,
 * WebSocket.
 *
 * Above the bound a socket gets one answer, with `Connection: close`. At most `spareSocketsMax` such sockets exist at a
 * time. Beyond that, the socket that is quiet longest is closed for the newest one. So probes are answered while others
 * hold every place. A WebSocket takes the place of a quiet socket. Neither a socket with a request under way nor a
 * WebSocket is ever closed here.
 */
export class SocketBound {
  readonly #socketsMax: number;
  readonly #onCrowded: (socket: Socket) => void;
  readonly #open = new Set<Socket>();
  /** HTTP sockets, without WebSockets. The socket whose last request began longest ago is first. */
  readonly #http = new Set<Socket>();

  constructor({ server, opened = 'connection', socketsMax, onCrowded = () => {} }: SocketBoundOptions) {
    this.#socketsMax = socketsMax;
    this.#onCrowded = onCrowded;
    server.on(opened, (socket: Socket) => this.#opened(socket));
  }

  /** Number of open sockets, WebSockets included. */
  get open(): number {
    return this.#open.size;
  }

  get socketsMax(): number {
    return this.#socketsMax;
  }

  /** Notes that a request began on a socket. */
  asked(socket: Socket, response: ServerResponse): void {
    this.#http.delete(socket);
    this.#http.add(socket);
    if (this.#open.size > this.#socketsMax) response.shouldKeepAlive = false;
  }

  /** Notes that a socket left HTTP for good. */
  upgraded(socket: Socket): void {
    this.#http.delete(socket);
    if (this.#open.size > this.#socketsMax) this.#closeOne();
  }

  #opened(socket: Socket): void {
    this.#open.add(socket);
    this.#http.add(socket);
    socket.on('close', () => this.#forget(socket));
    if (this.#open.size > this.#socketsMax + spareSocketsMax) this.#closeOne();
  }

  #closeOne(): void {
    for (const socket of this.#http) {
      if (isAnswering(socket)) continue;
      this.#forget(socket);
      this.#onCrowded(socket);
      socket.destroy();
      return;
    }
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    this.#http.delete(socket);
  }
}

/**
 * Whether a response is under way, by a private field of the platform. A listener for each response would be a
 * twentieth of a publication's cost.
 */
function isAnswering(socket: Socket & { readonly _httpMessage?: unknown }): boolean {
  return socket._httpMessage !== null && socket._httpMessage !== undefined;
}
