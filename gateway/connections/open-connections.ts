import type { Clock } from '../../core/clock.ts';
import { closeBecause, closeCodes, type CloseCode } from '../../core/close-codes.ts';
import { inSlices } from '../../core/slices.ts';
import type { Encoding } from '../encoding/encoding.ts';
import type { Handshake } from '../accounts/client-log.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { clientOf, type Offer } from './client-of.ts';
import { Connection, type OwnLines, type Reach, type Wire } from './connection.ts';
import { IdleRule, type IdleTimes } from './idle-rule.ts';
import { expireIdentity } from './standing.ts';
import type { SocketListener } from './web-sockets.ts';

/** The receiver of a client's messages. */
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
  /** The addresses to which the client of a handshake can be sent. */
  readonly reachOf: (handshake: Arriving) => Reach;
  /** Greets a connection, and listens to it from then on. */
  readonly listen: (connection: Connection) => ClientListener;
  /** Called for each connection once in a ping interval. */
  readonly onLook: (connection: Connection) => void;
}

/** A request for a connection that was admitted. */
export type Arriving = Handshake &
  Offer & { readonly socket: { readonly localAddress?: string | undefined; readonly localPort?: number | undefined } };

/** What an event stream has of its own. */
interface StreamParts {
  readonly own: OwnLines;
  /** In place of the gateway's. */
  readonly listen: OpenConnectionsOptions['listen'];
}

/** Most turns in a ping interval. Each turn checks a few connections, so that 100,000 of them are no burst of work. */
const turnsPerInterval = 250;
/** Shortest time between two turns, in milliseconds. */
const turnMsMin = 20;
/** Parts of a ping interval. A process without a turn for two of them has paused. */
const pausePartsPerInterval = 8;

/**
 * The connections of one gateway, by their ids. A handshake opens a connection. It is checked once in each ping
 * interval, and removed with its socket.
 */
export class OpenConnections {
  readonly #options: OpenConnectionsOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #idle: IdleRule;
  readonly #stopTurns: () => void;
  readonly #idleClose: CloseCode;
  readonly #stalledClose: CloseCode;
  /** Bytes that had been taken at the last look, of streams whose client takes none or few. */
  readonly #taken = new WeakMap<Connection, number>();
  readonly #turnMs: number;
  /** Number of connections that are due for a check; a fraction is kept. */
  #due = 0;
  #walk: Iterator<Connection> | undefined;
  #callOffTurn = (): void => {};

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
    const { clock, times } = options;
    this.#idleClose = closeBecause(closeCodes.idle, `${closeCodes.idle.reason} of ${times.idleTimeoutMs} ms`);
    this.#stalledClose = closeBecause(closeCodes.idle, `nothing was taken within ${times.idleTimeoutMs} ms`);
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

  /** Opens a connection after its handshake. */
  open(encoding: Encoding, wire: Wire, handshake: Arriving, stream?: StreamParts): SocketListener {
    const { clock, metrics, nextId, reachOf, rooms } = this.#options;
    const { own, listen } = stream ?? { own: undefined, listen: this.#options.listen };
    const id = nextId();
    const connection = new Connection({
      id,
      encoding,
      wire,
      now: clock.monotonic(),
      queues: metrics.queues,
      own,
      onClose: (code) => {
        metrics.closedConnections.inc({ code: code.code });
        rooms.clients?.closing(connection, code, () => channelsOf(connection));
        this.#leaveAll(connection);
      },
    });
    connection.reach = reachOf(handshake);
    this.#connections.set(id, connection);
    metrics.openedConnections.inc();
    rooms.clients?.opened(connection, encoding.name, handshake);
    const group = metrics.clients.joined(clientOf(encoding.name, handshake.headers['sec-websocket-protocol']));
    const listener = listen(connection);
    return {
      message: (data, kind) => listener.message(data, kind),
      ping: (data) => listener.ping(data),
      pong: () => {
        connection.lastSeenAt = clock.monotonic();
      },
      broken: (code, reason) => connection.close({ code, reason, reconnect: false }),
      ended: (end) => {
        metrics.endedConnections.inc({ how: howEnded(connection, end.code) });
        rooms.clients?.ended(connection, end, () => channelsOf(connection));
        this.#leaveAll(connection);
        connection.ended();
        if (this.#connections.delete(id)) metrics.clients.left(group);
      },
    };
  }

  /** Ends the checks. */
  close(): void {
    this.#stopTurns();
    this.#callOffTurn();
  }

  /** Cuts off all connections that are still open. */
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

  /** Checks the part of the connections that is due by now. */
  #lookAtSome(): void {
    const { clock, metrics, times } = this.#options;
    this.#idle.turn(clock.monotonic());
    // This turn also does the rest of the turn before, and no more than all connections.
    this.#callOffTurn();
    this.#due = Math.min(this.#connections.size, this.#due + (this.#connections.size * this.#turnMs) / times.pingIntervalMs);
    this.#callOffTurn = inSlices(this.#nextDue(), {
      clock,
      step: (connection) => this.#look(connection),
      onSlice: (milliseconds) => metrics.loopSlice('sweep', milliseconds),
    });
  }

  /** Walks over all connections in turn. A walk also meets those that open meanwhile. */
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

  /** Pings a connection, closes it, or ends its identity, as is due. */
  #look(connection: Connection): void {
    const { clock, rooms, onLook } = this.#options;
    const at = clock.monotonic();
    expireIdentity(connection, rooms, at);
    onLook(connection);
    const { encoding } = connection;
    if (!encoding.answersPings && this.#takes(connection)) connection.lastSeenAt = at;
    const verdict = this.#idle.judge(connection.lastSeenAt, at);
    if (verdict === 'close') connection.close(encoding.answersPings ? this.#idleClose : this.#stalledClose);
    // A client that answers nothing is pinged at every look: what it takes shows that it lives.
    else if (verdict === 'ping' || !encoding.answersPings) connection.sendControl(encoding.ping);
  }

  /** Whether a client that answers nothing has taken bytes since the last look, or there were none to take. */
  #takes(connection: Connection): boolean {
    if (connection.waitingBytes === 0) return true;
    const { takenBytes } = connection;
    const before = this.#taken.get(connection);
    this.#taken.set(connection, takenBytes);
    return before === undefined || takenBytes > before;
  }
}

/** No close frame came: the WebSocket was cut off (RFC 6455, 7.1.5). */
const withoutFrame = 1006;

/** Whether the gateway closed a connection, the client left it, or something between them cut it. */
function howEnded({ isClosed }: Connection, code: number): 'closed' | 'left' | 'cut' {
  if (isClosed) return 'closed';
  return code === withoutFrame ? 'cut' : 'left';
}

function channelsOf({ members }: Connection): Iterable<string> {
  return members.map(({ room }) => room.channel);
}
