import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { AdminStatus } from '../core/pool/admin-status.ts';
import type { Bus, GatewayServer } from '../core/bus/bus.ts';
import { limits } from '../core/limits.ts';
import type { AdminSources } from '../core/process/admin.ts';
import type { AdminApiParts } from '../core/process/admin-api.ts';
import { createHttpServer } from '../core/process/http-server.ts';
import { plainText } from '../core/process/plain-answer.ts';
import { listen } from '../core/process/lifecycle.ts';
import { LoadMeter } from '../core/process/load-meter.ts';
import type { Logger } from '../core/process/logging.ts';
import { Pool } from '../core/process/pool.ts';
import type { Tls } from '../core/tls/tls.ts';
import type { Settings } from '../core/process/settings.ts';
import type { Policies } from '../core/policy/policy.ts';
import { plainEncoding } from './encoding/encodings.ts';
import { answerCall, type Answerable } from './commands/backend-calls.ts';
import { authenticatorOf } from './identity/authenticator.ts';
import { ClientPublishing } from './commands/client-publishing.ts';
import type { ConnectState } from './moving/connect-answer.ts';
import type { Connection } from './connections/connection.ts';
import { clientsPort } from './connections/clients-port.ts';
import { OpenConnections, type ClientListener } from './connections/open-connections.ts';
import { Aging } from './moving/aging.ts';
import { Drainer } from './moving/drainer.ts';
import { reachOf } from './moving/reach.ts';
import { DoneFlushes } from './rooms/done-flushes.ts';
import { noTracer, type Tracer } from '../core/trace.ts';
import { FanOut } from './rooms/fan-out.ts';
import { openClientLog, type ClientLog } from './accounts/client-log.ts';
import { gatewayJournal, type GatewayJournal } from './accounts/log-lines.ts';
import { GatewayMetrics } from './accounts/metrics.ts';
import { MemberCounter } from './commands/member-counter.ts';
import { GatewayNumber } from './gateway-number.ts';
import { GatewayOperations } from './operations.ts';
import { CommandTurns } from './commands/command-turns.ts';
import { PlainDialect } from './commands/plain-dialect.ts';
import { PullEndpoint } from './pull/pull-endpoint.ts';
import { Readiness } from './readiness.ts';
import { Rooms } from './rooms/rooms.ts';
import { ScriptEndpoint } from './script/script-endpoint.ts';
import { Session, type SessionSurroundings } from './commands/session.ts';
import { FrontDoor } from './connections/front-door.ts';
import { acceptWebSockets } from './connections/web-sockets.ts';
import { answerRequest, type WebParts } from './web-requests.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { topChannels } from './rooms/top-channels.ts';
import { helloOf } from './connections/hello.ts';
import { Reception } from './connections/reception.ts';
import { OpenStreams } from './streams/open-streams.ts';
import { StreamEndpoint } from './streams/stream-endpoint.ts';
import { V1Dialect } from './commands/v1-dialect.ts';

export interface GatewayOptions {
  readonly settings: Settings;
  readonly bus: Bus;
  /** The buses of this process for the admin status, where a pool document chooses among them. */
  readonly inUse?: () => NonNullable<AdminStatus['bus']>;
  readonly policies: Policies;
  /**
   * The pool's document and policies take the place of `policies` once there are any. Until then the gateway accepts no
   * client.
   */
  readonly pool?: Pool;
  readonly registry: Registry;
  readonly logger: Logger;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
  /** Answers the HTTP requests that the gateway itself does not serve. */
  readonly site?: RequestListener;
  /** Absent: the clients' port speaks plain HTTP. */
  readonly tls?: Tls | undefined;
}

/**
 * One process that holds clients' connections: rooms, merging, fan-out. It gets publications from the bus, and answers
 * the bus' calls.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #connections: OpenConnections;
  readonly #metrics: GatewayMetrics;
  readonly #rooms: Rooms;
  readonly #pool: Pool;
  readonly #number: GatewayNumber;
  readonly #readiness: Readiness;
  readonly #drainer: Drainer;
  readonly #aging: Aging;
  readonly #reception: Reception;
  readonly #load: LoadMeter;
  readonly #door: FrontDoor;
  readonly #journal: GatewayJournal;
  readonly #clients: ClientLog;
  readonly #server: Server;
  readonly #surroundings: SessionSurroundings;
  readonly #documents: Pick<WebParts, 'pull' | 'script'>;
  readonly #streams: StreamEndpoint;
  readonly #answerable: Answerable;
  #port = 0;

  private constructor(options: GatewayOptions) {
    const { bus, registry, settings, logger, tracer = noTracer } = options;
    this.#options = options;
    this.#pool = options.pool ?? new Pool({ publicKeyPem: '', logger });
    this.#pool.onChange(() => this.#poolChanged());
    this.#metrics = new GatewayMetrics(registry, {
      connectionsMax: () => settings.connectionsMax,
      sockets: () => sockets.open,
      subscriptions: () => this.#rooms.subscriptions,
      rooms: () => this.#rooms.size,
      busUp: () => bus.state().up,
      stretchedRooms: () => this.#rooms.stretched,
      fanOutShare: () => this.#rooms.demand,
    });
    this.#journal = gatewayJournal(logger, systemClock);
    this.#number = new GatewayNumber(this.#journal);
    this.#readiness = new Readiness({
      pool: this.#pool,
      busState: () => bus.state(),
      hasNumber: () => this.#number.isKnown,
      isDraining: () => this.#drainer.isDraining,
    });
    const clients = openClientLog({ logger, registry, clock: systemClock, trustedProxies: settings.trustedProxies });
    this.#clients = clients;
    const fanOut = new FanOut({ clock: systemClock, onSlice: (milliseconds) => this.#metrics.slice(milliseconds) });
    this.#rooms = new Rooms({
      log: bus.log,
      policies: this.#pool.document === undefined ? options.policies : this.#pool.policies,
      surroundings: { fanOut, metrics: this.#metrics, clock: systemClock, done: new DoneFlushes(), tracer },
      logger,
      clients,
      share: settings.fanOutPercent / 100,
    });
    this.#reception = new Reception({ settings, clock: systemClock, connections: () => this.#connections.size });
    this.#connections = new OpenConnections({
      rooms: this.#rooms,
      metrics: this.#metrics,
      clock: systemClock,
      times: settings,
      nextId: () => this.#number.nextId(),
      reachOf: (handshake) => reachOf(handshake, { document: this.#pool.document, uid: this.#uid }),
      listen: (connection) => this.#listen(connection),
      onLook: (connection) => this.#reception.tell(connection),
    });
    const movable = { connections: this.#connections.byId, clock: systemClock, registry, clients };
    this.#drainer = new Drainer({
      ...movable,
      placement: () => this.#pool.placement,
      uid: this.#uid,
      onSlice: (milliseconds) => this.#metrics.loopSlice('drain', milliseconds),
      logger,
    });
    this.#aging = new Aging({
      ...movable,
      settings,
      isHeld: () => this.#readiness.isUnready || this.#reception.isCrowded,
      random: Math.random,
      onSlice: (milliseconds) => this.#metrics.loopSlice('age', milliseconds),
    });
    const accounts = { metrics: this.#metrics, clients, journal: this.#journal, clock: systemClock };
    const isUnready = (): boolean => this.#readiness.isUnready;
    this.#door = new FrontDoor({ ...accounts, settings, reception: this.#reception, isUnready, random: Math.random });
    this.#load = new LoadMeter({ bytesSent: () => this.#metrics.bytesSent, refused: () => this.#door.refusedForFullness });
    this.#surroundings = {
      rooms: this.#rooms,
      authenticate: authenticatorOf(settings, { logger, clock: systemClock }),
      publishing: new ClientPublishing(bus.log),
      countMembers: new MemberCounter({ calls: bus.calls, onCount: (result) => this.#metrics.counts.inc({ result }) }).count,
      ...accounts,
      turns: new CommandTurns({ clock: systemClock, metrics: this.#metrics }),
      tracer,
    };
    const openStreams = new OpenStreams();
    this.#answerable = { connections: this.#connections.byId, rooms: this.#rooms, hand: (...given) => openStreams.hand(...given) };
    const pull = new PullEndpoint({
      settings,
      log: bus.log,
      policies: () => (this.#readiness.isWithoutDocument ? undefined : this.#rooms.policies),
      authenticate: this.#surroundings.authenticate,
      metrics: this.#metrics.pull,
      journal: this.#journal,
      clock: systemClock,
    });
    this.#documents = { pull, script: new ScriptEndpoint({ requests: this.#metrics.scriptRequests, journal: this.#journal }) };
    this.#streams = new StreamEndpoint({
      connections: this.#connections,
      streams: openStreams,
      calls: bus.calls,
      surroundings: this.#surroundings,
      admit: (request) => this.#door.admit(request),
      greet: (connection, stream) => this.#greet(connection, stream),
      onTaken: (socket) => sockets.upgraded(socket),
      random: Math.random,
    });
    const { server, sockets } = createHttpServer({
      request: (request, response) => this.#request(request, response),
      upgrade: acceptWebSockets({
        admit: (request) => this.#door.admit(request),
        open: (encoding, wire, handshake) => this.#connections.open(encoding, wire, handshake),
      }),
      ...clientsPort({ settings, tls: options.tls, clients }),
      unreadable: {
        form: plainText,
        onUnreadable: (error, socket) => this.#door.unreadable(error, socket),
        isTaken: (socket) => this.#streams.holds(socket),
      },
      onCrowded: (socket) => this.#door.crowdedOut(socket),
    });
    this.#server = server;
    this.#poolChanged();
  }

  /**
   * Listens, and takes a gateway number from the bus, as soon as the bus is there.
   * @throws an error of the system when the port is taken
   */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options);
    try {
      gateway.#port = await listen(gateway.#server, { host: options.settings.gatewayHost, port: options.settings.gatewayPort });
      await gateway.#number.take(options.bus.calls, gateway.#callServer());
    } catch (error) {
      gateway.#connections.close();
      gateway.#aging.close();
      await gateway.#rooms.close();
      gateway.#load.close();
      gateway.#server.close();
      throw error;
    }
    return gateway;
  }

  /** The port in use. */
  get port(): number {
    return this.#port;
  }

  /** For tests of the accounts: the process's tally and the open rooms. */
  get rooms(): Rooms {
    return this.#rooms;
  }

  /** For tests: the open connections, by their ids. */
  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections.byId;
  }

  get metrics(): GatewayMetrics {
    return this.#metrics;
  }

  get admin(): AdminSources {
    return { registry: this.#options.registry, waitingFor: () => this.#readiness.waitingFor };
  }

  setPolicies(policies: Policies): void {
    this.#rooms.setPolicies(policies);
  }

  /** The operator's questions and commands, on the admin port. */
  get adminApi(): AdminApiParts {
    return { status: () => this.#status(), pool: this.#pool, drain: (command) => this.#drainer.follow(command) };
  }

  /** The gateway's part of the operations page. */
  operations(): GatewayOperations {
    const { registry, settings } = this.#options;
    const parts = { rooms: this.#rooms, connections: this.#connections, metrics: this.#metrics };
    return new GatewayOperations({ ...parts, registry, clock: systemClock, settings, drain: () => this.#drainer.state });
  }

  /**
   * Drains, and ends. The gateway accepts no new client. It asks the others to go elsewhere, at the rate and within the
   * time of the settings, and serves them meanwhile.
   */
  async close(): Promise<void> {
    this.#readiness.leave();
    this.#number.giveUp();
    const { drainMs: withinMs, drainConnectionsPerSecond: connectionsPerSecond } = this.#options.settings;
    await this.#drainer.finish({ withinMs, connectionsPerSecond });
    this.#connections.close();
    this.#aging.close();
    await this.#rooms.close();
    this.#load.close();
    this.#server.closeIdleConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
      // A client that does not answer the closing handshake is cut off.
      setTimeout(() => {
        this.#connections.terminate();
        this.#server.closeAllConnections();
      }, 500).unref();
    });
    this.#clients.close();
  }

  /** Lets `close` end without waiting for the clients that are still connected. */
  hasten(): void {
    this.#drainer.hasten();
  }

  get #uid(): string {
    const { podUid, gatewayName } = this.#options.settings;
    return podUid === '' ? gatewayName : podUid;
  }

  /** The gateway as the bus calls it. */
  #callServer(): GatewayServer {
    return {
      name: this.#options.settings.gatewayName,
      answer: (request, deadlineMs) => answerCall(request, deadlineMs, this.#answerable),
      rooms: () => this.#rooms.allCounts(),
      roomCounts: (channel) => this.#rooms.counts(channel),
    };
  }

  #status(): AdminStatus {
    const { waitingFor } = this.#readiness;
    return {
      role: 'gateway',
      name: this.#options.settings.gatewayName,
      uid: this.#uid,
      time: systemClock.wall(),
      poolEpoch: this.#pool.epoch,
      policiesHash: this.#pool.policiesHash,
      ready: waitingFor.length === 0,
      waitingFor: [...waitingFor],
      connections: this.#connections.size,
      subscriptions: this.#rooms.subscriptions,
      rooms: this.#rooms.size,
      ...this.#load.read(),
      drain: this.#drainer.state,
      bus: this.#options.inUse?.(),
      topChannels: [...topChannels(this.#rooms.allCounts(), limits.topChannelsMax)],
    };
  }

  #poolChanged(): void {
    const { document } = this.#pool;
    if (document === undefined) return;
    this.#reception.others = document.gateways.filter(({ uid, state }) => state === 'serving' && uid !== this.#uid).length;
    this.setPolicies(this.#pool.policies);
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { settings, site } = this.#options;
    const admin = settings.adminPort === undefined ? this.admin : undefined;
    answerRequest(request, response, { ...this.#documents, admin, connectState: () => this.#connectState, streams: this.#streams, site });
  }

  get #connectState(): ConnectState {
    const { placement, epoch, document } = this.#pool;
    const { dialBackoff: backoff, isFull, isCrowded: isRefusing } = this.#reception;
    const isCrowded = this.#readiness.isUnready || isRefusing;
    const parts = { placement, epoch, document, backoff, isFull, isCrowded };
    return { ...parts, uid: this.#uid, policies: this.#rooms.policies, pages: this.#door.pages };
  }

  #listen(connection: Connection): ClientListener {
    const dialect = new (connection.encoding === plainEncoding ? PlainDialect : V1Dialect)(connection, this.#surroundings);
    this.#greet(connection);
    return new Session(connection, dialect, this.#surroundings);
  }

  /** @param stream of an event stream */
  #greet(connection: Connection, stream?: string): void {
    const hello = helloOf(connection.id, this.#surroundings.clock.wall(), this.#options.settings, this.#reception.backoff);
    connection.toldBaseMs = hello.backoff.baseMs;
    this.#aging.opened(connection);
    connection.tell(stream === undefined ? hello : { ...hello, stream });
  }
}
