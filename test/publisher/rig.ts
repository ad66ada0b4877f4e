import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { WebSocket } from 'ws';
import type { Bus, ChannelLog, GatewayCalls, GatewayReply, GatewayRequest, GatewayServer, RoomCounts } from '../../core/bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { Policies, policyFileSchema } from '../../core/policy/policy.ts';
import type { LogBatch, Publication } from '../../core/publication.ts';
import { readSettings, type Settings } from '../../core/process/settings.ts';
import { Publisher } from '../../publisher/publisher.ts';

/** A gateway as far as the bus can see: it answers calls with what the test says and keeps what it was asked. */
export class StandInGateway implements GatewayServer {
  readonly name: string;
  readonly requests: GatewayRequest[] = [];
  readonly counts = new Map<string, RoomCounts>();
  reply: (request: GatewayRequest) => Promise<GatewayReply> | GatewayReply = () => ({ kind: 'done' });

  constructor(name: string) {
    this.name = name;
  }

  async answer(request: GatewayRequest): Promise<GatewayReply> {
    this.requests.push(request);
    return await this.reply(request);
  }

  rooms(): Iterable<readonly [channel: string, counts: RoomCounts]> {
    return this.counts;
  }

  roomCounts(channel: string): RoomCounts {
    return this.counts.get(channel) ?? { ready: 0, full: 0 };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly E: { readonly c: number; readonly m: string } | null; readonly r?: Readonly<Record<string, unknown>> };
}

interface RigOptions {
  readonly bus?: Bus;
  readonly apiKeys?: readonly string[];
  readonly channels?: readonly unknown[];
  readonly clock?: Clock;
  readonly pingIntervalMs?: number;
  readonly requestMs?: number;
  readonly socketsMax?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

function settingsOf(variables: Readonly<Record<string, string>>): Settings {
  const read = readSettings({ BARRAGE_PUBLISHER_PORT: '0', BARRAGE_ADMIN_PORT: '0', ...variables });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  return read.settings;
}

/** A publisher on a real server with a memory bus and one gateway, number 1. */
export class Rig {
  readonly bus: Bus;
  readonly gateway = new StandInGateway('gateway-one');
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly #sockets: WebSocket[] = [];
  readonly #rawSockets: Socket[] = [];

  private constructor(bus: Bus, registry: Registry, publisher: Publisher) {
    this.bus = bus;
    this.registry = registry;
    this.publisher = publisher;
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const bus = options.bus ?? createMemoryBus();
    const registry = new Registry();
    const policies = new Policies(policyFileSchema.parse({ channels: options.channels ?? [] }).channels);
    const { clock = systemClock, pingIntervalMs, requestMs, socketsMax } = options;
    const publisher = await Publisher.start({
      settings: settingsOf({ BARRAGE_API_KEYS: (options.apiKeys ?? []).join(','), ...options.settings }),
      bus,
      policies: () => policies,
      registry,
      logger: pino({ level: 'silent' }),
      clock,
      farewellMs: 0,
      ...(pingIntervalMs === undefined ? {} : { pingIntervalMs }),
      ...(requestMs === undefined ? {} : { requestMs }),
      ...(socketsMax === undefined ? {} : { socketsMax }),
    });
    const rig = new Rig(bus, registry, publisher);
    await bus.calls.serve(rig.gateway);
    return rig;
  }

  get port(): number {
    return this.publisher.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#rawSockets) socket.destroy();
    for (const socket of this.#sockets) socket.terminate();
    await this.publisher.close();
    await this.bus.close();
  }

  /** Posts a body, JSON unless it is bytes already; headers may be taken away with `undefined`. */
  async post(path: string, body: unknown, headers: Readonly<Record<string, string | undefined>> = {}): Promise<Answer> {
    return await this.ask('POST', path, { body, headers });
  }

  async publish(body: unknown): Promise<Answer> {
    return await this.post('/v1/mesh/publish', body);
  }

  async send(body: unknown): Promise<Answer> {
    return await this.post('/v1/mesh/send', body);
  }

  async ask(
    method: string,
    path: string,
    { body, headers = {} }: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string | undefined>> } = {},
  ): Promise<Answer> {
    const bytes = body instanceof Buffer ? body : Buffer.from(body === undefined ? '' : JSON.stringify(body));
    const all = Object.entries({ 'content-type': 'application/json', ...headers }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const request = httpRequest({ host: '127.0.0.1', port: this.port, method, path, headers: Object.fromEntries(all) });
    request.end(bytes);
    const [response] = await once(request, 'response');
    // An answer may come while the body is still being sent; what happens to the rest of it is not of interest.
    request.on('error', () => undefined);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, headers: response.headers, body: JSON.parse(Buffer.concat(chunks).toString()) };
  }

  /** A TCP connection to the publisher, for what no client library would send. */
  async raw(): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => undefined);
    this.#rawSockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  /** An open connection to the WebSocket API. */
  async connect(headers: Record<string, string> = {}): Promise<ApiConnection> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/ws/v1`, { headers });
    this.#sockets.push(socket);
    const connection = new ApiConnection(socket);
    await once(socket, 'open');
    return connection;
  }

  /** The status with which an upgrade was refused. */
  async upgradeStatus(path: string, headers: Record<string, string> = {}): Promise<number> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}${path}`, { headers });
    this.#sockets.push(socket);
    socket.on('error', () => undefined);
    const [, response] = await once(socket, 'unexpected-response');
    response.resume();
    return response.statusCode;
  }

  /** What the channel's log was given from now on. */
  async logOf(channel: string): Promise<readonly Publication[]> {
    const publications: Publication[] = [];
    await this.bus.log.subscribe(channel, {
      onBatch: (batch: LogBatch) => void publications.push(...batch.publications),
      onResubscribed: () => undefined,
    });
    return publications;
  }

  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const metric = await this.registry.getSingleMetric(name)?.get();
    return metric?.values.find((value) =>
      Object.entries(labels).every(([label, text]) => (value.labels as Record<string, unknown>)[label] === text),
    )?.value;
  }
}

/** The bus's log with another `append`, as a bus in trouble would have. */
export function faultyLog(bus: Bus, append: ChannelLog['append']): ChannelLog {
  return {
    append,
    history: (channel, query) => bus.log.history(channel, query),
    subscribe: (channel, subscriber) => bus.log.subscribe(channel, subscriber),
    unsubscribe: (channel) => bus.log.unsubscribe(channel),
  };
}

/** The bus's calls with another `callAll`. */
export function faultyCalls({ calls }: Bus, { callAll }: Pick<GatewayCalls, 'callAll'>): GatewayCalls {
  return {
    callAll,
    serve: (server) => calls.serve(server),
    call: (gateway, request, deadlineMs) => calls.call(gateway, request, deadlineMs),
    memberCounts: (channel) => calls.memberCounts(channel),
    countMembers: (channel) => calls.countMembers(channel),
  };
}

/** A connection to the WebSocket API that keeps frames in the order in which they came. */
export class ApiConnection {
  readonly socket: WebSocket;
  readonly #frames: string[] = [];
  readonly #waiting: ((frame: string) => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      const frame = (data as Buffer).toString();
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#frames.push(frame);
      else waiting(frame);
    });
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  async next(): Promise<string> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return frame;
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends a request and reads one answer. */
  async ask(frame: unknown): Promise<Answer['body'] & { readonly i?: unknown }> {
    this.send(frame);
    return JSON.parse(await this.next());
  }

  async closed(): Promise<number> {
    if (this.socket.readyState === WebSocket.CLOSED) return 0;
    const [code] = await once(this.socket, 'close');
    return code;
  }
}
