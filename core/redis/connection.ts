import { TLSSocket } from 'node:tls';
import { Redis } from './client.ts';
import { backoffMs } from '../backoff.ts';
import { BusUnavailable, type BusState } from '../bus/bus.ts';
import type { EndpointOptions } from './access.ts';
import { troubleOf } from './append-failures.ts';
import type { ConnectionPurpose } from './bus-accounts.ts';
import { scripts, type ScriptedRedis } from './scripts.ts';
import { endsSentinelRound, SentinelRound } from './sentinel-round.ts';
import { backlogFault, connectionFault, mastershipOf, replicationFault, runIdOf, serverFault, type ServerKind } from './server-answers.ts';
import type { RedisSurroundings } from './surroundings.ts';
import { reasonOf } from '../process/sparse-log.ts';

/** Longest wait for the answer to any command, in milliseconds. */
export const commandTimeoutMs = 2000;
const connectTimeoutMs = 2000;
/** Longest wait for a Sentinel's answer, in milliseconds; then the next one is asked. */
const sentinelTimeoutMs = 1000;
/** The jitter keeps gateways from coming back in step. */
const reconnectBackoff = { baseMs: 100, capMs: 500, floorMs: 50 };
const healthIntervalMs = 500;
/** Turns of the health timer without an answer after which Redis counts as hung: 1.5 to 2 s. */
const silentTurnsDown = 3;
/** Unanswered turns after which the connection is made anew: its machine may be gone. */
const silentTurnsBreak = 12;
/** The same with Sentinels, which may name another master meanwhile. */
const silentTurnsBreakSentinel = 4;
const connectionBroke = 'the connection to Redis broke';

export interface ConnectionListener {
  /** A new connection is usable. The server's reign stays the same for its lifetime. */
  onOpen(): void;
  /** The connection broke, and with it all its subscriptions. */
  onLost(): void;
  onStateChange(state: BusState): void;
}

/**
 * One connection to Redis that reconnects until `close`.
 *
 * No command is queued while it is down. It is usable once the server's reign has been read on it: offsets given under
 * a wrong reign could be given twice.
 *
 * A reign is the server's run id and replication id. A restart changes the run id; a promotion changes the replication
 * id. A master that is demoted and promoted again without a restart may also have lost its last appends.
 */
export class RedisConnection {
  readonly client: ScriptedRedis;
  readonly #kind: ServerKind;
  readonly #purpose: ConnectionPurpose;
  readonly #silentTurnsBreak: number;
  readonly #surroundings: RedisSurroundings;
  readonly #stopHealth: () => void;
  #listener: ConnectionListener | undefined;
  #reign: string | undefined;
  #mastership: string | undefined;
  #state: BusState = { up: false, reason: 'connecting to Redis' };
  #generation = 0;
  /** Whether a connection has been usable before. */
  #wasOpen = false;
  #silentTurns = 0;
  #pinging = false;
  #fault = connectionBroke;
  /**
   * Refused servers in a row: they accepted the connection but must not be used. The client counts those connections as
   * made.
   */
  #refusals = 0;
  /** Settles when the first attempt to connect has succeeded or failed. */
  readonly #firstAttempt: Promise<void>;
  #endFirstAttempt: () => void = () => undefined;
  #attempted = false;
  /** The last fault of the server's output buffer bound that was warned of. */
  #warnedOf: string | undefined;
  #certificateEndsAt: number | undefined;
  #closed = false;

  constructor(options: {
    readonly endpoint: EndpointOptions;
    /** 'cluster' for a server that must be a Cluster's node, 'single' for a server that must not. */
    readonly kind: ServerKind;
    readonly purpose: ConnectionPurpose;
    readonly surroundings: RedisSurroundings;
  }) {
    const { endpoint, surroundings } = options;
    const { random, clock } = surroundings;
    this.#kind = options.kind;
    this.#purpose = options.purpose;
    this.#silentTurnsBreak = endpoint.sentinels === undefined ? silentTurnsBreak : silentTurnsBreakSentinel;
    this.#surroundings = surroundings;
    // The client counts attempts from 1.
    const retryDelayMs = (attempt: number): number => backoffMs(Math.max(attempt, this.#refusals) - 1, reconnectBackoff, random);
    this.#firstAttempt = new Promise((resolve) => (this.#endFirstAttempt = resolve));
    this.client = new Redis({
      ...endpoint,
      scripts,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: commandTimeoutMs,
      connectTimeout: connectTimeoutMs,
      maxLoadingRetryTime: reconnectBackoff.capMs,
      keepAlive: 10_000,
      retryStrategy: retryDelayMs,
      sentinelRetryStrategy: retryDelayMs,
      sentinelCommandTimeout: sentinelTimeoutMs,
      // A master that became a replica: find the new one by connecting again.
      reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    }) as ScriptedRedis;
    const sentinels = new SentinelRound(endpoint.name ?? '');
    this.client.on('sentinelError', (error: Error) => sentinels.add(error));
    this.client.on('error', (error: Error) => {
      if (endsSentinelRound(error)) {
        const words = sentinels.end();
        if (words !== undefined) this.#failed(new Error(words));
        return;
      }
      this.#failed(error);
      // An answer without a question: answers can't be matched to commands any more.
      if (error.message.startsWith('Command queue state error')) this.breakOff();
    });
    this.client.on('ready', () => void this.#open());
    this.client.on('close', () => {
      sentinels.clear();
      this.#lost();
    });
    this.#stopHealth = clock.every(healthIntervalMs, () => this.#checkHealth());
  }

  get state(): BusState {
    return this.#state;
  }

  /**
   * End of the certificate that the server showed last, in Unix milliseconds; `undefined` without TLS, or before the
   * first connection.
   */
  get certificateEndsAt(): number | undefined {
    return this.#certificateEndsAt;
  }

  /** The reign of the connected server; `undefined` without a connection. */
  get reign(): string | undefined {
    return this.#reign;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  /**
   * The server's reign, if commands can be sent now. Waits for the end of the first attempt to connect.
   * @throws BusUnavailable
   */
  async use(): Promise<string> {
    if (!this.#attempted) await this.#firstAttempt;
    if (!this.#state.up) throw new BusUnavailable(this.#state.reason);
    if (this.#reign === undefined) throw new BusUnavailable(this.#fault);
    return this.#reign;
  }

  /** Ends the present connection, so that a new one is made. */
  breakOff(): void {
    this.client.stream.destroy();
  }

  close(): void {
    this.#stopHealth();
    this.#fault = 'the bus is closed';
    this.#closed = true;
    this.#lost();
    this.client.disconnect();
  }

  async #open(): Promise<void> {
    const generation = ++this.#generation;
    try {
      const asked = [this.client.info('server'), this.client.info('replication'), this.client.client('INFO')] as const;
      const [server, replication, connection] = await Promise.all(asked);
      if (generation !== this.#generation) return;
      const fault = serverFault(server, this.#kind) ?? replicationFault(replication) ?? connectionFault(String(connection));
      if (fault !== undefined) throw new Error(fault);
      this.#refusals = 0;
      this.#certificateEndsAt = certificateEnd(this.client.stream);
      this.#mastership = mastershipOf(replication);
      this.#reign = `${runIdOf(server)}${this.#mastership?.slice(0, 20)}`;
      this.#silentTurns = 0;
      this.#pinging = false;
      this.#fault = connectionBroke;
      if (this.#wasOpen) this.#surroundings.accounts.reconnected(this.#purpose);
      this.#wasOpen = true;
      this.#listener?.onOpen();
      this.#become({ up: true });
      this.#attempted = true;
      this.#endFirstAttempt();
      if (this.#purpose === 'subscriptions') void this.#checkBacklog();
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#refusals++;
      this.#failed(error as Error);
      this.client.disconnect(true);
    }
  }

  #lost(): void {
    this.#generation++;
    const wasOpen = this.#reign !== undefined;
    this.#reign = undefined;
    if (wasOpen) this.#listener?.onLost();
    this.#down();
  }

  #down(): void {
    this.#become({ up: false, reason: this.#fault });
    this.#attempted = true;
    this.#endFirstAttempt();
  }

  #failed(error: Error): void {
    if (this.#closed) return;
    this.#fault = `Redis: ${reasonOf(error)}`;
    this.#surroundings.errors.warn(error);
    // An attempt that reached no Sentinel ends without a close event.
    if (this.#reign === undefined) this.#down();
  }

  /**
   * Warns of a server that would cut off a stalled gateway. Skipped for a server that does not let its settings be
   * read.
   */
  async #checkBacklog(): Promise<void> {
    const answer: unknown = await this.client.config('GET', 'client-output-buffer-limit').catch(() => undefined);
    const value: unknown = Array.isArray(answer) ? answer[1] : undefined;
    const fault = typeof value === 'string' ? backlogFault(value) : undefined;
    if (fault !== undefined && fault !== this.#warnedOf) this.#surroundings.journal?.write('redis-backlog-short', { reason: fault });
    this.#warnedOf = fault;
  }

  /** Counts turns and not time: after a pause of this process's event loop only one turn has passed. */
  #checkHealth(): void {
    if (this.#reign === undefined) return;
    if (++this.#silentTurns > silentTurnsDown) this.#become({ up: false, reason: 'Redis does not answer' });
    if (this.#silentTurns > this.#silentTurnsBreak) {
      this.breakOff();
      return;
    }
    if (this.#pinging) return;
    this.#pinging = true;
    const generation = this.#generation;
    const { accounts, clock } = this.#surroundings;
    const askedAt = clock.monotonic();
    this.client.info('replication').then(
      (replication) => {
        accounts.answered('check', clock.monotonic() - askedAt);
        this.#answered(generation, 'answer');
        // Demoted, or in another reign, on a connection that has held: cached facts about the server are outdated.
        if (generation === this.#generation && mastershipOf(replication) !== this.#mastership) this.breakOff();
      },
      () => this.#answered(generation, 'none'),
    );
  }

  #answered(generation: number, what: 'answer' | 'none'): void {
    if (generation !== this.#generation) return;
    this.#pinging = false;
    if (what === 'none') return;
    this.#silentTurns = 0;
    this.#become({ up: true });
  }

  #become(state: BusState): void {
    if (state.up === this.#state.up && (state.up || (!this.#state.up && state.reason === this.#state.reason))) return;
    this.#state = state;
    this.#listener?.onStateChange(state);
  }
}

/** End of the peer's certificate, in Unix milliseconds; `undefined` for a socket without TLS. */
function certificateEnd(socket: object): number | undefined {
  return socket instanceof TLSSocket ? Date.parse(socket.getPeerCertificate().valid_to) : undefined;
}

/** Any failure between this process and Redis, as the only error that callers of the bus know. */
export function asUnavailable(error: unknown): BusUnavailable {
  if (error instanceof BusUnavailable) return error;
  return new BusUnavailable(`Redis: ${reasonOf(error)}`, { cause: error, ...troubleOf(error) });
}
