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
 * Keeps the sockets of an HTTP server at no more than `socketsMax`, whatever they speak: idle HTTP, half a handshake, WebSocket.
 *
 * Above that a socket gets one answer, and with it `Connection: close`. There may be `spareSocketsMax` of them at one time. Beyond, the socket
 * that is quiet longest is closed for the newest one: so probes are answered while others hold every place. A WebSocket takes the place of
 * a quiet socket. A socket with a request under way and a WebSocket are never closed here.
 */
export class SocketBound {
  readonly #socketsMax: number;
  readonly #onCrowded: () => void;
  /** Each with its requests under way. */
  readonly #open = new Map<Socket, number>();
  /** No WebSockets, and without a request under way; the one that is quiet longest first. */
  readonly #quiet = new Set<Socket>();

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

  /** A request began on a socket, and ends with its response. */
  asked(socket: Socket, response: ServerResponse): void {
    this.#quiet.delete(socket);
    this.#open.set(socket, (this.#open.get(socket) ?? 0) + 1);
    if (this.#open.size > this.#socketsMax) response.shouldKeepAlive = false;
    response.on('close', () => this.#answered(socket));
  }

  /** A socket left HTTP for good. */
  upgraded(socket: Socket): void {
    this.#quiet.delete(socket);
    if (this.#open.size > this.#socketsMax) this.#closeOne();
  }

  #opened(socket: Socket): void {
    this.#open.set(socket, 0);
    this.#quiet.add(socket);
    socket.on('close', () => this.#forget(socket));
    if (this.#open.size > this.#socketsMax + spareSocketsMax) this.#closeOne();
  }

  /** Where requests come without a wait for answers, one of several is answered. */
  #answered(socket: Socket): void {
    const requests = this.#open.get(socket);
    if (requests === undefined) return;
    this.#open.set(socket, requests - 1);
    if (requests === 1) this.#quiet.add(socket);
  }

  #closeOne(): void {
    for (const socket of this.#quiet) {
      this.#forget(socket);
      this.#onCrowded();
      socket.destroy();
      return;
    }
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    this.#quiet.delete(socket);
  }
}
