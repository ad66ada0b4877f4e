import type { Clock } from '../clock.ts';
import { systemClock } from '../process/system-clock.ts';
import { randomBytes } from 'node:crypto';
import type { BusState } from '../bus/bus.ts';
import type { JoinableBus } from '../bus/joinable-bus.ts';
import { placesOf, type RedisAccess } from './access.ts';
import { AppendFailures, type AppendFailureReason } from './append-failures.ts';
import { BusAccounts, type ConnectionPurpose, type HistoryBytes, type RoundTrip } from './bus-accounts.ts';
import { RedisChannelLog } from './channel-log.ts';
import { ClusterMasters } from './cluster-masters.ts';
import { RedisGatewayCalls } from './gateway-calls.ts';
import { RedisNames } from './keys.ts';
import type { ConnectionCounts, Masters } from './masters.ts';
import { SingleMaster } from './single-master.ts';
import type { SubscriptionCounts } from './subscriptions.ts';
import type { SubscriptionFaults } from './surroundings.ts';
import type { Durations } from '../process/durations.ts';
import { processJournal, type ProcessJournal } from '../process/log-lines.ts';
import type { Logger } from '../process/logging.ts';
import { SparseLog } from '../process/sparse-log.ts';

export interface RedisBusOptions extends RedisAccess {
  /** Beginning of every key and bus channel; no spaces, no braces. */
  readonly prefix: string;
  readonly logger?: Logger;
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

/** Figures of the bus for metrics: of this moment, or counted from the start of the process. */
export interface RedisBusFigures {
  /** Publications that wait for Redis or are under way. */
  readonly appendsWaiting: number;
  /** Their payload bytes. */
  readonly appendBytesWaiting: number;
  /** Envelopes that could not be decoded: from a foreign publisher on this bus, or of a later version. */
  readonly envelopesRefused: number;
  /** Messages between gateways and publishers that could not be read. */
  readonly messagesRefused: number;
  readonly connectionErrors: number;
  readonly connections: ConnectionCounts;
  /** Connections that were usable again after a break. */
  readonly reconnects: Readonly<Record<ConnectionPurpose, number>>;
  readonly roundTrips: Readonly<Record<RoundTrip, Durations>>;
  readonly historyBytes: HistoryBytes;
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

/** The lines of faults that can repeat without end. */
type FaultLine =
  | 'redis-failed'
  | 'envelope-unreadable'
  | 'call-unreadable'
  | 'subscription-ended'
  | 'subscription-refused-by-redis'
  | 'subscriptions-unproved'
  | 'append-failed';

/**
 * Connects this process to the others through Redis. Returns at once; the bus is down until Redis is reached.
 * @throws when the parts of `RedisAccess` contradict each other
 */
export function createRedisBus(options: RedisBusOptions): RedisBus {
  const { logger, clock = systemClock, random = Math.random } = options;
  const journal = logger === undefined ? undefined : processJournal(logger, clock);
  const sparse = (event: FaultLine): SparseLog => new SparseLog({ clock, write: (fields) => journal?.write(event, fields) });
  const errors = sparse('redis-failed');
  const refusedEnvelopes = sparse('envelope-unreadable');
  const refusedMessages = sparse('call-unreadable');
  const names = new RedisNames(options.prefix);
  const places = placesOf(options);
  const subscriptionFaults: SubscriptionFaults = {
    ended: sparse('subscription-ended'),
    refused: sparse('subscription-refused-by-redis'),
    unproved: sparse('subscriptions-unproved'),
  };
  const accounts = new BusAccounts();
  const surroundings = { clock, random, journal, errors, subscriptionFaults, accounts };
  const listener = { onOpen: () => calls.onOpen(), onStateChange: () => changes.update() };
  const masters: Masters =
    places.mode === 'Cluster'
      ? new ClusterMasters({ places, surroundings, listener })
      : new SingleMaster({ endpoint: places.endpoint, kind: 'single', surroundings, listener });
  const failures = new AppendFailures(sparse('append-failed'));
  const log = new RedisChannelLog({
    names,
    masters,
    refusedEnvelopes,
    clock,
    random,
    failures,
    accounts,
  });
  const token = options.token ?? randomBytes(12).toString('hex');
  const calls = new RedisGatewayCalls({ names, masters, token, refusedMessages, journal, random, clock, accounts });
  if (options.countMembers === true) calls.watch();
  const changes = new StateChanges(masters, { journal, clock });
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
      appendsWaiting: log.appendsWaiting.publications,
      appendBytesWaiting: log.appendsWaiting.bytes,
      envelopesRefused: refusedEnvelopes.total,
      messagesRefused: refusedMessages.total,
      connectionErrors: errors.total,
      connections: masters.connectionCounts(),
      reconnects: accounts.reconnects,
      roundTrips: accounts.times,
      historyBytes: accounts.historyBytes,
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
  #journal: ProcessJournal | undefined;
  readonly #listeners: ((state: BusState) => void)[] = [];
  readonly #down: SparseLog;
  #isUp: boolean;
  /** Whether the last line said that it is not up. */
  #isToldDown = true;

  constructor(masters: Masters, { journal, clock }: { readonly journal: ProcessJournal | undefined; readonly clock: Clock }) {
    this.#masters = masters;
    this.#journal = journal;
    this.#down = new SparseLog({ clock, write: (fields) => journal?.write('bus-down', fields) });
    this.#isUp = masters.state.up;
  }

  listen(listener: (state: BusState) => void): void {
    this.#listeners.push(listener);
  }

  /** Stops reporting that the masters are down: closing is on purpose. */
  quiet(): void {
    this.#journal = undefined;
  }

  update(): void {
    const { state } = this.#masters;
    if (state.up === this.#isUp) return;
    this.#isUp = state.up;
    if (this.#journal !== undefined) this.#tell(state, this.#journal);
    for (const listener of this.#listeners) listener(state);
  }

  #tell(state: BusState, journal: ProcessJournal): void {
    if (!state.up) this.#isToldDown = this.#down.warn(state.reason) || this.#isToldDown;
    else if (this.#isToldDown) {
      journal.write('bus-up');
      this.#isToldDown = false;
    }
  }
}
