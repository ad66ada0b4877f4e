import { randomBytes } from 'node:crypto';
import { BusUnavailable, type Bus, type BusState } from '../bus/bus.ts';
import { newEpoch } from '../bus/epoch.ts';
import { RedisChannelLog } from './channel-log.ts';
import { RedisConnection } from './connection.ts';
import { RedisGatewayCalls } from './gateway-calls.ts';
import { RedisNames } from './keys.ts';
import { SparseLog, type BusLogger } from './sparse-log.ts';
import { Subscriptions } from './subscriptions.ts';

export interface RedisBusOptions {
  /** `redis://` or `rediss://` URL of a single Redis 7 or newer. */
  readonly url: string;
  /** Beginning of every key and bus channel; no spaces, no braces. */
  readonly prefix: string;
  readonly logger?: BusLogger;
  /** Keep the gateways' member counts from the start: a publisher needs them with its first publication. */
  readonly countMembers?: boolean;
  /** Milliseconds that never go back; for deadlines and the age of reports. */
  readonly now?: () => number;
  /** A number of [0, 1): back-off jitter, epochs, the first gateway number tried. */
  readonly random?: () => number;
}

/** Figures of the bus for metrics, all since the start of the process but the first. */
interface RedisBusFigures {
  /** Publications that wait for Redis or are under way. */
  readonly appendsWaiting: number;
  /** Envelopes that could not be decoded: a foreign publisher on our bus channels, or one of a later version. */
  readonly envelopesRefused: number;
  /** Messages between gateways and publishers that could not be read. */
  readonly messagesRefused: number;
  readonly connectionErrors: number;
}

export interface RedisBus extends Bus {
  figures(): RedisBusFigures;
}

/** Joins this process to the others through Redis. Returns at once; until Redis is reached the bus is down. */
export function createRedisBus(options: RedisBusOptions): RedisBus {
  const { logger, now = () => performance.now(), random = Math.random } = options;
  const sparse = (message: string): SparseLog => new SparseLog({ logger, message, now });
  const errors = sparse('Redis failed');
  const refusedEnvelopes = sparse('an envelope on a bus channel could not be read');
  const refusedMessages = sparse('a message of the gateway calls could not be read');
  const names = new RedisNames(options.prefix);
  const commands = new RedisConnection({ url: options.url, errors, random });
  const subscriber = new RedisConnection({ url: options.url, errors, random });
  const subscriptions = new Subscriptions(subscriber);
  const log = new RedisChannelLog({
    names,
    commands,
    subscriber,
    subscriptions,
    refusedEnvelopes,
    now,
    newEpoch: () => newEpoch(random),
  });
  const token = randomBytes(12).toString('hex');
  const calls = new RedisGatewayCalls({ names, commands, subscriptions, token, refusedMessages, logger, random, now });
  if (options.countMembers === true) void calls.watch();
  const states = new JointState([commands, subscriber], logger);
  commands.listen({ onOpen: () => calls.onOpen(), onLost: () => undefined, onStateChange: () => states.update() });
  subscriber.listen({
    onOpen: () => subscriptions.onOpen(),
    onLost: () => subscriptions.onLost(new BusUnavailable('the connection to Redis broke')),
    onStateChange: () => states.update(),
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await calls.close();
    states.quiet();
    subscriptions.close();
    commands.close();
    subscriber.close();
  };
  return {
    log,
    calls,
    state: () => states.state,
    onStateChange: (listener) => states.listen(listener),
    close: () => (closing ??= close()),
    figures: () => ({
      appendsWaiting: log.appendsWaiting,
      envelopesRefused: refusedEnvelopes.total,
      messagesRefused: refusedMessages.total,
      connectionErrors: errors.total,
    }),
  };
}

/** The bus is up when each of its connections is. */
class JointState {
  readonly #connections: readonly RedisConnection[];
  #logger: BusLogger | undefined;
  readonly #listeners: ((state: BusState) => void)[] = [];
  state: BusState;

  constructor(connections: readonly RedisConnection[], logger: BusLogger | undefined) {
    this.#connections = connections;
    this.#logger = logger;
    this.state = this.#joint();
  }

  listen(listener: (state: BusState) => void): void {
    this.#listeners.push(listener);
  }

  /** From now on going down is on purpose. */
  quiet(): void {
    this.#logger = undefined;
  }

  update(): void {
    const before = this.state;
    this.state = this.#joint();
    if (this.state.up === before.up) return;
    if (this.state.up) this.#logger?.info('the bus is up');
    else this.#logger?.warn({ reason: this.state.reason }, 'the bus is down');
    for (const listener of this.#listeners) listener(this.state);
  }

  #joint(): BusState {
    return this.#connections.map(({ state }) => state).find(({ up }) => !up) ?? { up: true };
  }
}
