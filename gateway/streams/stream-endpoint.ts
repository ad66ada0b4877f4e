import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { GatewayCalls } from '../../core/bus/bus.ts';
import { closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import { sdkProtocolPrefix } from '../../core/protocol/barrage-v1.ts';
import { BytesInFlight, readBody } from '../../core/process/bounded-read.ts';
import type { StreamRequestKind, StreamResult } from '../accounts/stream-metrics.ts';
import { Session, type SessionSurroundings } from '../commands/session.ts';
import { V1Dialect } from '../commands/v1-dialect.ts';
import type { Admission } from '../connections/admission.ts';
import type { Connection } from '../connections/connection.ts';
import type { OpenConnections } from '../connections/open-connections.ts';
import { endOf, identify } from '../connections/standing.ts';
import { readLastEventId } from '../encoding/event-ids.ts';
import { closeEvent, streamEncoding } from '../encoding/event-stream.ts';
import type { AuthResult } from '../identity/identity.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import { bearerOf } from '../pull/headers.ts';
import type { OpenStreams } from './open-streams.ts';
import { refusals, type Refusal } from './refusals.ts';
import { StreamLines } from './stream-lines.ts';
import { readStreamCommands, readStreamQuery, streamName, type StreamQuery } from './stream-request.ts';
import { subscribeToQuery, type QueriedPlaces } from './stream-subscriptions.ts';
import { onStreamEnd, streamHead, streamWire } from './stream-wire.ts';

export interface StreamEndpointOptions {
  readonly connections: OpenConnections;
  readonly streams: OpenStreams;
  readonly calls: Pick<GatewayCalls, 'call'>;
  readonly surroundings: SessionSurroundings;
  readonly admit: (request: IncomingMessage) => Admission;
  /** Greets a connection. @param stream the secret of its stream */
  readonly greet: (connection: Connection, stream: string) => void;
  /** Notes that a socket has left HTTP for good. */
  readonly onTaken: (socket: Socket) => void;
  /** In [0, 1). */
  readonly random: () => number;
  /** Default: `limits.streamRequestsPerSecondMax`. */
  readonly requestsPerSecond?: number;
}

type Identity = Extract<AuthResult, { kind: 'user' }>;

const refusedResult: Readonly<Record<number, StreamResult>> = { 404: 'gone', 500: 'unavailable', 503: 'unavailable' };

/** Answers `GET /v1/stream` and `POST /v1/stream`: `docs/sse.md`. */
export class StreamEndpoint {
  readonly #options: StreamEndpointOptions;
  readonly #bodies = new BytesInFlight(limits.streamBodiesBytesMax);
  readonly #bucket: TokenBucket;
  readonly #rate: number;
  /** Sockets that carry a stream, or will once its token is checked. */
  readonly #taken = new WeakSet<Socket>();

  constructor(options: StreamEndpointOptions) {
    const { surroundings, streams, requestsPerSecond = limits.streamRequestsPerSecondMax } = options;
    this.#options = options;
    this.#rate = requestsPerSecond;
    this.#bucket = new TokenBucket(requestsPerSecond, surroundings.clock.monotonic());
    surroundings.metrics.streams.sources = { open: () => streams.size, bodyBytes: () => this.#bodies.bytes };
  }

  /** Whether a socket carries a stream: nothing else may be written to it, and nothing is expected from it. */
  holds(socket: Socket): boolean {
    return this.#taken.has(socket);
  }

  /** Answers one request; never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method } = request;
    try {
      if (method === 'GET') await this.#open(request, response);
      else if (method === 'POST') await this.#take(request, response);
      else if (method === 'OPTIONS') this.#preflight(response);
      else this.#refuse(response, 'other', refusals.method());
    } catch (error) {
      this.#options.surroundings.journal.write('stream-failed', { err: error });
      if (this.holds(request.socket)) request.socket.destroy();
      else this.#refuse(response, method === 'POST' ? 'commands' : 'open', refusals.internal());
    }
  }

  async #open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, headers, url = '' } = request;
    const header = headers['last-event-id'];
    const read = readStreamQuery(url, typeof header === 'string' ? header : undefined);
    if (read.kind === 'fault') return this.#refuse(response, 'open', refusals.request(read.message));
    const last = readLastEventId(read.value.lastEventId, read.value.channels);
    if (last.kind === 'end') return this.#stop(response);
    // A response has no socket yet while the one before it is under way.
    if (response.socket === null) return this.#refuse(response, 'open', refusals.request('a stream needs a connection of its own'));
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
      return this.#refuse(response, 'open', refusals.request('a GET for a stream has no body: send commands by POST'));
    const admission = this.#options.admit(request);
    if (admission.kind === 'refused') return this.#refuseAtDoor(request, response, admission);
    this.#taken.add(socket);
    const identity = await this.#identityOf(headers.authorization);
    if (identity !== undefined && 'status' in identity) {
      this.#taken.delete(socket);
      return this.#refuse(response, 'open', identity);
    }
    if (!socket.writable) return;
    this.#count('open', 'opened');
    this.#begin(request, { query: read.value, places: last, identity });
  }

  /** The user of the request's token; `undefined` without one. */
  async #identityOf(authorization: string | undefined): Promise<Identity | Refusal | undefined> {
    if (authorization === undefined) return undefined;
    const token = bearerOf(authorization);
    if (token === undefined) return refusals.unauthenticated('send Authorization: Bearer TOKEN, or none');
    const result = await this.#options.surroundings.authenticate(token);
    if (result.kind === 'user') return result;
    return result.kind === 'late' ? refusals.auth() : refusals.unauthenticated(result.reason);
  }

  #begin(
    request: IncomingMessage,
    { query, places, identity }: { readonly query: StreamQuery; readonly places: QueriedPlaces; readonly identity: Identity | undefined },
  ): void {
    const { connections, streams, surroundings, greet, onTaken, random } = this.#options;
    const { rooms, clock } = surroundings;
    const { socket } = request;
    onTaken(socket);
    socket.write(streamHead(request.headers.origin, new Date(clock.wall())));
    const own = new StreamLines(query.channels, places.positions, random());
    const listener = connections.open(streamEncoding, streamWire(socket), handshakeOf(request, query), {
      own,
      listen: (connection) => {
        const secret = randomBytes(16).toString('base64url');
        const session = new Session(connection, new V1Dialect(connection, surroundings), surroundings);
        streams.add(connection.id, secret, session);
        onStreamEnd(socket, (end) => {
          streams.delete(connection.id);
          listener.ended(end);
        });
        greet(connection, streamName(connection.id, secret));
        if (identity !== undefined) identify(connection, { uid: identity.uid, ...endOf(identity.lastsMs, clock) }, rooms);
        session.begin(() => subscribeToQuery(connection, { query, places }, surroundings));
        return session;
      },
    });
  }

  /** Takes commands for a stream, here or at another gateway. */
  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#bucket.tryTake(this.#options.surroundings.clock.monotonic(), this.#rate, this.#rate))
      return this.#refuse(response, 'commands', refusals.rate(), 'limited');
    const body = await readBody(request, limits.streamBodyBytesMax, this.#bodies);
    if (body.kind === 'gone') return;
    if (body.kind === 'too-large') return this.#refuse(response, 'commands', refusals.bytes(limits.streamBodyBytesMax));
    if (body.kind === 'full') return this.#refuse(response, 'commands', refusals.crowded(), 'limited');
    try {
      await this.#hand(body.bytes.toString(), response);
    } finally {
      this.#bodies.leave(body.bytes.length);
    }
  }

  async #hand(text: string, response: ServerResponse): Promise<void> {
    const { streams, calls } = this.#options;
    const read = readStreamCommands(text);
    if (read.kind === 'fault') return this.#refuse(response, 'commands', refusals.request(read.message));
    const { gateway, client, secret, commands } = read.value;
    if (this.#options.connections.byId.has(client)) {
      if (streams.hand(client, secret, commands) === 'ended') return this.#refuse(response, 'commands', refusals.ended());
      return this.#accept(response, 'handed');
    }
    const answer = await calls.call(gateway, { method: 'stream', client, secret, commands }, limits.streamCallMsMax);
    if (answer.kind === 'unanswered') return this.#refuse(response, 'commands', refusals.unanswered());
    if (answer.reply.kind === 'done') return this.#accept(response, 'passed_on');
    return this.#refuse(response, 'commands', refusals.ended());
  }

  #accept(response: ServerResponse, result: StreamResult): void {
    this.#count('commands', result);
    response.writeHead(202, { ...answerHeaders, 'content-length': '0' }).end();
  }

  #preflight(response: ServerResponse): void {
    this.#count('other', 'preflight');
    response.writeHead(204, preflightHeaders).end();
  }

  /** Tells a client that comes back by itself to stay away. */
  #stop(response: ServerResponse): void {
    this.#count('open', 'stopped');
    response.writeHead(204, answerHeaders).end();
  }

  #refuseAtDoor(
    request: IncomingMessage,
    response: ServerResponse,
    { status, reason, message, retryAfterSeconds = 1 }: Extract<Admission, { kind: 'refused' }>,
  ): void {
    if (status === 403) return this.#refuse(response, 'open', { status, code: 'forbidden', message });
    // To an `EventSource` any status but 200 is final, and its page is not told which one it was.
    if (isEventSource(request)) {
      this.#count('open', 'unavailable');
      const end = closeEvent({ ...closeCodes.overloaded, reason: message });
      const head = { ...answerHeaders, 'content-type': 'text/event-stream', 'retry-after': String(retryAfterSeconds) };
      response.writeHead(200, head).end(`retry: ${retryAfterSeconds * 1000}\n${end.toString()}`);
      return;
    }
    this.#refuse(response, 'open', {
      status,
      code: reason === 'full' ? 'full' : 'unavailable',
      message,
      headers: { 'retry-after': String(retryAfterSeconds) },
    });
  }

  #refuse(
    response: ServerResponse,
    request: StreamRequestKind,
    { status, code, message, headers }: Refusal,
    result: StreamResult = refusedResult[status] ?? 'refused',
  ): void {
    this.#count(request, result);
    const body = `${JSON.stringify({ error: { code, message } })}\n`;
    const length = String(Buffer.byteLength(body));
    const out = { ...answerHeaders, 'content-type': 'application/json; charset=utf-8', 'content-length': length, ...headers };
    response.writeHead(status, out).end(response.req.method === 'HEAD' ? undefined : body);
  }

  #count(request: StreamRequestKind, result: StreamResult): void {
    this.#options.surroundings.metrics.streams.requests.inc({ request, result });
  }
}

/** Any page may read these: they hold nothing that is for one alone. */
const answerHeaders = {
  'cache-control': 'no-store',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'retry-after',
} as const;

const preflightHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'authorization, content-type, last-event-id, cache-control',
  'access-control-max-age': '86400',
} as const;

/** Whether a client takes nothing but events. Programs that read status codes accept more. */
function isEventSource({ headers }: IncomingMessage): boolean {
  return headers.accept?.trim().toLowerCase() === 'text/event-stream';
}

function handshakeOf({ headers, socket }: IncomingMessage, { sdk }: StreamQuery): Parameters<OpenConnections['open']>[2] {
  if (sdk === undefined) return { headers, socket };
  return { headers: { ...headers, 'sec-websocket-protocol': `${sdkProtocolPrefix}${sdk}` }, socket };
}
