import { limits } from '../../core/limits.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

/** Why a room is not opened now: its connection, or all of this gateway, opened too many. */
export type ColdRefusal = 'connection_rate' | 'gateway_rate';

/** A connection may have all its subscriptions at once. */
const connectionBurst = limits.subscriptionsPerConnectionMax;

/**
 * How many rooms may be opened in a time. Each costs a subscription to the bus and back, and a line in every listener's
 * reports, also where nobody ever publishes to it and its member leaves at once.
 *
 * The first room of a connection is always opened: connections are accepted at a rate, and in a message centre each
 * opens the room of its own user.
 */
export class ColdRooms {
  readonly #gateway: TokenBucket;
  readonly #ofConnection = new WeakMap<object, TokenBucket>();

  /** @param now milliseconds of a monotonic clock */
  constructor(now: number) {
    this.#gateway = new TokenBucket(limits.coldRoomsBurst, now);
  }

  /**
   * Takes a room out of both rates, or out of none.
   * @param connection whose rate it is; `undefined` where a backend wants the room, which only the gateway's rate
   * bounds
   */
  open(connection: object | undefined, now: number): 'opened' | ColdRefusal {
    const own = connection === undefined ? undefined : this.#ofConnection.get(connection);
    if (connection !== undefined && own === undefined) {
      this.#ofConnection.set(connection, new TokenBucket(connectionBurst - 1, now));
      return 'opened';
    }
    if (own !== undefined && own.available(now, limits.coldRoomsOfConnectionPerSecondMax, connectionBurst) < 1) return 'connection_rate';
    if (!this.#gateway.tryTake(now, limits.coldRoomsPerSecondMax, limits.coldRoomsBurst)) return 'gateway_rate';
    own?.take(1);
    return 'opened';
  }
}
