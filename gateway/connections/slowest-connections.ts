import type { Clock } from '../../core/clock.ts';
import { inSlices } from '../../core/slices.ts';

/** What a walk looks at of a connection. */
interface Waiter {
  readonly isClosed: boolean;
  /** Bytes that wait for its client, in its queue and in its socket. */
  readonly waitingBytes: number;
}

/** A connection with bytes that wait for its client. */
export interface SlowConnection<Connection extends Waiter> {
  readonly connection: Connection;
  /** Bytes in its queue and in its socket. */
  readonly waitingBytes: number;
}

/** Most connections that a walk finds. */
const slowestMax = 10;

/**
 * Finds the connections with the most waiting bytes. A walk over all connections goes in slices, keeps no more than its
 * answer, and begins only where it is asked for.
 */
export class SlowestConnections<Connection extends Waiter> {
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #clock: Pick<Clock, 'monotonic' | 'soon'>;
  readonly #onSlice: (milliseconds: number) => void;
  #isWalking = false;
  #found: readonly SlowConnection<Connection>[] = [];
  #waiting = 0;

  constructor(options: {
    readonly connections: ReadonlyMap<number, Connection>;
    readonly clock: Pick<Clock, 'monotonic' | 'soon'>;
    /** Called after each slice with its duration in milliseconds. */
    readonly onSlice: (milliseconds: number) => void;
  }) {
    this.#connections = options.connections;
    this.#clock = options.clock;
    this.#onSlice = options.onSlice;
  }

  /** The answer of the last complete walk, the most waiting bytes first, without those that have closed since. */
  get found(): readonly SlowConnection<Connection>[] {
    return this.#found.filter(({ connection }) => !connection.isClosed);
  }

  /** Number of connections with waiting bytes, by the last complete walk. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Begins a walk, unless one is under way. */
  walk(): void {
    if (this.#isWalking) return;
    this.#isWalking = true;
    const found: SlowConnection<Connection>[] = [];
    let waiting = 0;
    inSlices(this.#connections.values(), {
      clock: this.#clock,
      onSlice: this.#onSlice,
      step: (connection) => {
        const { waitingBytes } = connection;
        if (waitingBytes === 0) return;
        waiting++;
        if (found.length === slowestMax && waitingBytes <= (found.at(-1)?.waitingBytes ?? 0)) return;
        const place = found.findIndex((each) => each.waitingBytes < waitingBytes);
        found.splice(place < 0 ? found.length : place, 0, { connection, waitingBytes });
        if (found.length > slowestMax) found.pop();
      },
      onDone: () => {
        this.#isWalking = false;
        this.#found = found;
        this.#waiting = waiting;
      },
    });
  }
}
