import type { Clock } from '../clock.ts';
import type { BusLogger, SparseLog } from '../process/sparse-log.ts';

/** What happens to subscriptions without being asked for; each is counted and logged at a bounded rate. */
export interface SubscriptionFaults {
  /** The server ended a subscription (its slot moved, or was set anew), which is made again. */
  readonly ended: SparseLog;
  /** The server refused a subscription (no right, slot not served), which is tried again. */
  readonly refused: SparseLog;
  /** A connection's subscriptions could not be proved, so that the connection was made anew. */
  readonly unproved: SparseLog;
}

/** What every part of the Redis bus works with. */
export interface RedisSurroundings {
  readonly clock: Clock;
  /** A number of [0, 1). */
  readonly random: () => number;
  readonly logger: BusLogger | undefined;
  readonly errors: SparseLog;
  readonly subscriptionFaults: SubscriptionFaults;
}
