import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { lastAnswer, type PlainAnswer } from '../process/plain-answer.ts';
import { TokenBucket } from '../token-bucket.ts';
import { contextOptions } from './certificate-pair.ts';
import { spokenIn } from './first-bytes.ts';
import { failureOf, type HandshakeResult } from './handshake-result.ts';
import type { TlsPortName } from './tls-metrics.ts';
import type { Tls } from './tls.ts';

/** Part of a second's handshakes that may begin at once. Each takes one to two milliseconds of the event loop. */
const burstShare = 0.02;
/** Time for a peer that spoke plain HTTP to read its answer, in milliseconds. */
const farewellMs = 2_000;

/** A port's own way to speak TLS. */
export interface TlsPort {
  readonly tls: Tls;
  readonly port: TlsPortName;
  /** Most handshakes that begin in a second; further ones wait. */
  readonly handshakesPerSecond: number;
  /** Most sockets whose handshake is not done; absent: `limits.tlsHandshakesMax`. */
  readonly openMax?: number;
  /** Body of the answer to plain HTTP, in the port's own form. */
  readonly plainAnswer: PlainAnswer;
  /** Called for each socket that came to nothing. */
  readonly onFailed?: (address: string | undefined, reason: string) => void;
}

/** The words to a peer that speaks plain HTTP on a port of TLS. */
export const plainHttpRefusal = 'this port speaks TLS: use https:// or wss:// instead of http:// or ws://';

/**
 * The sockets of a TLS server until their handshake is done.
 *
 * A handshake costs some hundred times the CPU of a write. So a socket gets its turn only after its first bytes have
 * come, at the port's rate; others wait, and cost only memory. At most `openMax` sockets may be open here.
 * Beyond that, the socket that is silent longest is closed for the newest one, or the newest one when none is silent. A
 * socket has `limits.handshakeTimeoutMs` until its turn, and as long again for its handshake.
 */
export class Handshakes {
  readonly #options: TlsPort;
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #shake: (socket: Socket) => void;
  readonly #burst: number;
  readonly #bucket: TokenBucket;
  /** Sockets without a first byte, the oldest first, each with the cancelling of its deadline. */
  readonly #silent = new Map<Socket, () => void>();
  /** Sockets that wait for their turn, the oldest first. */
  readonly #waiting = new Map<Socket, () => void>();
  /** Handshakes under way, by the peer's address and port. */
  readonly #underWay = new Map<string, Socket>();
  #stopTurn: (() => void) | undefined;

  /** @param clock for the turns and deadlines */
  constructor(server: Server, options: TlsPort, clock: Pick<Clock, 'monotonic' | 'after'>) {
    this.#options = options;
    this.#clock = clock;
    this.#burst = Math.max(1, options.handshakesPerSecond * burstShare);
    this.#bucket = new TokenBucket(this.#burst, clock.monotonic());
    // The platform's own listener begins the handshake of a socket at once.
    const [shake] = server.listeners('connection') as [(socket: Socket) => void];
    this.#shake = (socket) => shake.call(server, socket);
    server.removeAllListeners('connection').removeAllListeners('tlsClientError');
    server.on('connection', (socket: Socket) => this.#arrived(socket));
    server.prependListener('secureConnection', (socket: TLSSocket) => this.#done(socket));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      this.#failed(socket.remoteAddress, failureOf(error.code), error.code);
      socket.destroy();
    });
    const { certificate, metrics } = options.tls;
    metrics.show(options.port, () => this.open);
    // Open connections keep the pair that they began with.
    certificate.onChange(() => server.setSecureContext(contextOptions(certificate.pair)));
  }

  /** Number of sockets whose handshake is not done. */
  get open(): number {
    return this.#silent.size + this.#waiting.size + this.#underWay.size;
  }

  /** For tests: the sockets whose first bytes have come, and whose turn has not. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Ends all sockets whose handshake is not done. */
  close(): void {
    this.#stopTurn?.();
    for (const socket of [...this.#silent.keys(), ...this.#waiting.keys(), ...this.#underWay.values()]) socket.destroy();
  }

  #arrived(socket: Socket): void {
    const stopDeadline = this.#clock.after(limits.handshakeTimeoutMs, () => this.#drop(socket, 'timeout'));
    this.#silent.set(socket, stopDeadline);
    const peer = peerOf(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      stopDeadline();
      if (this.#silent.delete(socket) || this.#waiting.delete(socket)) this.#failed(socket.remoteAddress, 'left');
      this.#underWay.delete(peer);
    });
    this.#awaitBytes(socket);
    if (this.open > (this.#options.openMax ?? limits.tlsHandshakesMax)) this.#drop(this.#silent.keys().next().value ?? socket, 'crowded');
  }

  #awaitBytes(socket: Socket): void {
    socket.once('readable', () => {
      const bytes = socket.read() as Buffer | null;
      if (!this.#silent.has(socket)) return;
      // Nothing to read: the peer has ended its side, and the socket closes.
      if (bytes === null) return this.#awaitBytes(socket);
      socket.unshift(bytes);
      this.#heard(socket, bytes);
    });
  }

  #heard(socket: Socket, bytes: Buffer): void {
    const spoken = spokenIn(bytes);
    if (spoken === 'http') return this.#refusePlain(socket);
    if (spoken === 'other') return this.#drop(socket, 'not-tls');
    this.#waiting.set(socket, this.#silent.get(socket) ?? (() => {}));
    this.#silent.delete(socket);
    this.#letIn();
  }

  /** Begins the handshakes whose turn it is. */
  #letIn(): void {
    const { handshakesPerSecond: rate } = this.#options;
    if (this.#stopTurn !== undefined) return;
    for (const [socket, stopDeadline] of this.#waiting) {
      if (!this.#bucket.tryTake(this.#clock.monotonic(), rate, this.#burst)) break;
      stopDeadline();
      this.#waiting.delete(socket);
      this.#underWay.set(peerOf(socket), socket);
      this.#shake(socket);
    }
    if (this.#waiting.size === 0) return;
    this.#stopTurn = this.#clock.after(Math.max(1, this.#bucket.waitMs(rate)), () => {
      this.#stopTurn = undefined;
      this.#letIn();
    });
  }

  #done(socket: TLSSocket): void {
    this.#underWay.delete(peerOf(socket));
    this.#options.tls.metrics.count(this.#options.port, 'done');
  }

  /** Closes a socket before its turn. */
  #drop(socket: Socket, result: Exclude<HandshakeResult, 'done'>): void {
    this.#forget(socket);
    this.#failed(socket.remoteAddress, result);
    socket.destroy();
  }

  #refusePlain(socket: Socket): void {
    this.#forget(socket);
    this.#failed(socket.remoteAddress, 'plain-http');
    socket.resume();
    socket.end(lastAnswer(400, this.#options.plainAnswer));
    const stop = this.#clock.after(farewellMs, () => socket.destroy());
    socket.once('close', stop);
  }

  #forget(socket: Socket): void {
    (this.#silent.get(socket) ?? this.#waiting.get(socket))?.();
    this.#silent.delete(socket);
    this.#waiting.delete(socket);
  }

  #failed(address: string | undefined, result: Exclude<HandshakeResult, 'done'>, code?: string): void {
    const { tls, port, onFailed } = this.#options;
    tls.metrics.count(port, result);
    onFailed?.(address, code ?? result);
  }
}

function peerOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
