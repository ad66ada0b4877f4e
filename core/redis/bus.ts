import type { Clock } from '../clock.ts';
import { systemClock } from '../process/system-clock.ts';
import { randomBytes } from 'node:crypto';
import type { BusState } from '../bus/bus.ts';
import type { JoinableBus } from '../bus/joinable-bus.ts';
import { placesOf, type RedisAccess } from './access.ts';
import { AppendFailures, type AppendFailureReason } from './append-failures.ts';
import { RedisChannelLog } from './channel-log.ts';
import { ClusterMasters } from './cluster-masters.ts';
import { RedisGatewayCalls } from './gateway-calls.ts';
import { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import { SingleMaster } from './single-master.ts';
import type { SubscriptionCounts } from './subscriptions.ts';
import type { SubscriptionFaults } from './surroundings.ts';
import { SparseLog, type BusLogger } from '../process/sparse-log.ts';

export interface RedisBusOptions extends RedisAccess {
  /** Beginning of every key and bus channel; no spaces, no braces. */
  readonly prefix: string;
  readonly logger?: BusLogger;
  /** Keeps the gateways' member counts from the start: a publisher needs them with its first publication. */
  readonly countMembers?: boolean;
  /**
   * Names this process to the others, in hexadecimal: 24 characters, unlike any other's. The buses of one process have
   * the first 16 in common.
   */
  readonly token?: string;
  /** Clock for deadlines and the age of reports. */
  readonly clock?: Clock;
  /** Random number in [0, 1): back-off jitter, epochs, the first gateway number tried. */
  readonly random?: () => number;
}

/** Figures of the bus for metrics. All but the first count from the start of the process. */
export interface RedisBusFigures {
  /** Publications that wait for Redis or are under way. */
  readonly appendsWaiting: number;
  /** Envelopes that could not be decoded: from a foreign publisher on this bus, or of a later version. */
  readonly envelopesRefused: number;
  /** Messages between gateways and publishers that could not be read. */
  readonly messagesRefused: number;
  readonly connectionErrors: number;
  /** Rooms of this gateway with an unreported change of members. */
  readonly reportsWaiting: number;
  /** Publications that could not be appended; reasons that did not occur are absent. */
  readonly appendFailures: ReadonlyMap<AppendFailureReason, number>;
  /** Bus channels that this process subscribes to now. */
  readonly subscriptions: SubscriptionCounts;
  /** Subscription faults, by kind. */
  readonly subscriptionFaults: Readonly<Record<keyof SubscriptionFaults, number>>;
  /** The earliest end of the servers' certificates, in Unix milliseconds; `undefined` without TLS. */
  readonly certificateEndsAt: number | undefined;
}

export interface RedisBus extends JoinableBus {
  figures(): RedisBusFigures;
}

/**
 * Connects this process to the others through Redis. Returns at once; the bus is down until Redis is reached.
 * @throws when the parts of `RedisAccess` contradict each other
 */
export function createRedisBus(options: RedisBusOptions): RedisBus {
  const { logger, clock = systemClock, random = Math.random } = options;
  const sparse = (message: string): SparseLog => new SparseLog({ logger, message, clock });
  const errors = sparse('Redis failed');
  const refusedEnvelopes = sparse('an envelope on a bus channel could not be read');
  const refusedMessages = sparse('a message of the gateway calls could not be read');
  const names = new RedisNames(options.prefix);
  const places = placesOf(options);
  const subscriptionFaults: SubscriptionFaults = {
    ended: sparse('Redis ended a subscription, which is made again'),
    refused: sparse('Redis refused a subscription, which is tried again'),
    unproved: sparse('subscriptions could not be proved, so the connection to Redis is made anew'),
  };
  const surroundings = { clock, random, logger, errors, subscriptionFaults };
  const listener = { onOpen: () => calls.onOpen(), onStateChange: () => changes.update() };
  const masters: Masters =
    places.mode === 'Cluster'
      ? new ClusterMasters({ places, surroundings, listener })
      : new SingleMaster({ endpoint: places.endpoint, kind: 'single', surroundings, listener });
  const failures = new AppendFailures(sparse('publications could not be appended'));
  const log = new RedisChannelLog({
    names,
    masters,
    refusedEnvelopes,
    clock,
    random,
    failures,
  });
  const token = options.token ?? randomBytes(12).toString('hex');
  const calls = new RedisGatewayCalls({ names, masters, token, refusedMessages, logger, random, clock });
  if (options.countMembers === true) calls.watch();
  const changes = new StateChanges(masters, { logger, clock });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await calls.close();
    changes.quiet();
    masters.close();
  };
  return {
    log,
    calls,
    state: () => masters.state,
    onStateChange: (listener) => changes.listen(listener),
    isWhole: () => masters.isWhole(),
    close: () => (closing ??= close()),
    figures: () => ({
      appendsWaiting: log.appendsWaiting,
      envelopesRefused: refusedEnvelopes.total,
      messagesRefused: refusedMessages.total,
      connectionErrors: errors.total,
      reportsWaiting: calls.reportsWaiting,
      appendFailures: failures.counts,
      subscriptions: masters.subscriptionCounts(),
      subscriptionFaults: {
        ended: subscriptionFaults.ended.total,
        refused: subscriptionFaults.refused.total,
        unproved: subscriptionFaults.unproved.total,
      },
      certificateEndsAt: masters.certificateEndsAt(),
    }),
  };
}

/**
 * Notifies listeners when the masters go up or down. A bus that goes down again and again is logged ever more rarely.
 */
class StateChanges {
  readonly #masters: Masters;
  #logger: BusLogger | undefined;
  readonly #listeners: ((state: BusState) => void)[] = [];
  readonly #down: SparseLog;
  #isUp: boolean;
  /** Whether the last line said that it is not up. */
  #isToldDown = true;

  constructor(masters: Masters, { logger, clock }: { readonly logger: BusLogger | undefined; readonly clock: Clock }) {
    this.#masters = masters;
    this.#logger = logger;
    this.#down = new SparseLog({ logger, message: 'the bus is down', clock });
    this.#isUp = masters.state.up;
  }

  listen(listener: (state: BusState) => void): void {
    this.#listeners.push(listener);
  }

  /** Stops reporting that the masters are down: closing is on purpose. */
  quiet(): void {
    this.#logger = undefined;
  }

  update(): void {
    const { state } = this.#masters;
    if (state.up === this.#isUp) return;
    this.#isUp = state.up;
    if (this.#logger !== undefined) this.#tell(state, this.#logger);
    for (const listener of this.#listeners) listener(state);
  }

  #tell(state: BusState, logger: BusLogger): void {
    if (!state.up) this.#isToldDown = this.#down.warn(state.reason) || this.#isToldDown;
    else if (this.#isToldDown) {
      logger.info('the bus is up');
      this.#isToldDown = false;
    }
  }
}
