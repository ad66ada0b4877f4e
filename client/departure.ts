import type { Reconnect } from '../core/protocol/barrage-v1.ts';
import { leavesEncryption } from './addresses.ts';
import type { ClientClock } from './client-clock.ts';
import type { Connection } from './connection.ts';
import { BarrageError } from './errors.ts';

/** Longest time that both connections of a move are kept, from the opening of the new one, in milliseconds. */
const moveTimeoutMs = 5_000;

export interface DepartureOptions {
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The address to go to when a hint names no gateway. */
  readonly home: () => Promise<string>;
  /** Begins a connection. May throw. */
  readonly dial: (url: string) => Connection;
  /** Called when the move can't be made: the old connection stays. */
  readonly onFailure: (error: BarrageError) => void;
  /** Called when both connections were kept for the longest time. */
  readonly onLate: (next: Connection) => void;
}

interface Hint {
  readonly from: Connection;
  readonly reconnect: Reconnect;
}

/**
 * The connections of a client's move from one gateway to another: waiting for its time, dialling, both open. There is
 * one move at a time. Of the hints that come meanwhile, the newest is kept for later.
 */
export class Departure {
  readonly #options: DepartureOptions;
  #isUnderWay = false;
  #next: Connection | undefined;
  #hint: Hint | undefined;
  #cancelTimer = (): void => {};
  /** Changes with every end, so that a target that is found too late is not dialled. */
  #move = 0;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** The new connection, from when it is dialled. */
  get next(): Connection | undefined {
    return this.#next;
  }

  /** A gateway sent a hint on `from`, which is the connection in use or the new one. */
  ask(from: Connection, reconnect: Reconnect): void {
    if (this.#isUnderWay) this.#hint = { from, reconnect };
    else this.#begin(from, reconnect);
  }

  /** The new connection is open: the old one is read on for a bounded time. */
  opened(next: Connection): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(moveTimeoutMs, () => this.#options.onLate(next));
  }

  /** The move is over, in favour of the new connection or of the old one. */
  end(winner: 'new' | 'old'): void {
    this.#cancelTimer();
    if (winner === 'old') this.#next?.close();
    this.#next = undefined;
    this.#isUnderWay = false;
    this.#move++;
  }

  /** After a move: follows the hint that came meanwhile, if it came on the connection that stayed. */
  followHint(current: Connection | undefined): void {
    const hint = this.#hint;
    this.#hint = undefined;
    if (hint !== undefined && hint.from === current) this.#begin(hint.from, hint.reconnect);
  }

  #begin(from: Connection, { url, afterMs }: Reconnect): void {
    const { clock, random, home } = this.#options;
    this.#isUnderWay = true;
    const move = this.#move;
    this.#cancelTimer = clock.after(random() * afterMs, () => {
      if (url !== undefined) return this.#go(from, url);
      home().then(
        (target) => {
          if (move === this.#move) this.#go(from, target);
        },
        (cause: unknown) => {
          if (move === this.#move) this.#options.onFailure(cause as BarrageError);
        },
      );
    });
  }

  #go(from: Connection, target: string): void {
    // The token goes to the target too, so a move never leads from an encrypted connection to a plain one.
    if (leavesEncryption(from.url, target)) {
      return this.#options.onFailure(new BarrageError('protocol', `${target} is not encrypted, and the connection is`, true));
    }
    try {
      this.#next = this.#options.dial(target);
    } catch {
      this.#options.onFailure(new BarrageError('protocol', `${target} is not a WebSocket URL that can be dialled`, true));
    }
  }
}
