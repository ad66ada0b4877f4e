import { readGauge } from '../../core/process/read-metrics.ts';
import { Counter, type Registry } from 'prom-client';
import type { AdminStatus } from '../../core/pool/admin-status.ts';
import { closeCodes } from '../../core/close-codes.ts';
import { decideCommand, type DrainCommand } from '../../core/pool/drain-command.ts';
import { limits } from '../../core/limits.ts';
import type { Placement } from '../../core/pool/placement.ts';
import type { CommandResult } from '../../core/process/admin-api.ts';
import type { Logger } from '../../core/process/logging.ts';
import type { ClientLog } from '../accounts/client-log.ts';
import { gatewayJournal, type GatewayJournal } from '../accounts/log-lines.ts';
import type { Connection } from '../connections/connection.ts';
import {
  commandedOrder,
  departureOf,
  drainStart,
  finalOrder,
  leaveWithinMs,
  paceDrain,
  type DrainOrder,
  type DrainPace,
  type Ending,
} from './drain-plan.ts';
import type { Clock } from '../../core/clock.ts';
import { inSlices } from '../../core/slices.ts';

const tickMs = 20;
/** Longest tick, in milliseconds; the rest is left for the next one. */
const tickMsMax = limits.turnMsMax / 4;
/** Pause after a walk over all connections that found none to move, in milliseconds. */
const walkPauseMs = 250;

export interface DrainerOptions {
  readonly connections: ReadonlyMap<number, Connection>;
  readonly placement: () => Placement | undefined;
  /** This pod's UID. Commands must name it, and no client is sent to it. */
  readonly uid: string;
  readonly clock: Clock;
  /** Called with the duration of a tick, or of a slice of the end, in milliseconds. */
  readonly onSlice?: (milliseconds: number) => void;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly clients?: ClientLog;
}

interface Drain {
  order: DrainOrder;
  pace: DrainPace;
  readonly startedAt: number;
  readonly startedClock: number;
  /** Connections that were told to move, with the time; the earliest first. */
  readonly told: Map<Connection, number>;
  /** Walks over all connections once, including new ones. `undefined`: the walk is over. */
  untold: Iterator<Connection> | undefined;
  /** Earliest time of the next walk: connections whose handshake was under way may have come since. */
  nextWalkAt: number;
  readonly stop: () => void;
}

/**
 * Drains a gateway at a set rate. Clients that understand a hint are told to move; other connections are closed with
 * 1012. Clients that were told and stayed are closed later. A drain can be aborted; clients that were told by then may
 * still leave.
 */
export class Drainer {
  readonly #options: DrainerOptions;
  readonly #journal: GatewayJournal;
  /** Connections that had a hint: each gets at most one, over all drains. */
  readonly #hinted = new WeakSet<Connection>();
  readonly #moves: Counter<'how'>;
  #drain: Drain | undefined;
  #moved = 0;
  #lastIssuedAt = 0;
  /** The process itself is ending: no command changes that. */
  #isFinal = false;
  #isHastened = false;

  constructor(options: DrainerOptions) {
    this.#options = options;
    this.#journal = gatewayJournal(options.logger, options.clock);
    const registers = [options.registry];
    this.#moves = new Counter({
      name: 'barrage_gateway_connections_moved_total',
      help: 'Connections that a drain told to move (`hint`), closed with 1012 (`close`), or closed because they stayed when told (`overdue`). Moved connections are `hint` + `close`.',
      labelNames: ['how'],
      registers,
    });
    const state = (): number => ['serving', 'draining', 'drained'].indexOf(this.state.state);
    readGauge(
      options.registry,
      { name: 'barrage_gateway_drain_state', help: '0 serving, 1 draining, 2 drained: no connection is left.' },
      state,
    );
  }

  get isDraining(): boolean {
    return this.#drain !== undefined;
  }

  get state(): AdminStatus['drain'] {
    const drain = this.#drain;
    return {
      state: drain === undefined ? 'serving' : this.#options.connections.size === 0 ? 'drained' : 'draining',
      movedConnections: this.#moved,
      ...(drain === undefined ? {} : { startedAt: Math.round(drain.startedAt) }),
      ...(this.#lastIssuedAt === 0 ? {} : { commandIssuedAt: this.#lastIssuedAt }),
    };
  }

  /** Follows an operator's command. A repeated drain, or one with another rate, continues from its progress. */
  follow(command: DrainCommand): CommandResult {
    const { uid, clock } = this.#options;
    const decision = decideCommand(command, { uid, lastIssuedAt: this.#lastIssuedAt, now: clock.wall() });
    if (decision !== 'follow') return { kind: 'refused', message: refusals[decision] };
    if (this.#isFinal) return { kind: 'refused', message: 'the process is ending' };
    this.#lastIssuedAt = command.issuedAt;
    if (command.command === 'drain') {
      this.#begin(commandedOrder(command));
    } else {
      this.#abort();
    }
    return { kind: 'followed', state: this.state };
  }

  /**
   * Moves all connections because the process ends. Resolves when none is left, the time is over, or `hasten` was
   * called.
   */
  async finish(ending: Ending): Promise<void> {
    this.#isFinal = true;
    const { connections, clock } = this.#options;
    const startedClock = this.#drain?.startedClock ?? clock.monotonic();
    const underWay = this.#drain === undefined ? undefined : { order: this.#drain.order, elapsedMs: clock.monotonic() - startedClock };
    const order = finalOrder(ending, connections.size, underWay);
    this.#begin(order);
    this.#tick();
    const endAt = startedClock + order.deadlineMs + order.lastCallMs;
    const isOver = (): boolean => this.#isHastened || clock.monotonic() >= endAt || this.#areAllClosed();
    while (!isOver()) await new Promise<void>((resolve) => void clock.after(tickMs, resolve));
    this.#end();
    await this.#closeAll();
    this.#journal.write('drain-ended', { moved: this.#moved, afterMs: Math.round(clock.monotonic() - startedClock) });
  }

  /** Closes all remaining connections of `finish` at once. */
  hasten(): void {
    this.#isHastened = true;
  }

  #closeAll(): Promise<void> {
    const { connections, clock, onSlice } = this.#options;
    return new Promise((resolve) => {
      inSlices(connections.values(), { clock, step: (connection) => this.#close(connection, 'close'), onDone: resolve, onSlice });
    });
  }

  #areAllClosed(): boolean {
    for (const connection of this.#options.connections.values()) if (!connection.isClosed) return false;
    return true;
  }

  #begin(order: DrainOrder): void {
    if (this.#drain !== undefined) {
      this.#drain.order = order;
      return;
    }
    const { connections, clock } = this.#options;
    this.#moved = 0;
    this.#drain = {
      order,
      pace: drainStart,
      startedAt: clock.wall(),
      startedClock: clock.monotonic(),
      told: new Map(),
      untold: undefined,
      nextWalkAt: clock.monotonic(),
      stop: clock.every(tickMs, () => this.#tick()),
    };
    this.#journal.write('drain-began', { connections: connections.size, ...order });
  }

  #abort(): void {
    if (this.#drain === undefined) return;
    this.#journal.write('drain-called-off', { moved: this.#moved });
    this.#end();
  }

  #end(): void {
    this.#drain?.stop();
    this.#drain = undefined;
  }

  #tick(): void {
    const drain = this.#drain;
    if (drain === undefined) return;
    const { connections, clock, onSlice } = this.#options;
    const startedAt = clock.monotonic();
    const isLate = (): boolean => clock.monotonic() - startedAt >= tickMsMax;
    const observed = { elapsedMs: startedAt - drain.startedClock, connections: connections.size };
    const { pace, budget, isLastCall } = paceDrain(drain.order, drain.pace, observed);
    // A client that was told shortly before the last call still gets time to leave by itself.
    let left = budget - this.#closeTold(drain, isLastCall ? drain.order.lastCallMs / 2 : leaveWithinMs, { budget, isLate });
    while (left > 0 && !isLate()) {
      const connection = this.#nextUntold(drain);
      if (connection === undefined) break;
      left--;
      this.#depart(drain, connection, isLastCall);
    }
    drain.pace = { ...pace, credit: pace.credit - (budget - left), wasCut: left > 0 && isLate() };
    onSlice?.(clock.monotonic() - startedAt);
  }

  /**
   * Closes connections that were told to move at least `afterMs` ago and are still open.
   * @returns the number of closed connections
   */
  #closeTold({ told }: Drain, afterMs: number, most: { readonly budget: number; readonly isLate: () => boolean }): number {
    const before = this.#options.clock.monotonic() - afterMs;
    let closed = 0;
    for (const [connection, at] of told) {
      const hasLeft = connection.isClosed;
      if (!hasLeft && (at > before || closed === most.budget || most.isLate())) break;
      told.delete(connection);
      if (hasLeft) continue;
      closed++;
      this.#close(connection, 'overdue');
    }
    return closed;
  }

  #nextUntold(drain: Drain): Connection | undefined {
    const { connections, clock } = this.#options;
    if (drain.untold === undefined && clock.monotonic() >= drain.nextWalkAt) drain.untold = connections.values();
    if (drain.untold === undefined) return undefined;
    for (let next = drain.untold.next(); next.done !== true; next = drain.untold.next())
      if (!next.value.isClosed && !drain.told.has(next.value)) return next.value;
    drain.untold = undefined;
    drain.nextWalkAt = clock.monotonic() + walkPauseMs;
    return undefined;
  }

  #depart(drain: Drain, connection: Connection, isLastCall: boolean): void {
    const { placement, uid, clock } = this.#options;
    const leaver = {
      id: connection.id,
      channels: connection.members.map(({ room }) => room.channel),
      mayBeHinted: connection.encoding.canTell && !isLastCall && !this.#hinted.has(connection),
      reach: connection.reach,
    };
    const departure = departureOf(leaver, placement(), uid);
    this.#moved++;
    if (departure.kind === 'close') return this.#close(connection, 'close');
    this.#hinted.add(connection);
    drain.told.set(connection, clock.monotonic());
    const { url } = departure;
    const { hintAfterMs: afterMs } = drain.order;
    connection.tell({ type: 'reconnect', ...(url === undefined ? {} : { url }), afterMs });
    this.#options.clients?.moveTold(connection, url, afterMs);
    this.#moves.inc({ how: 'hint' });
  }

  #close(connection: Connection, how: 'close' | 'overdue'): void {
    if (connection.isClosed) return;
    this.#moves.inc({ how });
    connection.close(closeCodes.goingAway);
  }
}

const refusals = {
  other: 'this command is for another gateway',
  older: 'a later command was followed already',
  late: 'this command is too old: it may be a replay; or the clocks differ by minutes',
} as const;
