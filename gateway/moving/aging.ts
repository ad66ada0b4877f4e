import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../../core/clock.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import { readGauge } from '../../core/process/read-metrics.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { ClientLog } from '../accounts/client-log.ts';
import type { Connection } from '../connections/connection.ts';
import { agedFrom, agePlanOf, isAged, movesAtOnce, type AgePlan, type AgeSettings } from './age-plan.ts';
import { leaveWithinMs } from './drain-plan.ts';

const tickMs = 50;
/** Longest tick, in milliseconds; the rest is left for the next one. */
const tickMsMax = limits.turnMsMax / 4;
/** Connections between two looks at the clock. */
const looksPerClock = 32;
const aged = closeBecause(closeCodes.goingAway, 'this connection has reached its greatest age, come back');

export interface AgingOptions {
  readonly connections: ReadonlyMap<number, Connection>;
  readonly settings: AgeSettings;
  /** Whether nobody is to move now: the gateway drains, or would refuse those who come back. */
  readonly isHeld: () => boolean;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Called with the duration of a tick, in milliseconds. */
  readonly onSlice?: (milliseconds: number) => void;
  readonly registry: Registry;
  readonly clients?: ClientLog;
}

/**
 * Moves connections that have reached their age. Clients that understand a hint are told to come back through their own
 * address; other connections are closed with 1012. Clients that were told and stayed are closed later.
 *
 * One walk goes round all connections at an even pace. At a connection that is due and may not move yet it waits, so no
 * list of due connections is kept. Off, no timer runs.
 */
export class Aging {
  readonly #options: AgingOptions;
  readonly #plan: AgePlan | undefined;
  readonly #moves: Counter<'how'>;
  readonly #bucket: TokenBucket;
  readonly #stop: () => void;
  /** Connections that were told to move, with the time; the earliest first. */
  readonly #told = new Map<Connection, number>();
  #walk: Iterator<Connection> | undefined;
  /** The connection at which the walk waits. */
  #waiting: Connection | undefined;
  /** Connections that are to be looked at by now; a fraction is kept. */
  #looks = 0;
  #tickedAt: number;

  constructor(options: AgingOptions) {
    this.#options = options;
    const { settings, clock, registry } = options;
    this.#moves = new Counter({
      name: 'barrage_gateway_connections_aged_total',
      help: 'Connections that had reached their age (`BARRAGE_CONNECTION_AGE_MAX_SECONDS`), and were told to move (`hint`), closed with 1012 (`close`), or closed because they stayed when told (`overdue`).',
      labelNames: ['how'],
      registers: [registry],
    });
    readGauge(
      registry,
      {
        name: 'barrage_gateway_aged_wait_seconds',
        help: 'Time for which the connection that is next to move for its age has waited for its turn; 0: none waits.',
      },
      () => this.waitMs / 1000,
    );
    this.#plan = agePlanOf(settings);
    this.#tickedAt = clock.monotonic();
    this.#bucket = new TokenBucket(1, this.#tickedAt);
    this.#stop = this.#plan === undefined ? (): void => {} : clock.every(tickMs, () => this.#tick());
  }

  /** Gives a new connection its time. */
  opened(connection: Connection): void {
    if (this.#plan === undefined) return;
    connection.agedAt = agedFrom(this.#plan, this.#options.clock.monotonic(), this.#options.random());
  }

  /** Time for which the connection at which the walk waits has been due, in milliseconds; 0: it waits at none. */
  get waitMs(): number {
    const waiting = this.#waiting;
    if (waiting?.agedAt === undefined || waiting.isClosed) return 0;
    return Math.max(0, this.#options.clock.monotonic() - waiting.agedAt * 1000);
  }

  /** Ends the moves. */
  close(): void {
    this.#stop();
  }

  #tick(): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    const { connections, clock, isHeld, onSlice } = this.#options;
    const startedAt = clock.monotonic();
    const held = isHeld();
    const isLate = (): boolean => clock.monotonic() - startedAt >= tickMsMax;
    const { size } = connections;
    this.#looks = Math.min(size, this.#looks + (size * (startedAt - this.#tickedAt)) / plan.walkMs);
    this.#tickedAt = startedAt;
    const mayMove = (): boolean => !held && this.#bucket.tryTake(clock.monotonic(), plan.movesPerSecond, movesAtOnce(plan));
    if (held) this.#forgetTold(startedAt);
    else this.#closeOverdue(startedAt, () => !isLate() && mayMove());
    this.#moveDue(plan, mayMove, isLate);
    onSlice?.(clock.monotonic() - startedAt);
  }

  /**
   * While nobody may move, a client that was told may have been refused elsewhere. It is told again afterwards, instead
   * of being closed.
   */
  #forgetTold(now: number): void {
    for (const connection of this.#told.keys()) connection.agedAt = Math.floor(now / 1000);
    this.#told.clear();
  }

  #closeOverdue(now: number, mayClose: () => boolean): void {
    for (const [connection, at] of this.#told) {
      if (!connection.isClosed) {
        if (at > now - leaveWithinMs || !mayClose()) return;
        this.#moves.inc({ how: 'overdue' });
        connection.close(aged);
      }
      this.#told.delete(connection);
    }
  }

  #moveDue(plan: AgePlan, mayMove: () => boolean, isLate: () => boolean): void {
    const now = this.#options.clock.monotonic();
    for (let looked = 1; this.#looks >= 1; looked++) {
      const connection = this.#waiting ?? this.#next();
      this.#waiting = undefined;
      if (connection === undefined) return;
      const isDue = !connection.isClosed && isAged(connection.agedAt, now);
      if (isDue && !mayMove()) {
        this.#waiting = connection;
        return;
      }
      this.#looks--;
      if (isDue) this.#depart(plan, connection);
      if ((isDue || looked % looksPerClock === 0) && isLate()) return;
    }
  }

  /** The next connection of the walk, which goes round and also meets those that open meanwhile. */
  #next(): Connection | undefined {
    this.#walk ??= this.#options.connections.values();
    let next = this.#walk.next();
    if (next.done === true) {
      this.#walk = this.#options.connections.values();
      next = this.#walk.next();
    }
    return next.done === true ? undefined : next.value;
  }

  #depart({ hintAfterMs }: AgePlan, connection: Connection): void {
    connection.agedAt = undefined;
    if (!connection.encoding.canTell) {
      this.#moves.inc({ how: 'close' });
      return connection.close(aged);
    }
    this.#told.set(connection, this.#options.clock.monotonic());
    connection.tell({ type: 'reconnect', afterMs: hintAfterMs });
    this.#options.clients?.moveTold(connection, undefined, hintAfterMs);
    this.#moves.inc({ how: 'hint' });
  }
}
