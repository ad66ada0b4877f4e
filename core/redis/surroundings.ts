import type { Clock } from '../clock.ts';
import type { ProcessJournal } from '../process/log-lines.ts';
import type { SparseLog } from '../process/sparse-log.ts';
import type { BusAccounts } from './bus-accounts.ts';

/** Unrequested changes of subscriptions. Each is counted, and logged at a bounded rate. */
export interface SubscriptionFaults {
  /** The server ended a subscription (its slot moved, or was set anew). It is made again. */
  readonly ended: SparseLog;
  /** The server refused a subscription (no right, slot not served). It is tried again. */
  readonly refused: SparseLog;
  /** A connection's subscriptions could not be proved. The connection was made anew. */
  readonly unproved: SparseLog;
}

/** Shared dependencies of the Redis bus's parts. */
export interface RedisSurroundings {
  readonly clock: Clock;
  /** Random number in [0, 1). */
  readonly random: () => number;
  readonly journal: ProcessJournal | undefined;
  readonly errors: SparseLog;
  readonly subscriptionFaults: SubscriptionFaults;
  readonly accounts: BusAccounts;
}
