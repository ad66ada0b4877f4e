import { backoffMs, type BackoffBounds } from '../core/backoff.ts';
import type { Reconnect } from '../core/protocol/barrage-v1.ts';
import { leavesEncryption } from './directions.ts';
import type { ClientClock } from './client-clock.ts';
import type { Connection } from './connection.ts';
import { BarrageError } from './errors.ts';
import type { TransportName } from './transport/transport.ts';

/** Longest time that both connections of a move are kept, from the opening of the new one, in milliseconds. */
const moveTimeoutMs = 5_000;

/**
 * Most further rounds over the client's own addresses, when none of them takes it. A balancer may lead to the gateway
 * that leaves for some seconds more. That one refuses, and serves on over the old connection.
 */
const homeRoundsMax = 5;

export interface DepartureOptions {
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The bounds of the wait between two rounds over the client's own addresses. */
  readonly bounds: () => BackoffBounds;
  /** The addresses to go to when a hint names no gateway, the best first. */
  readonly homes: () => Promise<readonly string[]>;
  /** Begins a connection, with the transport that the hint names. May throw. */
  readonly dial: (url: string, transport: string | undefined) => Connection;
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
  #isTrial = false;
  #transport: string | undefined;
  /** The connection that is to be left. */
  #from: Connection | undefined;
  #next: Connection | undefined;
  #hint: Hint | undefined;
  /** Addresses to try if the new connection can't be opened. */
  #others: readonly string[] = [];
  /** The hint's own address, until it was left behind. */
  #hinted: string | undefined;
  /** Rounds over the client's own addresses that failed; `undefined`: there is no further one. */
  #rounds: number | undefined;
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

  /** Whether the move under way is the client's own trial of another transport. */
  get isTrial(): boolean {
    return this.#isTrial;
  }

  /** Tries to move to another transport, at the client's own addresses. @returns whether no other move is under way */
  try(from: Connection, transport: TransportName): boolean {
    if (this.#isUnderWay) return false;
    this.#isTrial = true;
    this.#begin(from, { type: 'reconnect', afterMs: 0, transport });
    return true;
  }

  /** A gateway sent a hint on `from`, which is the connection in use or the new one. */
  ask(from: Connection, reconnect: Reconnect): void {
    if (this.#isUnderWay) this.#hint = { from, reconnect };
    else this.#begin(from, reconnect);
  }

  /** The new connection is open: the old one is read on for a bounded time. */
  opened(next: Connection): void {
    this.#others = [];
    this.#hinted = undefined;
    this.#rounds = undefined;
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(moveTimeoutMs, () => this.#options.onLate(next));
  }

  /**
   * The new connection ended. If it was never open, the client's own addresses are tried: the gateway of a hint may be
   * leaving too by now, or be out of reach. They are tried again after waits of full-jitter back-off.
   * A newer hint of the old gateway ends that.
   */
  lost(error: BarrageError): void {
    const from = this.#from;
    if (from === undefined || !error.retry || this.#hint?.from === from) return this.#options.onFailure(error);
    if (this.#others.length > 0) return this.#go(from, this.#others);
    const hinted = this.#hinted;
    this.#next = undefined;
    if (hinted !== undefined) return this.#goHome(from, hinted);
    const rounds = this.#rounds;
    if (rounds === undefined || rounds >= homeRoundsMax) return this.#options.onFailure(error);
    this.#rounds = rounds + 1;
    const { clock, random, bounds } = this.#options;
    this.#cancelTimer = clock.after(backoffMs(rounds, bounds(), random), () => this.#goHome(from));
  }

  /** The move is over, in favour of the new connection or of the old one. */
  end(winner: 'new' | 'old'): void {
    this.#cancelTimer();
    if (winner === 'old') this.#next?.close();
    this.#next = undefined;
    this.#others = [];
    this.#hinted = undefined;
    this.#isUnderWay = false;
    this.#isTrial = false;
    this.#move++;
  }

  /** After a move: follows the hint that came meanwhile, if it came on the connection that stayed. */
  followHint(current: Connection | undefined): void {
    const hint = this.#hint;
    this.#hint = undefined;
    if (hint !== undefined && hint.from === current) this.#begin(hint.from, hint.reconnect);
  }

  #begin(from: Connection, { url, afterMs, transport }: Reconnect): void {
    const { clock, random } = this.#options;
    this.#isUnderWay = true;
    this.#from = from;
    this.#transport = transport;
    this.#hinted = url;
    this.#rounds = this.#isTrial ? undefined : 0;
    this.#cancelTimer = clock.after(random() * afterMs, () => {
      if (url !== undefined) this.#go(from, [url]);
      else this.#goHome(from);
    });
  }

  /** Goes to the client's own addresses: to that of the old connection last, if another one was tried before. */
  #goHome(from: Connection, tried?: string): void {
    const move = this.#move;
    this.#hinted = undefined;
    this.#options.homes().then(
      (targets) => {
        if (move !== this.#move) return;
        if (tried === undefined) return this.#go(from, targets);
        const others = targets.filter((target) => target !== tried && target !== from.url);
        this.#go(from, [...others, ...targets.filter((target) => target === from.url)]);
      },
      (cause: unknown) => {
        if (move === this.#move) this.lost(cause as BarrageError);
      },
    );
  }

  #go(from: Connection, [target = '', ...others]: readonly string[]): void {
    this.#next = undefined;
    this.#others = others;
    // The token goes to the target too, so a move never leads from an encrypted connection to a plain one.
    if (leavesEncryption(from.url, target)) {
      return this.lost(new BarrageError('protocol', `${target} is not encrypted, and the connection is`, true));
    }
    try {
      this.#next = this.#options.dial(target, this.#transport);
    } catch {
      this.lost(new BarrageError('protocol', `${target} is not a WebSocket URL that can be dialled`, true));
    }
  }
}
