import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Sockets above the bound that are still answered: a probe, or a client that asks where else to go. */
export const spareSocketsMax = 256;

interface SocketBoundOptions {
  readonly server: Server;
  readonly socketsMax: number;
  readonly onCrowded?: (() => void) | undefined;
}

/**
 * Keeps the sockets of an HTTP server at no more than `socketsMax`, whatever they speak: idle HTTP, half a handshake,
 * WebSocket.
 *
 * Above that a socket gets one answer, and with it `Connection: close`. There may be `spareSocketsMax` of them at one
 * time. Beyond, the socket that is quiet longest is closed for the newest one: so probes are answered while others hold
 * every place. A WebSocket takes the place of a quiet socket. A socket with a request under way and a WebSocket are
 * never closed here.
 */
export class SocketBound {
  readonly #socketsMax: number;
  readonly #onCrowded: () => void;
  readonly #open = new Set<Socket>();
  /** No WebSockets; the one whose last request began longest ago is first. */
  readonly #http = new Set<Socket>();

  constructor({ server, socketsMax, onCrowded = () => {} }: SocketBoundOptions) {
    this.#socketsMax = socketsMax;
    this.#onCrowded = onCrowded;
    server.on('connection', (socket: Socket) => this.#opened(socket));
  }

  /** Open sockets, WebSockets among them. */
  get open(): number {
    return this.#open.size;
  }

  get socketsMax(): number {
    return this.#socketsMax;
  }

  /** A request began on a socket. */
  asked(socket: Socket, response: ServerResponse): void {
    this.#http.delete(socket);
    this.#http.add(socket);
    if (this.#open.size > this.#socketsMax) response.shouldKeepAlive = false;
  }

  /** A socket left HTTP for good. */
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
      this.#onCrowded();
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
 * Whether a response is under way. The platform has no other word for it, and a listener for each response would be a
 * twentieth of what a publication costs.
 */
function isAnswering(socket: Socket & { readonly _httpMessage?: unknown }): boolean {
  return socket._httpMessage !== null && socket._httpMessage !== undefined;
}
