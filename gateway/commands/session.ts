import type { Clock } from '../../core/clock.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { Tracer } from '../../core/trace.ts';
import type { Connection } from '../connections/connection.ts';
import type { MemberCounter } from './member-counter.ts';
import type { CommandTurns } from './command-turns.ts';
import type { GatewayJournal } from '../accounts/log-lines.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import type { ClientPublishing } from './client-publishing.ts';
import { expireIdentity } from '../connections/standing.ts';
import type { Authenticate } from '../identity/identity.ts';
import type { Rooms } from '../rooms/rooms.ts';

/** The parts that the sessions of all connections share. */
export interface SessionSurroundings {
  readonly rooms: Rooms;
  readonly authenticate: Authenticate;
  readonly publishing: ClientPublishing;
  /** Members of a channel in the whole pool, as last reported. */
  readonly countMembers: MemberCounter['count'];
  readonly metrics: GatewayMetrics;
  readonly journal: GatewayJournal;
  readonly clock: Clock;
  readonly turns: CommandTurns;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
}

/** The answers of one protocol. */
export interface Dialect {
  /** Carries out one message; resolves when its reply was sent. Must not throw. */
  execute(text: string): Promise<void>;
  /** Refuses a message that came too fast. */
  refuse(text: string): void;
}

/** A command that waits for the one before it, with its length in UTF-8. */
interface Waiting {
  readonly text: string;
  readonly bytes: number;
}

const { commandsPerSecondMax, commandsInFlightMax, controlQueueBytesMax } = limits;
const flood = closeBecause(closeCodes.tooManyCommands, `too many commands: this connection may send ${commandsPerSecondMax} a second`);
const tooManyWaiting = closeBecause(
  closeCodes.tooManyCommands,
  `too many commands wait for their answer: one connection may have ${commandsInFlightMax}`,
);
const tooLongWaiting = closeBecause(
  closeCodes.tooManyCommands,
  `the commands that wait for their answer are too long: together they may have ${controlQueueBytesMax} bytes`,
);

/**
 * The messages of one connection, one after the other. A command begins when the one before it was answered, so that a
 * subscribe behind an `auth` finds the user. Commands are bounded in rate, and the waiting ones in number and in bytes.
 * A client that sends on regardless is disconnected.
 */
export class Session {
  readonly #connection: Connection;
  readonly #dialect: Dialect;
  readonly #surroundings: SessionSurroundings;
  #waiting: Waiting[] | undefined;
  /** Bytes of the waiting commands, without the one that is being carried out. */
  #waitingBytes = 0;
  #bucket: TokenBucket | undefined;

  constructor(connection: Connection, dialect: Dialect, surroundings: SessionSurroundings) {
    this.#connection = connection;
    this.#dialect = dialect;
    this.#surroundings = surroundings;
  }

  /** Does something before the first command, which waits for it. */
  begin(first: () => Promise<void>): void {
    void this.#run(first);
  }

  message(data: Buffer, kind: 'text' | 'binary'): void {
    if (this.#connection.isClosed) return;
    const pace = this.#pace();
    if (kind === 'binary') {
      this.#connection.close(closeBecause(closeCodes.badCommand, 'this message is binary; commands are JSON in text messages'));
      return;
    }
    const text = data.toString();
    if (pace === 'flood') {
      this.#connection.close(flood);
    } else if (pace === 'too_many') {
      this.#surroundings.metrics.commands.inc({ result: 'too_many' });
      this.#surroundings.rooms.clients?.limited(this.#connection, 'the commands of a connection');
      this.#dialect.refuse(text);
    } else if (this.#waiting === undefined) {
      void this.#run(() => this.#dialect.execute(text));
    } else if (this.#waiting.length >= limits.commandsInFlightMax) {
      this.#connection.close(tooManyWaiting);
    } else if (this.#waitingBytes + data.length > limits.controlQueueBytesMax) {
      this.#connection.close(tooLongWaiting);
    } else {
      this.#waiting.push({ text, bytes: data.length });
      this.#waitingBytes += data.length;
    }
  }

  /** Answers a ping frame, which costs as much as a command. A ping above the rate is not answered. */
  ping(data: Buffer): void {
    if (this.#connection.isClosed) return;
    const pace = this.#pace();
    if (pace === 'flood') this.#connection.close(flood);
    else if (pace === 'allowed') this.#connection.sendControl(this.#connection.encoding.pong(data));
    else this.#surroundings.rooms.clients?.limited(this.#connection, 'the commands of a connection');
  }

  /** `too_many`: above the rate. `flood`: so far above it that even refusals must end. */
  #pace(): 'allowed' | 'too_many' | 'flood' {
    const now = this.#surroundings.clock.monotonic();
    this.#connection.lastSeenAt = now;
    const rate = limits.commandsPerSecondMax;
    this.#bucket ??= new TokenBucket(rate, now);
    const available = this.#bucket.available(now, rate, rate);
    if (this.#bucket.take(1) < -rate) return 'flood';
    return available < 1 ? 'too_many' : 'allowed';
  }

  async #run(first: () => Promise<void>): Promise<void> {
    const waiting: Waiting[] = [];
    this.#waiting = waiting;
    for (
      let step: (() => Promise<void>) | undefined = first;
      step !== undefined && !this.#connection.isClosed;
      step = this.#next(waiting)
    ) {
      try {
        const turn = this.#surroundings.turns.next();
        if (turn !== undefined) await turn;
        expireIdentity(this.#connection, this.#surroundings.rooms, this.#surroundings.clock.monotonic());
        if (!this.#connection.isClosed) await step();
      } catch (error) {
        const { id: connection, uid: user } = this.#connection;
        this.#surroundings.journal.write('command-failed', { connection, user, err: error });
        this.#connection.close(closeCodes.internal);
      }
    }
    this.#waiting = undefined;
  }

  #next(waiting: Waiting[]): (() => Promise<void>) | undefined {
    const next = waiting.shift();
    if (next === undefined) return undefined;
    this.#waitingBytes -= next.bytes;
    return () => this.#dialect.execute(next.text);
  }
}
