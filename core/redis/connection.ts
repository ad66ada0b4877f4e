import { Redis } from 'ioredis';
import { backoffMs } from '../backoff.ts';
import { BusUnavailable, type BusState } from '../bus/bus.ts';
import type { EndpointOptions } from './access.ts';
import { scripts, type ScriptedRedis } from './scripts.ts';
import { endsSentinelRound, SentinelRound } from './sentinel-round.ts';
import { reasonOf, type SparseLog } from '../process/sparse-log.ts';

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
const redisMajorMin = 7;
const connectionBroke = 'the connection to Redis broke';
/** Said of a server that belongs to no Cluster where one is expected. */
export const noClusterNode = 'the server is no node of a Redis Cluster, but BARRAGE_REDIS_MODE is Cluster';

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
 * Nothing is queued while it is away. It is usable once the server's reign has been read on it: offsets that are given under a wrong
 * one could be given twice. A reign is the server's run id, which a restart changes, and its replication id, which a promotion changes: a
 * master that is demoted and promoted again without a restart may have lost its last appends too.
 */
export class RedisConnection {
  readonly client: ScriptedRedis;
  readonly #kind: 'single' | 'cluster';
  readonly #silentTurnsBreak: number;
  readonly #errors: SparseLog;
  readonly #health: NodeJS.Timeout;
  #listener: ConnectionListener | undefined;
  #reign: string | undefined;
  #mastership: string | undefined;
  #state: BusState = { up: false, reason: 'connecting to Redis' };
  #generation = 0;
  #silentTurns = 0;
  #pinging = false;
  #fault = connectionBroke;
  /** Servers in a row that could be connected to and are not to be used: the client counts those connections as made. */
  #refusals = 0;
  /** Settles when the first attempt to connect has succeeded or failed. */
  readonly #firstAttempt: Promise<void>;
  #endFirstAttempt: () => void = () => undefined;
  #attempted = false;
  #closed = false;

  constructor(options: {
    readonly endpoint: EndpointOptions;
    /** 'cluster' where the server must be a node of a Cluster, 'single' where it must not. */
    readonly kind: 'single' | 'cluster';
    readonly errors: SparseLog;
    readonly random: () => number;
  }) {
    const { endpoint, random } = options;
    this.#kind = options.kind;
    this.#silentTurnsBreak = endpoint.sentinels === undefined ? silentTurnsBreak : silentTurnsBreakSentinel;
    this.#errors = options.errors;
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
    this.#health = setInterval(() => this.#checkHealth(), healthIntervalMs);
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
    clearInterval(this.#health);
    this.#fault = 'the bus is closed';
    this.#closed = true;
    this.#lost();
    this.client.disconnect();
  }

  async #open(): Promise<void> {
    const generation = ++this.#generation;
    try {
      const [server, replication] = await Promise.all([this.client.info('server'), this.client.info('replication')]);
      if (generation !== this.#generation) return;
      const fault = serverFault(server, this.#kind);
      if (fault !== undefined) throw new Error(fault);
      const mastership = mastershipOf(replication);
      if (mastership === undefined) throw new Error('the server is a replica');
      this.#refusals = 0;
      this.#mastership = mastership;
      this.#reign = `${runIdOf(server)}${mastership.slice(0, 20)}`;
      this.#silentTurns = 0;
      this.#pinging = false;
      this.#fault = connectionBroke;
      this.#listener?.onOpen();
      this.#become({ up: true });
      this.#attempted = true;
      this.#endFirstAttempt();
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
    this.#errors.warn(error);
    // An attempt that found no Sentinel ends without the connection's close.
    if (this.#reign === undefined) this.#down();
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

/** Why this server is not the one to use, in words. */
function serverFault(information: string, kind: 'single' | 'cluster'): string | undefined {
  const version = /^redis_version:(\d+)/m.exec(information)?.[1];
  if (version === undefined || runIdOf(information) === undefined) return 'the server does not say what it is';
  if (Number(version) < redisMajorMin) return `Redis ${redisMajorMin} or newer is needed, this one is ${version}`;
  if (/^redis_mode:sentinel/m.test(information)) return 'the server is a Sentinel: set BARRAGE_REDIS_MODE to Sentinel';
  const isNode = /^redis_mode:cluster/m.test(information);
  if (isNode && kind === 'single') return 'the server is a node of a Redis Cluster: set BARRAGE_REDIS_MODE to Cluster';
  if (!isNode && kind === 'cluster') return noClusterNode;
  return undefined;
}

/** As much of it as makes it unique. */
function runIdOf(information: string): string | undefined {
  return /^run_id:(\w{1,20})/m.exec(information)?.[1];
}

/** The replication id of a master; `undefined` of a replica. */
function mastershipOf(replication: string): string | undefined {
  return /^role:master/m.test(replication) ? /^master_replid:(\w+)/m.exec(replication)?.[1] : undefined;
}

/** Whatever went wrong between us and Redis, as the one failure that callers of the bus know. */
export function asUnavailable(error: unknown): BusUnavailable {
  if (error instanceof BusUnavailable) return error;
  return new BusUnavailable(`Redis: ${reasonOf(error)}`, { cause: error });
}
