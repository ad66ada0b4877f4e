import type { Clock } from '../../core/clock.ts';
import { closeBecause, closeCodes, type CloseCode } from '../../core/close-codes.ts';
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

const turnsPerInterval = 8;

/** The connections of one gateway, by their ids: opened by a handshake, looked at once in each ping interval, gone with their sockets. */
export class OpenConnections {
  readonly #options: OpenConnectionsOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #idle: IdleRule;
  readonly #stopTurns: () => void;
  readonly #idleClose: CloseCode;
  #turn: Iterator<Connection> | undefined;

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
    const { clock, times } = options;
    this.#idleClose = closeBecause(closeCodes.idle, `${closeCodes.idle.reason} of ${times.idleTimeoutMs} ms`);
    const turnMs = times.pingIntervalMs / turnsPerInterval;
    this.#idle = new IdleRule({ ...times, turnMs }, clock.monotonic());
    this.#stopTurns = clock.every(turnMs, () => this.#lookAtSome());
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
  }

  /** Cuts off all that are still here. */
  terminate(): void {
    for (const connection of this.#connections.values()) connection.terminate();
  }

  #leaveAll(connection: Connection): void {
    for (const member of connection.members.slice()) this.#options.rooms.leave(member);
  }

  /** Pings, closes, and ends the identities of a part of the connections at a time, so that 100,000 of them are no burst of work. */
  #lookAtSome(): void {
    const { clock, rooms, onLook } = this.#options;
    const at = clock.monotonic();
    this.#idle.turn(at);
    for (let left = Math.ceil(this.#connections.size / turnsPerInterval); left > 0; left--) {
      this.#turn ??= this.#connections.values();
      const { value: connection, done } = this.#turn.next();
      if (done === true) {
        this.#turn = undefined;
        return;
      }
      expireIdentity(connection, rooms, at);
      onLook(connection);
      const verdict = this.#idle.judge(connection.lastSeenAt, at);
      if (verdict === 'close') connection.close(this.#idleClose);
      else if (verdict === 'ping') connection.sendControl(connection.encoding.ping);
    }
  }
}
