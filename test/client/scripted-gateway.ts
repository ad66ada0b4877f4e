import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Command, CommandError, Hello } from '../../core/protocol/barrage-v1.ts';

const hello: Hello = {
  type: 'hello',
  client: '1',
  pingIntervalMs: 60_000,
  pongTimeoutMs: 60_000,
  backoff: { baseMs: 1, capMs: 20 },
  limits: { frameBytesMax: 65_536, subscriptionsMax: 128, commandsPerSecondMax: 200 },
};

/** The result of a command, an error, or `undefined` for no answer. */
export type Answer = (
  command: Command,
  connection: ScriptedConnection,
) => { readonly result: object } | { readonly error: CommandError } | undefined;

export interface Script {
  readonly port?: number;
  /** `undefined` for a gateway that never says hello. */
  readonly hello?: Partial<Hello> | undefined;
  readonly answer?: Answer;
  /** What `GET /v1/connect` is answered; 404 where absent. */
  readonly directions?: () => object;
  /** Whether handshakes are refused with 503. */
  readonly isFull?: () => boolean;
}

/** One accepted connection: what the client sent, and what to send it. */
export class ScriptedConnection {
  readonly commands: Command[] = [];
  readonly socket: WebSocket;

  constructor(socket: WebSocket) {
    this.socket = socket;
  }

  send(message: object | string | Buffer): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** A batch of channel `c` that covers `(after, upto]`, with a publication at each offset unless told which. */
  batch(after: number, upto: number, options: { readonly epoch?: string; readonly offsets?: readonly number[] } = {}): void {
    const offsets = options.offsets ?? Array.from({ length: upto - after }, (_, index) => after + 1 + index);
    const items = offsets.map((offset) => ({ offset, data: `p${offset}` }));
    const leftOut = upto - after - items.length;
    this.send({ type: 'batch', channel: 'c', epoch: options.epoch ?? 'e', after, upto, leftOut, items });
  }

  ops(): readonly string[] {
    return this.commands.map(({ op }) => op);
  }
}

/** Subscribes at offset 0 of epoch `e`, and says yes to everything else. */
export const agreeable: Answer = ({ op }) => ({ result: op === 'subscribe' ? { epoch: 'e', offset: 0 } : {} });

/** A real WebSocket server on loopback that does what the test says. */
export class ScriptedGateway implements AsyncDisposable {
  readonly connections: ScriptedConnection[] = [];
  /** The URLs of `GET` requests. */
  readonly questions: string[] = [];
  /** Handshakes that were refused. */
  refusals = 0;
  readonly #http: Server;
  readonly #server: WebSocketServer;

  private constructor(http: Server, script: Script) {
    this.#http = http;
    this.#server = new WebSocketServer({ noServer: true });
    http.on('request', ({ url = '' }, response) => {
      this.questions.push(url);
      const directions = script.directions?.();
      response.writeHead(directions === undefined ? 404 : 200, {
        'content-type': 'application/json',
        'access-control-allow-origin': '*',
      });
      response.end(JSON.stringify(directions ?? {}));
    });
    http.on('upgrade', (request, socket, head) => {
      if (script.isFull?.() !== true) {
        return this.#server.handleUpgrade(request, socket, head, (accepted) => this.#server.emit('connection', accepted));
      }
      this.refusals++;
      socket.end('HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    });
    this.#server.on('connection', (socket) => {
      const connection = new ScriptedConnection(socket);
      this.connections.push(connection);
      socket.on('error', () => {});
      socket.on('message', (data) => {
        const command = JSON.parse((data as Buffer).toString()) as Command;
        connection.commands.push(command);
        const outcome = (script.answer ?? agreeable)(command, connection);
        if (outcome !== undefined) connection.send({ type: 'reply', id: command.id, ...outcome });
      });
      if (!('hello' in script) || script.hello !== undefined) connection.send({ ...hello, ...script.hello });
    });
  }

  static async start(script: Script = {}): Promise<ScriptedGateway> {
    const http = createServer().listen(script.port ?? 0, '127.0.0.1');
    const gateway = new ScriptedGateway(http, script);
    await once(http, 'listening');
    return gateway;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }

  /** The connection accepted last. */
  get last(): ScriptedConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) throw new Error('no connection was accepted yet');
    return connection;
  }

  /** Drops everything without a word and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }
}
