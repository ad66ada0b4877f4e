import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setImmediate as afterInput, setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Bus } from '../core/bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { Policies } from '../core/policy/policy.ts';
import type { AdminStatus } from '../core/pool/admin-status.ts';
import { answerAdmin, type AdminSources } from '../core/process/admin.ts';
import type { Pages } from '../core/process/admin-server.ts';
import type { AdminApiParts } from '../core/process/admin-api.ts';
import { BytesInFlight } from '../core/process/bounded-read.ts';
import { createHttpServer } from '../core/process/http-server.ts';
import { listen } from '../core/process/lifecycle.ts';
import type { PlainAnswer } from '../core/process/plain-answer.ts';
import { plainHttpRefusal } from '../core/tls/handshakes.ts';
import type { Tls } from '../core/tls/tls.ts';
import { LoadMeter } from '../core/process/load-meter.ts';
import type { Logger } from '../core/process/logging.ts';
import { Pool } from '../core/process/pool.ts';
import { noTracer, type Tracer } from '../core/trace.ts';
import type { Settings } from '../core/process/settings.ts';
import { RegistryReader } from '../ops/registry-reader.ts';
import { Access } from './access.ts';
import { BatchPublishing } from './batch.ts';
import { publisherBounds, serverTimes } from './bounds.ts';
import { answerBody, refuse } from './errors.ts';
import { HttpApi } from './http.ts';
import { publisherJournal } from './log-lines.ts';
import { HeldPublications } from './held-publications.ts';
import { HistoryReader } from './history-reader.ts';
import { HistoryTurns } from './history-turns.ts';
import { Mesh } from './mesh.ts';
import { PublisherMetrics } from './metrics.ts';
import { PublisherOperations } from './operations.ts';
import { Recalls } from './recalls.ts';
import { ChannelRates } from './rate.ts';
import { RequestLog } from './request-log.ts';
import { SocketApi } from './socket.ts';

export interface PublisherOptions {
  readonly settings: Settings;
  /** The bus, which its maker closes. */
  readonly bus: Bus;
  /** The buses of this process for the admin status, where a pool document chooses among them. */
  readonly inUse?: () => NonNullable<AdminStatus['bus']>;
  /** Reads the policies in force, at each publication. */
  readonly policies: () => Policies;
  /** The pool, if any: the publisher is not ready before its first document. */
  readonly pool?: Pool;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
  /** Sources of `/readyz` and `/metrics` on the publisher's port when there is no admin port; absent: its own. */
  readonly admin?: AdminSources;
  /** Answers requests before the publish API does. */
  readonly pages?: Pages;
  /** Absent: the port speaks plain HTTP. */
  readonly tls?: Tls | undefined;
  readonly pingIntervalMs?: number;
  readonly requestMs?: number;
  readonly socketsMax?: number;
  /** Time in which each answer says `Connection: close` before idle connections are closed, in milliseconds. */
  readonly farewellMs?: number;
}

/** The publish API on its port: HTTP and WebSocket, from `start` to `close`. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #pool: Pool;
  readonly #http: HttpApi;
  readonly #sockets: SocketApi;
  readonly #log: RequestLog;
  readonly #held: HeldPublications;
  readonly #server: Server;
  readonly #load = new LoadMeter({ bytesSent: () => 0, refused: () => 0 });
  #port = 0;
  #isLeaving = false;

  private constructor(options: PublisherOptions) {
    const { bus, policies, registry, logger, clock, settings, tracer = noTracer } = options;
    this.#options = options;
    this.#pool = options.pool ?? new Pool({ publicKeyPem: '', logger });
    const access = new Access(settings.apiKeys);
    const inFlight = new BytesInFlight(publisherBounds.requestBytesInFlightMax);
    this.#held = new HeldPublications({ bus, clock });
    const metrics = new PublisherMetrics(registry, {
      socketConnections: () => this.#sockets.connections,
      requestBytesInFlight: () => inFlight.bytes,
      sockets: () => sockets.open,
      held: () => this.#held,
      historyReaders: () => turns.size,
    });
    const log = new RequestLog({ logger, clock, registry, trustedProxies: settings.trustedProxies });
    this.#log = log;
    const journal = publisherJournal(logger, clock);
    const rates = new ChannelRates({ channelsMax: publisherBounds.rateChannelsMax });
    const parts = { bus, held: this.#held, policies, rates, metrics, journal, log, clock, tracer };
    const mesh = new Mesh(parts);
    const batch = new BatchPublishing(parts);
    const recalls = new Recalls(parts);
    const turns = new HistoryTurns(clock, publisherBounds.historyAnswersMax);
    const history = new HistoryReader({ bus, policies, journal, metrics, log, clock });
    this.#http = new HttpApi({ access, mesh, batch, recalls, history, turns, clock, inFlight, metrics, log, tracer });
    const pingIntervalMs = options.pingIntervalMs ?? publisherBounds.socketPingIntervalMs;
    this.#sockets = new SocketApi({ access, mesh, inFlight, metrics, log, pingIntervalMs, tracer });
    const { server, sockets } = createHttpServer({
      request: (request, response) => this.#request(request, response),
      upgrade: (request, socket, head) => this.#sockets.upgrade(request, socket, head),
      keepAliveMs: settings.httpKeepAliveMs,
      headersMs: Math.min(serverTimes.headersMs, options.requestMs ?? serverTimes.requestMs),
      requestMs: options.requestMs ?? serverTimes.requestMs,
      socketsMax: options.socketsMax ?? publisherBounds.socketsMax,
      onCrowded: () => metrics.crowded(),
      unreadable: { form: inForm, onUnreadable: (error, socket) => log.unreadable(socket.remoteAddress, error.code ?? error.name) },
      tls: options.tls && {
        tls: options.tls,
        port: 'publish',
        handshakesPerSecond: publisherBounds.handshakesPerSecondMax,
        plainAnswer: inForm(plainHttpRefusal),
        onFailed: (address, reason) => log.handshakeFailed(address, reason),
      },
    });
    this.#server = server;
  }

  /**
   * Listens at the settings' address, and registers its metrics: once in a registry.
   * @throws the system's error when the port is taken
   */
  static async start(options: PublisherOptions): Promise<Publisher> {
    const publisher = new Publisher(options);
    const { publisherHost: host, publisherPort: port } = options.settings;
    try {
      publisher.#port = await listen(publisher.#server, { host, port });
    } catch (error) {
      publisher.#sockets.close();
      publisher.#load.close();
      throw error;
    }
    return publisher;
  }

  /** The port in use. */
  get port(): number {
    return this.#port;
  }

  get admin(): AdminSources {
    return { registry: this.#options.registry, waitingFor: () => this.#waitingFor() };
  }

  /** The operator's access, on the admin port: a publisher has nothing to drain. */
  get adminApi(): AdminApiParts {
    return { status: () => this.#status(), pool: this.#pool };
  }

  /** The publisher's part of the operations page. */
  operations(): PublisherOperations {
    const { registry, clock } = this.#options;
    return new PublisherOperations({ reader: new RegistryReader(registry), clock });
  }

  /**
   * Sends backends elsewhere, answers the accepted requests, and ends. Each answer ends its connection from now on. So
   * a backend that publishes often leaves by itself, and no request meets a closing connection.
   */
  async close(): Promise<void> {
    this.#isLeaving = true;
    this.#load.close();
    await sleep(this.#options.farewellMs ?? serverTimes.farewellMs);
    // Pending input is read first: a connection with an unread request must not count as idle.
    await afterInput();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#held.leave();
    this.#sockets.close();
    const cutOff = setTimeout(() => {
      this.#sockets.terminate();
      this.#server.closeAllConnections();
    }, serverTimes.leavingMs);
    await closed;
    clearTimeout(cutOff);
    this.#log.close();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { settings, admin, pages } = this.#options;
    if (settings.adminPort === undefined && answerAdmin(admin ?? this.admin, request, response)) return;
    if (settings.adminPort === undefined && pages?.answer(request, response) === true) return;
    if (this.#isLeaving) response.shouldKeepAlive = false;
    void this.#http.answer(request, response);
  }

  #waitingFor(): readonly string[] {
    const state = this.#options.bus.state();
    const isWithoutDocument = this.#pool.publicKeyPem !== '' && this.#pool.document === undefined;
    return [
      ...(this.#isLeaving ? ['nothing, the process is leaving'] : []),
      ...(isWithoutDocument ? ['a pool document'] : []),
      ...(state.up ? [] : [`the bus: ${state.reason}`]),
    ];
  }

  #status(): AdminStatus {
    const { gatewayName: name, podUid } = this.#options.settings;
    const waitingFor = this.#waitingFor();
    return {
      role: 'publisher',
      name,
      uid: podUid === '' ? name : podUid,
      poolEpoch: this.#pool.epoch,
      policiesHash: this.#pool.policiesHash,
      ready: waitingFor.length === 0,
      waitingFor: [...waitingFor],
      connections: this.#sockets.connections,
      subscriptions: 0,
      rooms: 0,
      ...this.#load.read(),
      drain: { state: 'serving', movedConnections: 0 },
      bus: this.#options.inUse?.(),
      topChannels: [],
    };
  }
}

/** An answer to what is no request, in the form of the publish API's refusals. */
function inForm(words: string): PlainAnswer {
  const body = `${JSON.stringify(answerBody(refuse('badArguments', words)))}\n`;
  return { contentType: 'application/json; charset=utf-8', body };
}
