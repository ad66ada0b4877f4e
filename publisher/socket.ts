import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { closeCodes } from '../core/close-codes.ts';
import { limits } from '../core/limits.ts';
import type { BytesInFlight } from '../core/process/bounded-read.ts';
import type { Access } from './access.ts';
import { publisherBounds } from './bounds.ts';
import { answerBody, leaving, refusals, refuse, tooMany, type Outcome, type Refusal } from './errors.ts';
import { answerOf, resultOf, socketPath } from './http.ts';
import type { Mesh } from './mesh.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { MeshOperation } from './operation-seconds.ts';
import type { Span, Tracer } from '../core/trace.ts';
import type { RequestLog } from './request-log.ts';
import { shown } from '../core/issue-words.ts';
import { parseSocketRequest, type RequestNumber, type SocketRequest } from './request.ts';

interface SocketParts {
  readonly access: Access;
  readonly mesh: Mesh;
  readonly inFlight: BytesInFlight;
  readonly metrics: PublisherMetrics;
  readonly log: RequestLog;
  readonly pingIntervalMs: number;
  readonly tracer: Tracer;
}

const operations = new Map<string, MeshOperation>([
  ['mesh.publish', 'mesh.publish'],
  ['mesh.send', 'mesh.send'],
  ['conn.call', 'conn.call'],
]);
const queueMethods = new Set(['queue.pop', 'queue.unpop']);

/** Adds a reason when `ws` closes a connection by itself: a code alone does not tell a backend its mistake. */
class ExplainingWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? (code === undefined ? undefined : protocolFaults[code]));
  }
}

const protocolFaults: Readonly<Record<number, string>> = {
  1007: 'a request must be UTF-8',
  1009: `a request may have at most ${limits.requestBytesMax} bytes`,
};

/** The publisher's own reasons for ending connections, for the log. */
const endings = new WeakMap<WebSocket, string>();
/** Code of a connection that ended without a close frame. */
const noCloseFrame = 1006;

/** The WebSocket half of the publish API, `/ws/v1`: requests with a number, answers in any order. */
export class SocketApi {
  readonly #parts: SocketParts;
  readonly #server = new WebSocketServer({
    noServer: true,
    WebSocket: ExplainingWebSocket,
    maxPayload: limits.requestBytesMax,
    perMessageDeflate: false,
  });
  /** Connections that did not answer the last ping. */
  readonly #silent = new WeakSet<WebSocket>();
  /** Number of each connection's requests that wait for an answer. */
  readonly #requestsInFlight = new Map<WebSocket, number>();
  #isLeaving = false;
  readonly #pinging: NodeJS.Timeout;

  constructor(parts: SocketParts) {
    this.#parts = parts;
    // Runs after pending input: when this process was held up, answers may lie there unread.
    this.#pinging = setInterval(() => setImmediate(() => this.#pingAll()), parts.pingIntervalMs);
    this.#pinging.unref();
  }

  get connections(): number {
    return this.#server.clients.size;
  }

  /** Accepts a connection, or answers with the reason for refusing it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#upgradeFault(request);
    if (refusal !== undefined) {
      if (refusal.reason === 'notAuthorised') this.#parts.log.keyRefused(request, refusal.message);
      else this.#parts.log.handshakeRefused(request, refusal);
      return refuseUpgrade(socket, refusal);
    }
    this.#server.handleUpgrade(request, socket, head, (connection) => this.#serve(connection, request));
  }

  /**
   * Accepts no more requests, and closes each connection after its last answer: a backend learns of its publications by
   * answers.
   */
  close(): void {
    this.#isLeaving = true;
    clearInterval(this.#pinging);
    for (const connection of this.#server.clients) this.#leaveIfAnswered(connection);
  }

  /** Cuts off the connections that did not end after `close`. */
  terminate(): void {
    for (const connection of this.#server.clients) {
      endings.set(connection, 'the publisher has ended');
      connection.terminate();
    }
  }

  #upgradeFault(request: IncomingMessage): Refusal | undefined {
    if (request.url?.split('?', 1)[0] !== socketPath) return refuse('notFound', `the WebSocket API is at ${socketPath}`);
    const fault = this.#parts.access.fault(request.headers);
    if (fault !== undefined) return refuse('notAuthorised', fault);
    if (this.#isLeaving) return leaving();
    if (this.connections >= publisherBounds.socketConnectionsMax)
      return tooMany(`there are ${publisherBounds.socketConnectionsMax} connections already, come back later`, 5);
    return undefined;
  }

  #serve(connection: WebSocket, request: IncomingMessage): void {
    this.#requestsInFlight.set(connection, 0);
    const { log } = this.#parts;
    const life = log.opened(request);
    const { socket } = request;
    let requests = 0;
    connection.on('close', (code) => {
      this.#requestsInFlight.delete(connection);
      const { bytesRead: bytesIn, bytesWritten: bytesOut } = socket;
      const reason = endings.get(connection);
      const by = reason !== undefined ? 'publisher' : code === noCloseFrame ? 'network' : 'backend';
      log.ended(life, { by, code, reason, requests, bytesIn, bytesOut });
    });
    // `ws` answers a broken frame with its close code.
    connection.on('error', ({ code = '' }: NodeJS.ErrnoException) => endings.set(connection, `it broke the WebSocket protocol (${code})`));
    connection.on('pong', () => this.#silent.delete(connection));
    connection.on('ping', () => cutOffIfUnread(connection));
    connection.on('message', (data, isBinary) => {
      this.#silent.delete(connection);
      if (isBinary) return answer(connection, null, refuse('badArguments', 'send requests as text frames'));
      const bytes = bytesOf(data);
      if (bytes.equals(pingText)) return send(connection, 'pong');
      const { number, request } = parseSocketRequest(bytes.toString());
      if (request.kind === 'fault') return answer(connection, number, refuse('badArguments', request.message));
      const operation = operations.get(request.value.method);
      if (operation === undefined) return answer(connection, number, unknownMethod(request.value.method));
      requests += 1;
      const refusal = this.#enter(connection, bytes.length);
      if (refusal !== undefined) {
        this.#parts.metrics.count(operation, refusal);
        log.refused(operation, refusal);
        return answer(connection, number, refusal);
      }
      void this.#run(operation, request.value).then((outcome) => {
        this.#parts.inFlight.leave(bytes.length);
        this.#addInFlight(connection, -1);
        answer(connection, number, outcome);
        this.#leaveIfAnswered(connection);
      });
    });
  }

  /** Carries out one request, inside a span if its trace is sampled. Never rejects. */
  #run(operation: MeshOperation, { params, traceparent }: SocketRequest): Promise<Outcome> {
    const { mesh, tracer } = this.#parts;
    const span = tracer.request(operation, 'backend', traceparent);
    return span === undefined ? mesh.run(operation, params, { traceparent }) : this.#runInside(span, operation, params);
  }

  async #runInside(span: Span, operation: MeshOperation, params: unknown): Promise<Outcome> {
    const outcome = await this.#parts.mesh.run(operation, params, { span });
    span.set(resultOf(outcome));
    const isOurs = outcome.kind !== 'done' && refusals[outcome.reason].status >= 500;
    span.end(isOurs ? { fault: outcome.reason } : {});
    return outcome;
  }

  /** Accepts a request, or returns the reason for refusing it. */
  #enter(connection: WebSocket, bytes: number): Refusal | undefined {
    if (this.#isLeaving) return { ...leaving(), published: 'no' };
    const requests = this.#requestsInFlight.get(connection) ?? 0;
    if (requests >= publisherBounds.socketRequestsInFlightMax || this.#parts.inFlight.enter(bytes) === 'full')
      return tooMany('too many requests wait for an answer, repeat', 1);
    this.#addInFlight(connection, 1);
    return undefined;
  }

  /** Changes a connection's count; a closed connection has none. */
  #addInFlight(connection: WebSocket, change: 1 | -1): void {
    const requests = this.#requestsInFlight.get(connection);
    if (requests !== undefined) this.#requestsInFlight.set(connection, requests + change);
  }

  #leaveIfAnswered(connection: WebSocket): void {
    if (!this.#isLeaving || (this.#requestsInFlight.get(connection) ?? 0) > 0) return;
    endings.set(connection, 'the publisher is leaving');
    connection.close(closeCodes.goingAway.code, 'the publisher is leaving, come back');
  }

  #pingAll(): void {
    for (const connection of this.#server.clients) {
      if (this.#silent.has(connection)) {
        endings.set(connection, 'it did not answer a ping');
        connection.terminate();
        continue;
      }
      this.#silent.add(connection);
      connection.ping();
    }
  }
}

const pingText = Buffer.from('ping');

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

function unknownMethod(method: string): Refusal {
  if (queueMethods.has(method)) return refuse('badArguments', `${method} is not available`);
  return refuse('notFound', `there is no method ${shown(method)}; there are ${[...operations.keys()].join(', ')}`);
}

function answer(connection: WebSocket, number: RequestNumber, outcome: Outcome): void {
  send(connection, JSON.stringify({ ...answerBody(outcome), i: number }));
}

function send(connection: WebSocket, text: string): void {
  if (connection.readyState !== connection.OPEN) return;
  connection.send(text);
  cutOffIfUnread(connection);
}

/**
 * Cuts off a backend that sends and never reads: its answers would fill this process. It could not read a close frame
 * either.
 */
function cutOffIfUnread(connection: WebSocket): void {
  if (connection.bufferedAmount <= publisherBounds.socketReplyBytesMax) return;
  endings.set(connection, 'it sends and does not read its answers');
  connection.terminate();
}

function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const { status, headers, text } = answerOf(refusal);
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.join('')}\r\n${text}`, () => socket.destroy());
}
