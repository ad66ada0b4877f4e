import { Redis } from 'ioredis';
import { backoffMs } from '../backoff.ts';
import { BusUnavailable, type BusState } from '../bus/bus.ts';
import type { EndpointOptions } from './access.ts';
import { scripts, type ScriptedRedis } from './scripts.ts';
import { endsSentinelRound, SentinelRound } from './sentinel-round.ts';
import { backlogFault, connectionFault, mastershipOf, replicationFault, runIdOf, serverFault, type ServerKind } from './server-answers.ts';
import type { RedisSurroundings } from './surroundings.ts';
import { reasonOf } from '../process/sparse-log.ts';

/** Longest wait for the answer to any command, in milliseconds. */
export const commandTimeoutMs = 2000;
const connectTimeoutMs = 2000;
/** Longest wait for a Sentinel's answer; then the next one is asked. */
const sentinelTimeoutMs = 1000;
/** The jitter keeps a hundred gateways from coming back in step. */
const reconnectBackoff = { baseMs: 100, capMs: 500, floorMs: 50 };
const healthIntervalMs = 500;
/** Turns of the health timer without an answer after which Redis counts as hung: 1.5 to 2 s. */
const silentTurnsDown = 3;
/** … and after which the connection is given up for a new one: it may lead to a machine that is gone. */
const silentTurnsBreak = 12;
/** … where Sentinels may name another master meanwhile. */
const silentTurnsBreakSentinel = 4;
const connectionBroke = 'the connection to Redis broke';

export interface ConnectionListener {
  /** A new connection can be used; on it the server's reign stays the same. */
  onOpen(): void;
  /** The connection broke: whatever it was subscribed to is over. */
  onLost(): void;
  onStateChange(state: BusState): void;
}

/**
 * One connection to Redis that is made again and again until `close`.
 *
 * Nothing is queued while it is away. It is usable once the server's reign has been read on it: offsets that are given
 * under a wrong one could be given twice. A reign is the server's run id, which a restart changes, and its replication
 * id, which a promotion changes: a master that is demoted and promoted again without a restart may have lost its last
 * appends too.
 */
export class RedisConnection {
  readonly client: ScriptedRedis;
  readonly #kind: ServerKind;
  readonly #purpose: 'commands' | 'subscriptions';
  readonly #silentTurnsBreak: number;
  readonly #surroundings: RedisSurroundings;
  readonly #stopHealth: () => void;
  #listener: ConnectionListener | undefined;
  #reign: string | undefined;
  #mastership: string | undefined;
  #state: BusState = { up: false, reason: 'connecting to Redis' };
  #generation = 0;
  #silentTurns = 0;
  #pinging = false;
  #fault = connectionBroke;
  /**
   * Servers in a row that could be connected to and are not to be used: the client counts those connections as made.
   */
  #refusals = 0;
  /** Settles when the first attempt to connect has succeeded or failed. */
  readonly #firstAttempt: Promise<void>;
  #endFirstAttempt: () => void = () => undefined;
  #attempted = false;
  /** The bound on waiting bytes that was warned of last. */
  #warnedOf: string | undefined;
  #closed = false;

  constructor(options: {
    readonly endpoint: EndpointOptions;
    /** 'cluster' where the server must be a node of a Cluster, 'single' where it must not. */
    readonly kind: ServerKind;
    readonly purpose: 'commands' | 'subscriptions';
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
      // An answer without a question: which answers belong to which is not certain any more.
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

  /** The reign of the server at the other end; `undefined` while there is no connection. */
  get reign(): string | undefined {
    return this.#reign;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  /**
   * The server's reign, if commands can be sent now. Before the first attempt to connect has ended, waits for its end.
   * @throws BusUnavailable
   */
  async use(): Promise<string> {
    if (!this.#attempted) await this.#firstAttempt;
    if (!this.#state.up) throw new BusUnavailable(this.#state.reason);
    if (this.#reign === undefined) throw new BusUnavailable(this.#fault);
    return this.#reign;
  }

  /** Ends the present connection, for a new one to take its place. */
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
      this.#mastership = mastershipOf(replication);
      this.#reign = `${runIdOf(server)}${this.#mastership?.slice(0, 20)}`;
      this.#silentTurns = 0;
      this.#pinging = false;
      this.#fault = connectionBroke;
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
    // An attempt that found no Sentinel ends without the connection's close.
    if (this.#reign === undefined) this.#down();
  }

  /**
   * Warns of a server that would cut off a gateway that stalls. A server that does not let its settings be read is
   * taken as it is.
   */
  async #checkBacklog(): Promise<void> {
    const answer: unknown = await this.client.config('GET', 'client-output-buffer-limit').catch(() => undefined);
    const value: unknown = Array.isArray(answer) ? answer[1] : undefined;
    const fault = typeof value === 'string' ? backlogFault(value) : undefined;
    if (fault !== undefined && fault !== this.#warnedOf)
      this.#surroundings.logger?.warn({ reason: fault }, 'Redis may cut off this process');
    this.#warnedOf = fault;
  }

  /** Counts turns and not time: after a pause of our own event loop only one turn has passed. */
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
    this.client.info('replication').then(
      (replication) => {
        this.#answered(generation, 'answer');
        // Demoted, or another reign began, and the connection has held: what it knows of the server is no longer true.
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

/** Whatever went wrong between us and Redis, as the one failure that callers of the bus know. */
export function asUnavailable(error: unknown): BusUnavailable {
  if (error instanceof BusUnavailable) return error;
  return new BusUnavailable(`Redis: ${reasonOf(error)}`, { cause: error });
}
