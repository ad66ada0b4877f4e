import type { Clock } from '../../core/clock.ts';
import { closeBecause, closeCodes, type CloseCode } from '../../core/close-codes.ts';
import { inSlices } from '../../core/slices.ts';
import type { Encoding } from '../encoding/encoding.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { Connection, type Wire } from './connection.ts';
import { IdleRule, type IdleTimes } from './idle-rule.ts';
import { expireIdentity } from './standing.ts';
import type { SocketListener } from './web-sockets.ts';

/** What is done with what a client says. */
export interface ClientListener {
  message(data: Buffer, kind: 'text' | 'binary'): void;
  /** A ping that wants an answer. */
  ping(data: Buffer): void;
}

export interface OpenConnectionsOptions {
  readonly rooms: Rooms;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly times: Pick<IdleTimes, 'pingIntervalMs' | 'idleTimeoutMs'>;
  /** Gives each connection its number, from the leased part of this gateway. */
  readonly nextId: () => number;
  /** Greets a connection, and listens to it from then on. */
  readonly listen: (connection: Connection) => ClientListener;
  /** Called for each connection once in a ping interval. */
  readonly onLook: (connection: Connection) => void;
}

/** Connections are looked at a few at a time, so that 100,000 of them are no burst of work: this often in a ping interval … */
const turnsPerInterval = 250;
/** … but not more often than this, in milliseconds. */
const turnMsMin = 20;
/** A process that did not look for two of so many parts of a ping interval has paused. */
const pausePartsPerInterval = 8;

/** The connections of one gateway, by their ids: opened by a handshake, looked at once in each ping interval, gone with their sockets. */
export class OpenConnections {
  readonly #options: OpenConnectionsOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #idle: IdleRule;
  readonly #stopTurns: () => void;
  readonly #idleClose: CloseCode;
  readonly #turnMs: number;
  /** Connections that are due to be looked at; a fraction is kept. */
  #due = 0;
  #walk: Iterator<Connection> | undefined;
  #callOffTurn = (): void => {};

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
    const { clock, times } = options;
    this.#idleClose = closeBecause(closeCodes.idle, `${closeCodes.idle.reason} of ${times.idleTimeoutMs} ms`);
    this.#turnMs = Math.max(turnMsMin, times.pingIntervalMs / turnsPerInterval);
    this.#idle = new IdleRule({ ...times, turnMs: times.pingIntervalMs / pausePartsPerInterval }, clock.monotonic());
    this.#stopTurns = clock.every(this.#turnMs, () => this.#lookAtSome());
  }

  get byId(): ReadonlyMap<number, Connection> {
    return this.#connections;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** A handshake has succeeded. */
  open(encoding: Encoding, wire: Wire): SocketListener {
    const { clock, metrics, nextId, listen } = this.#options;
    const id = nextId();
    const connection = new Connection({
      id,
      encoding,
      wire,
      now: clock.monotonic(),
      onClose: (code) => {
        metrics.closedConnections.inc({ code });
        this.#leaveAll(connection);
      },
    });
    this.#connections.set(id, connection);
    const listener = listen(connection);
    return {
      message: (data, kind) => listener.message(data, kind),
      ping: (data) => listener.ping(data),
      pong: () => {
        connection.lastSeenAt = clock.monotonic();
      },
      broken: (code) => connection.close({ code, reason: '', reconnect: false }),
      ended: () => {
        this.#leaveAll(connection);
        connection.ended();
        this.#connections.delete(id);
      },
    };
  }

  /** Looks at nobody any more. */
  close(): void {
    this.#stopTurns();
    this.#callOffTurn();
  }

  /** Cuts off all that are still here. */
  terminate(): void {
    const { clock, metrics } = this.#options;
    inSlices(this.#connections.values(), {
      clock,
      step: (connection) => connection.terminate(),
      onSlice: (milliseconds) => metrics.loopSlice('end', milliseconds),
    });
  }

  #leaveAll(connection: Connection): void {
    for (const member of connection.members.slice()) this.#options.rooms.leave(member);
  }

  /** Looks at the part of the connections that is due by now. */
  #lookAtSome(): void {
    const { clock, metrics, times } = this.#options;
    this.#idle.turn(clock.monotonic());
    // What the turn before could not do in time is done in this one, and no more than all of them.
    this.#callOffTurn();
    this.#due = Math.min(this.#connections.size, this.#due + (this.#connections.size * this.#turnMs) / times.pingIntervalMs);
    this.#callOffTurn = inSlices(this.#nextDue(), {
      clock,
      step: (connection) => this.#look(connection),
      onSlice: (milliseconds) => metrics.loopSlice('sweep', milliseconds),
    });
  }

  /** All are walked over in turn; a walk meets those who come meanwhile too. */
  *#nextDue(): Generator<Connection, void> {
    while (this.#due >= 1) {
      this.#walk ??= this.#connections.values();
      const { value: connection, done } = this.#walk.next();
      if (done === true) {
        this.#walk = undefined;
        if (this.#connections.size === 0) return;
        continue;
      }
      this.#due--;
      yield connection;
    }
  }

  /** Pings a connection, closes it, or ends its identity, as it is due. */
  #look(connection: Connection): void {
    const { clock, rooms, onLook } = this.#options;
    const at = clock.monotonic();
    expireIdentity(connection, rooms, at);
    onLook(connection);
    const verdict = this.#idle.judge(connection.lastSeenAt, at);
    if (verdict === 'close') connection.close(this.#idleClose);
    else if (verdict === 'ping') connection.sendControl(connection.encoding.ping);
  }
}
