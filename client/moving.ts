import type { BackoffBounds } from '../core/backoff.ts';
import type { Reconnect } from '../core/protocol/barrage-v1.ts';
import type { Address } from './addresses.ts';
import { homesOf, type Asker } from './asking.ts';
import type { Connection } from './connection.ts';
import { Departure } from './departure.ts';
import { BarrageError } from './errors.ts';
import { ChannelMove } from './move.ts';
import type { TransportName } from './transport/transport.ts';
import { TransportUse } from './transport-use.ts';

/** One subscription, as a move uses it. */
export interface MovableSubscription {
  readonly isEquipped: boolean;
  readonly moved: boolean;
  moveTo(connection: Connection, parts: { readonly ChannelMove: typeof ChannelMove }): void;
  stay(): void;
}

/** A client's subscriptions, as a move uses them. */
export interface MovableSubscriptions {
  readonly all: readonly MovableSubscription[];
  join(subscription: MovableSubscription, connection: Connection): void;
}

export interface MovingOptions extends Asker {
  readonly addresses: readonly Address[];
  /** The transports that the application allows, the best first. */
  readonly order: readonly TransportName[];
  /** In [0, 1). */
  readonly random: () => number;
  readonly bounds: () => BackoffBounds;
  readonly subscriptions: MovableSubscriptions;
  /** The connection in use. */
  readonly current: () => Connection | undefined;
  /** Begins a connection. May throw. */
  readonly dial: (url: string, transport: TransportName) => Connection;
  /** A move is over: this connection is in use from now on, in place of the old one. */
  readonly onTaken: (next: Connection) => void;
  readonly onError: (error: BarrageError) => void;
}

/**
 * The ways of one client away from a connection: moves to another gateway, trials of a better transport, and the choice
 * of the transport after dials that failed. The client begins without it, and loads it when a connection ends or a
 * gateway asks it to move.
 */
export class Moving {
  readonly transports: TransportUse;
  readonly #options: MovingOptions;
  readonly #departure: Departure;
  /** Old connections, each kept until its replies have come. */
  #left: readonly Connection[] = [];

  constructor(options: MovingOptions) {
    const { clock, random, order, bounds, addresses, current, dial } = options;
    this.#options = options;
    this.transports = new TransportUse({
      order,
      clock,
      random,
      tryBetter: (connection, better) => connection === current() && this.#departure.try(connection, better),
    });
    this.#departure = new Departure({
      clock,
      random,
      bounds,
      homes: () => homesOf(addresses, options),
      dial: (url, name) => dial(url, this.transports.allows(name) ? name : (current()?.transport ?? this.transports.next)),
      onFailure: (error) => this.#stay(error),
      onLate: (next) => this.#switch(next),
    });
    const connection = current();
    if (connection?.ready === true) this.transports.settled(connection);
  }

  /** The connection that takes over in a move, from when it is dialled. */
  get next(): Connection | undefined {
    return this.#departure.next;
  }

  /** A gateway sent a hint on `from`. */
  hinted(from: Connection, hint: Reconnect): void {
    if (from !== this.#options.current() && from !== this.next) return;
    if (hint.transport === undefined || this.transports.allows(hint.transport)) this.#departure.ask(from, hint);
  }

  /** A connection is ready that is not the one in use. */
  opened(connection: Connection): void {
    if (connection !== this.next) return;
    this.#departure.opened(connection);
    for (const subscription of this.#options.subscriptions.all) this.carry(subscription);
    this.progress();
  }

  /** Takes a subscription along with a move that is under way. */
  carry(subscription: MovableSubscription): void {
    const { next } = this;
    if (next?.ready !== true || !subscription.isEquipped) return;
    subscription.moveTo(next, { ChannelMove });
    this.#options.subscriptions.join(subscription, next);
  }

  /** Something changed that a move waits for: it is over when no subscription needs the old connection any more. */
  progress(): void {
    const { next } = this;
    if (next?.ready === true && this.#options.subscriptions.all.every(({ moved }) => moved)) this.#switch(next);
  }

  /** The connection that takes over refused a subscription. */
  refused(error: BarrageError): void {
    this.#stay(error);
  }

  /** A connection ended. @returns whether that is all: it was the new one, or the new one takes its place */
  ended(connection: Connection, error: BarrageError): boolean {
    const { next } = this;
    if (connection === next) {
      this.#departure.lost(error);
      return true;
    }
    if (connection !== this.#options.current()) return true;
    if (next !== undefined && (next.ready || !this.#departure.isTrial)) {
      this.#switch(next);
      return true;
    }
    this.#departure.end('old');
    return false;
  }

  /** The client leaves its gateway. */
  leave(why: BarrageError | undefined): void {
    this.transports.stop();
    this.#departure.end('old');
    for (const left of this.#left) left.close(why);
  }

  /** Ends a move in favour of the old connection. */
  #stay(error: BarrageError): void {
    const { isTrial } = this.#departure;
    const { current, subscriptions, onError } = this.#options;
    this.#departure.end('old');
    for (const subscription of subscriptions.all) subscription.stay();
    if (isTrial) this.transports.trialFailed(current());
    else onError(new BarrageError(error.code, `the move to another gateway failed: ${error.message}`, true));
    this.#departure.followHint(current());
  }

  /** Ends a move in favour of the new connection, whether or not the old one still delivers. */
  #switch(next: Connection): void {
    const { current, onTaken } = this.#options;
    const old = current();
    if (old !== undefined) this.transports.ended(old);
    this.#departure.end('new');
    onTaken(next);
    old?.retire();
    this.#left = [...this.#left, ...(old === undefined ? [] : [old])].filter(({ ended }) => !ended);
    this.#departure.followHint(current());
  }
}
