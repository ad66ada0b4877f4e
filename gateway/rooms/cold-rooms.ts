import { limits } from '../../core/limits.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

/** Reasons not to open a room now: its connection, or the whole gateway, opened too many. */
export type ColdRefusal = 'connection_rate' | 'gateway_rate';

/** Burst of a connection: all its subscriptions at once. */
const connectionBurst = limits.subscriptionsPerConnectionMax;

/**
 * Bounds the rate at which rooms are opened. Each room costs a subscription, its end, and an entry in every listener's
 * reports. That holds even for an empty channel whose member leaves at once.
 */
export class ColdRooms {
  readonly #gateway: TokenBucket;
  readonly #ofConnection = new WeakMap<object, TokenBucket>();

  /** @param now milliseconds of a monotonic clock */
  constructor(now: number) {
    this.#gateway = new TokenBucket(limits.coldRoomsBurst, now);
  }

  /**
   * Takes one room from both rates, or from neither. A connection's first room takes only from its own rate, so it is
   * always opened.
   * @param connection the connection whose rate counts; `undefined` for a backend's call, which only the gateway's rate
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
