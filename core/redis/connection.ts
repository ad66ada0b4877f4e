import { Redis } from 'ioredis';
import { BusUnavailable, type BusState } from '../bus/bus.ts';
import { scripts, type ScriptedRedis } from './scripts.ts';
import { reasonOf, type SparseLog } from './sparse-log.ts';

/** Longest wait for the answer to any command, in milliseconds. */
export const commandTimeoutMs = 2000;
const connectTimeoutMs = 2000;
const reconnectDelayMsMax = 500;
const healthIntervalMs = 500;
/** Turns of the health timer without an answer after which Redis counts as hung: 1.5 to 2 s. */
const silentTurnsDown = 3;
/** … and after which the connection is given up for a new one: it may lead to a machine that is gone. */
const silentTurnsBreak = 12;
const redisMajorMin = 7;
const connectionBroke = 'the connection to Redis broke';

export interface ConnectionListener {
  /** A new connection can be used; on it the server's run id stays `runId`. */
  onOpen(runId: string): void;
  /** The connection broke: whatever it was subscribed to is over. */
  onLost(): void;
  onStateChange(state: BusState): void;
}

/**
 * One connection to Redis that is made again and again until `close`.
 *
 * Nothing is queued while it is away. It is usable once the server's run id has been read on it: offsets that are given under a
 * wrong run id could be given twice.
 */
export class RedisConnection {
  readonly client: ScriptedRedis;
  readonly #errors: SparseLog;
  readonly #health: NodeJS.Timeout;
  #listener: ConnectionListener | undefined;
  #runId: string | undefined;
  #state: BusState = { up: false, reason: 'connecting to Redis' };
  #generation = 0;
  #silentTurns = 0;
  #pinging = false;
  #fault = connectionBroke;
  /** Settles when the first attempt to connect has succeeded or failed. */
  readonly #firstAttempt: Promise<void>;
  #endFirstAttempt: () => void = () => undefined;
  #attempted = false;

  constructor(options: { readonly url: string; readonly errors: SparseLog; readonly random: () => number }) {
    this.#errors = options.errors;
    this.#firstAttempt = new Promise((resolve) => (this.#endFirstAttempt = resolve));
    this.client = new Redis(options.url, {
      scripts,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: commandTimeoutMs,
      connectTimeout: connectTimeoutMs,
      maxLoadingRetryTime: reconnectDelayMsMax,
      keepAlive: 10_000,
      // The jitter keeps a hundred gateways from coming back in step.
      retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 10), reconnectDelayMsMax) * (0.5 + options.random() / 2),
      // A master that became a replica: find the new one by connecting again.
      reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    }) as ScriptedRedis;
    this.client.on('error', (error: Error) => this.#failed(error));
    this.client.on('ready', () => void this.#open());
    this.client.on('close', () => this.#lost());
    this.#health = setInterval(() => this.#checkHealth(), healthIntervalMs);
  }

  get state(): BusState {
    return this.#state;
  }

  /** Run id of the server at the other end; `undefined` while there is no connection. */
  get runId(): string | undefined {
    return this.#runId;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  /**
   * The run id, if commands can be sent now. Before the first attempt to connect has ended, waits for its end.
   * @throws BusUnavailable
   */
  async use(): Promise<string> {
    if (!this.#attempted) await this.#firstAttempt;
    if (!this.#state.up) throw new BusUnavailable(this.#state.reason);
    if (this.#runId === undefined) throw new BusUnavailable(this.#fault);
    return this.#runId;
  }

  close(): void {
    clearInterval(this.#health);
    this.#fault = 'the bus is closed';
    this.#lost();
    this.client.disconnect();
  }

  async #open(): Promise<void> {
    const generation = ++this.#generation;
    try {
      const information = await this.client.info('server');
      if (generation !== this.#generation) return;
      const version = /^redis_version:(\d+)/m.exec(information)?.[1];
      const runId = /^run_id:(\w+)/m.exec(information)?.[1];
      if (version === undefined || runId === undefined) throw new Error('the server does not say what it is');
      if (Number(version) < redisMajorMin) throw new Error(`Redis ${redisMajorMin} or newer is needed, this one is ${version}`);
      this.#runId = runId;
      this.#silentTurns = 0;
      this.#pinging = false;
      this.#fault = connectionBroke;
      this.#listener?.onOpen(runId);
      this.#become({ up: true });
      this.#attempted = true;
      this.#endFirstAttempt();
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#failed(error as Error);
      this.client.disconnect(true);
    }
  }

  #lost(): void {
    this.#generation++;
    const wasOpen = this.#runId !== undefined;
    this.#runId = undefined;
    if (wasOpen) this.#listener?.onLost();
    this.#become({ up: false, reason: this.#fault });
    this.#attempted = true;
    this.#endFirstAttempt();
  }

  #failed(error: Error): void {
    this.#fault = `Redis: ${reasonOf(error)}`;
    this.#errors.warn(error);
  }

  /** Counts turns and not time: after a pause of our own event loop only one turn has passed. */
  #checkHealth(): void {
    if (this.#runId === undefined) return;
    if (++this.#silentTurns > silentTurnsDown) this.#become({ up: false, reason: 'Redis does not answer' });
    if (this.#silentTurns > silentTurnsBreak) {
      this.client.stream.destroy();
      return;
    }
    if (this.#pinging) return;
    this.#pinging = true;
    const generation = this.#generation;
    this.client.ping().then(
      () => this.#answered(generation, 'answer'),
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
