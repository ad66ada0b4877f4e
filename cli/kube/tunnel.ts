import { Agent, type ClientRequestArgs } from 'node:http';
import { Duplex, PassThrough, Writable } from 'node:stream';
import { PortForward } from '@kubernetes/client-node';
import { WebSocket } from 'ws';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import type { ExpectedCertificate } from '../view/shown-certificate.ts';
import type { KubeAccess } from './access.ts';
import { secured } from './secured.ts';

export interface TunnelEnd {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  /** Where the port speaks TLS: what is known of its certificate. */
  readonly certificate?: ExpectedCertificate | undefined;
}

/** Longest time for opening a tunnel, in milliseconds. */
const openMsMax = bounds.answerMsMax;

/**
 * One TCP connection to a port of a pod, by a port-forward through the API server. NetworkPolicies do not hold for it:
 * the kubelet connects within the pod's own network.
 */
class Tunnel extends Duplex {
  readonly #input = new PassThrough();
  #socket: WebSocket | undefined;
  #fault = '';

  constructor() {
    super({ readableHighWaterMark: bounds.tunnelBytesWaitingMax });
  }

  /** @throws CommandFault */
  async open(access: KubeAccess, end: TunnelEnd): Promise<this> {
    const { namespace, pod, port } = end;
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (!this.push(chunk)) this.#socket?.pause();
        done();
      },
    });
    const fault = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        done();
        // The stream of faults begins with an empty message.
        if (chunk.length === 0) return;
        this.#fault = (this.#fault + chunk.toString()).slice(0, 1000);
        this.destroy(new CommandFault('unreachable', `${pod} does not take connections on port ${port}: ${this.#fault.trim()}`));
      },
    });
    const handler = {
      connect: (path: string, _text: unknown, binary: ((stream: number, chunk: Buffer) => boolean) | null) =>
        this.#connect(access, end, { path, received: (stream, chunk) => void binary?.(stream, chunk) }),
    };
    await new PortForward(access.config, true, handler).portForward(namespace, pod, [port], output, fault, this.#input);
    if (this.errored !== null) throw this.errored;
    return this;
  }

  async #connect(
    access: KubeAccess,
    { namespace, pod }: TunnelEnd,
    { path, received }: { readonly path: string; readonly received: (stream: number, chunk: Buffer) => void },
  ): Promise<WebSocket> {
    const url = `${access.server.replace(/\/+$/, '').replace(/^http/, 'ws')}${path}`;
    const options: WebSocket.ClientOptions = { handshakeTimeout: openMsMax, headers: { 'user-agent': 'kubectl-barrage' } };
    await access.config.applyToHTTPSOptions(options);
    const socket = new WebSocket(url, ['v5.channel.k8s.io', 'v4.channel.k8s.io'], options);
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      if (data.length > 0) received(data.readUint8(0), data.subarray(1));
    });
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(socket));
      socket.once('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body = (body + chunk.toString()).slice(0, 10_000)));
        response.on('end', () => {
          const refusal = access.refusal(response.statusCode ?? 0, body, { verb: 'get', resource: 'pods/portforward', namespace });
          reject(refusal.kind === 'failed' ? new CommandFault('unreachable', `no port-forward to ${pod}: ${refusal.words}`) : refusal);
        });
      });
      socket.on('error', (error) => {
        const broken = new CommandFault('unreachable', `the port-forward to ${pod} broke: ${wordsOf(error)}`, { cause: error });
        reject(broken);
        this.destroy(broken);
      });
      socket.on('close', () => {
        reject(new CommandFault('unreachable', `the port-forward to ${pod} ended at once`));
        if (this.readable) this.push(null);
        if (!this.destroyed) this.end();
      });
    });
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#input.write(chunk)) done();
    else this.#input.once('drain', done);
  }

  override _final(done: () => void): void {
    this.#input.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.terminate();
    this.#input.destroy();
    done(error);
  }

  // An HTTP agent treats what it keeps as a TCP socket.
  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/**
 * Opens a tunnel, and speaks TLS through it where the port does.
 * @throws CommandFault, which names the missing right or the fault of the pod
 */
export async function openTunnel(access: KubeAccess, end: TunnelEnd): Promise<Duplex> {
  const tunnel = new Tunnel();
  // Whoever uses it hears of its end; a tunnel that nobody uses yet may break too.
  tunnel.on('error', () => {});
  await tunnel.open(access, end);
  return end.certificate === undefined ? tunnel : secured(tunnel, end.pod, end.certificate);
}

/** HTTP, or HTTPS by the end's certificate, through a tunnel that is kept between requests, one at a time. */
export class TunnelAgent extends Agent {
  readonly #access: KubeAccess;
  readonly #end: TunnelEnd;

  constructor(access: KubeAccess, end: TunnelEnd) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#access = access;
    this.#end = end;
  }

  override createConnection(_options: ClientRequestArgs, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    openTunnel(this.#access, this.#end).then(
      (tunnel) => callback?.(null, tunnel),
      (error: unknown) => callback?.(error as Error, undefined as never),
    );
    return undefined;
  }
}
