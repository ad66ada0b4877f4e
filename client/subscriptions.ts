import type { Subscribed } from '../core/protocol/barrage-v1.ts';
import type { CommandBody } from './command.ts';
import type { Arrival, Connection } from './connection.ts';
import { BarrageError, tooMany } from './errors.ts';
import { withExtraPart } from './extra-part.ts';
import type { Moving } from './moving.ts';
import { Rejoins } from './rejoins.ts';
import type { ServerClock } from './server-clock.ts';
import type { AttemptTimes } from './snapshots.ts';
import type { Gap, SubscribeOptions } from './subscription-api.ts';
import { Subscription } from './subscription.ts';
import { isSubscribeResult } from './wire.ts';

/** The part of the client that its subscriptions use. */
export interface SubscriptionsOptions {
  readonly times: AttemptTimes;
  readonly serverClock: ServerClock;
  /** The connection in use. */
  readonly current: () => Connection | undefined;
  /** The client's moves, once it has any. */
  readonly moving: () => Moving | undefined;
  /** Called when a backend subscribed this client to a channel. */
  readonly onMade: (subscription: Subscription) => void;
  readonly gap: (gap: Gap) => void;
  /** Called for a subscription's error that nothing listens for. */
  readonly unheard: (channel: string, error: BarrageError) => void;
}

/** A client's subscriptions, and what brings them in force on its connections. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #byChannel = new Map<string, Subscription>();
  readonly #rejoins: Rejoins;
  /** Subscriptions that were told that their channel does not come on this connection. */
  readonly #unserved = new WeakMap<Subscription, Connection>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    const { clock, random, bounds } = options.times;
    this.#rejoins = new Rejoins(clock, random, bounds);
  }

  get all(): readonly Subscription[] {
    // A copy: a listener that is told of a refusal may subscribe, which joins by itself.
    return [...this.#byChannel.values()];
  }

  /**
   * A subscription of the application, joined on every connection that is ready.
   * @throws BarrageError `too_many_requests` or `already_subscribed`
   */
  make(channel: string, options: SubscribeOptions): Subscription {
    const current = this.#options.current();
    if (current?.crowded === true) throw tooMany();
    if (this.#byChannel.has(channel)) throw new BarrageError('already_subscribed', `${channel} is subscribed to already`, false);
    const subscription = this.#add(channel, options);
    this.#begin(subscription);
    return subscription;
  }

  /** The connection in use is ready: joins all. */
  joinAll(connection: Connection): void {
    for (const subscription of this.all) this.join(subscription, connection);
  }

  /** A batch, gap or change of epoch arrived. */
  received(connection: Connection, arrival: Extract<Arrival, { readonly type: 'batch' | 'gap' | 'epoch' }>): void {
    this.#byChannel.get(arrival.channel)?.received(connection, arrival);
    this.#options.moving()?.progress();
  }

  /** A gateway subscribed this client by itself. */
  subscribed(connection: Connection, result: Subscribed): void {
    if (!this.#isRead(connection)) return;
    const known = this.#byChannel.get(result.channel);
    const subscription = known ?? this.#add(result.channel, {});
    if (known === undefined) this.#options.onMade(subscription);
    if (this.#byChannel.get(result.channel) !== subscription) return;
    subscription.joined(connection, result);
    // The old gateway knows of the subscription, and the next one does not.
    if (known === undefined && connection === this.#options.current()) this.#options.moving()?.carry(subscription);
  }

  /** A gateway ended a subscription. */
  unsubscribed(connection: Connection, { channel, message }: { readonly channel: string; readonly message: string }): void {
    const subscription = this.#byChannel.get(channel);
    // While a subscribe is unanswered, this message is about the earlier subscription.
    if (subscription?.state !== 'subscribed' || !this.#isRead(connection)) return;
    this.#drop(subscription, 'unsubscribed', new BarrageError('not_subscribed', message, false));
  }

  /** There is no connection any more. */
  lost(): void {
    for (const subscription of this.#byChannel.values()) subscription.lost();
  }

  /** The connection in use is another one, or gone: no refused subscribe is repeated on it. */
  forgetRetries(): void {
    this.#rejoins.clear();
  }

  /** A move is over: all are on the new connection. */
  endMove(): void {
    for (const subscription of this.#byChannel.values()) subscription.endMove();
  }

  /** The client is closed. */
  end(state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    for (const subscription of this.#byChannel.values()) this.#drop(subscription, state, error);
  }

  /**
   * Whether this connection's messages about a subscription count: it is the one in use, or the one that takes over.
   */
  #isRead(connection: Connection): boolean {
    return connection === this.#options.current() || connection === this.#options.moving()?.next;
  }

  /** Joins on every connection that is ready. */
  #begin(subscription: Subscription): void {
    const { current: currentOf, moving } = this.#options;
    const current = currentOf();
    moving()?.carry(subscription);
    if (!subscription.isEquipped) this.#equip(subscription);
    else if (current?.ready === true) this.join(subscription, current);
  }

  /** Loads what the subscription's options need, and begins it then. */
  #equip(subscription: Subscription): void {
    const isGone = (): boolean => subscription.isEquipped || this.#byChannel.get(subscription.channel) !== subscription;
    withExtraPart(
      (extra) => {
        if (isGone()) return;
        subscription.equip(extra);
        this.#begin(subscription);
      },
      (error) => {
        if (isGone()) return;
        subscription.warn(error);
        this.#rejoins.later(subscription, () => this.#equip(subscription));
      },
    );
  }

  /** Subscribes on a connection that is ready. */
  join(subscription: Subscription, connection: Connection): void {
    if (!subscription.isEquipped) return this.#equip(subscription);
    const { channel, density, arrived: since } = subscription;
    const rewind = since === undefined ? subscription.rewind : undefined;
    connection.sendInOrder({ op: 'subscribe', channel, density, since, rewind }, (error, result) => {
      if (this.#byChannel.get(channel) !== subscription || !this.#isRead(connection)) return;
      if (error === undefined && isSubscribeResult(result)) {
        this.#rejoins.forget(subscription);
        subscription.joined(connection, result);
        return this.#options.moving()?.progress();
      }
      this.#refused(subscription, connection, error ?? new BarrageError('protocol', 'not the result of a subscribe', true));
    });
  }

  #refused(subscription: Subscription, connection: Connection, error: BarrageError): void {
    // The connection is over: its `onEnd` does the rest.
    if (error.code === 'disconnected' || error.code === 'closed') return;
    // The old connection still serves this channel: the move ends, rather than the subscription.
    if (connection === this.#options.moving()?.next) return this.#options.moving()?.refused(error);
    const repeated = error.code === 'already_subscribed';
    if (repeated && subscription.readsFrom(connection)) return;
    if (error.code === 'unsupported' && this.#unserved.get(subscription) !== connection) {
      this.#unserved.set(subscription, connection);
      subscription.warn(error);
    }
    if (!error.retry && !repeated) return this.#drop(subscription, 'failed', error);
    this.#rejoins.later(subscription, () => {
      if (connection !== this.#options.current() || this.#byChannel.get(subscription.channel) !== subscription) return;
      // The gateway may have subscribed this client, though its answer came too late. Only a fresh subscribe tells the
      // position.
      if (repeated || error.code === 'timeout') connection.sendInOrder({ op: 'unsubscribe', channel: subscription.channel }, () => {});
      this.join(subscription, connection);
    });
  }

  #add(channel: string, options: SubscribeOptions): Subscription {
    const subscription = new Subscription(channel, options, {
      ...this.#options,
      density: async (_channel, density): Promise<void> => {
        if (this.#options.current()?.crowded === true) throw tooMany();
        await this.#tellAll({ op: 'density', channel, density });
      },
      unsubscribe: async (ended): Promise<void> => {
        if (this.#byChannel.get(channel) !== ended) return;
        this.#drop(ended, 'unsubscribed');
        await this.#tellAll({ op: 'unsubscribe', channel }).catch(() => {});
      },
    });
    this.#byChannel.set(channel, subscription);
    return subscription;
  }

  #drop(subscription: Subscription, state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    this.#rejoins.forget(subscription);
    this.#byChannel.delete(subscription.channel);
    subscription.end(state, error);
    this.#options.moving()?.progress();
  }

  /** Sends a command about one channel on every connection that is in use, in order with its subscribes. */
  async #tellAll(body: CommandBody & { readonly channel: string }): Promise<void> {
    const connections = [this.#options.current(), this.#options.moving()?.next].filter((connection) => connection?.ready === true);
    await Promise.all(
      connections.map(
        (connection) =>
          new Promise<void>((resolve, reject) => {
            connection?.sendInOrder(body, (error) => (error === undefined ? resolve() : reject(error)));
          }),
      ),
    );
  }
}
