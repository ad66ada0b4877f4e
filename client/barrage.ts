import type { Reconnect, Subscribed } from '../core/protocol/barrage-v1.ts';
import type { BarrageEvents, BarrageOptions, BarrageState, PublishOptions } from './api.ts';
import { Backoff, fullJitterMs } from './backoff.ts';
import { Connection, type Arrival, type CommandBody, type Outcome } from './connection.ts';
import { BarrageError } from './errors.ts';
import { Listeners } from './listeners.ts';
import { Subscription, type SubscribeOptions } from './subscription.ts';
import { isSubscribeResult, toBase64 } from './wire.ts';

export type { BarrageEvents, BarrageOptions, BarrageState, DirectPayload, PublishOptions } from './api.ts';
export { BarrageError, type BarrageErrorCode } from './errors.ts';
export type { GapReason } from './cursor.ts';
export type { Batch, Gap, Overflow, Subscription, SubscriptionEvents, SubscriptionState, SubscribeOptions } from './subscription.ts';
export type { Publication } from './wire.ts';

// Longest that both connections of a move are kept, counted from when the new one is open.
const moveTimeoutMs = 5_000;
const encrypted = /^(wss|https):/i;

/** A move to another connection: waiting for its time, dialling, or with both connections read. */
interface Move {
  timer: ReturnType<typeof setTimeout> | undefined;
  connection: Connection | undefined;
}

/**
 * A client of a Barrage gateway. It connects when it is made, and stays so until `close`: it reconnects with full-jitter back-off, subscribes again from
 * where it was, follows a gateway's hint to move, and reports every gap that it can't rule out.
 */
export class Barrage {
  readonly #url: string;
  readonly #token: BarrageOptions['token'];
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #listeners = new Listeners<BarrageEvents>();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #retries = new Map<Subscription, { attempt: number; timer: ReturnType<typeof setTimeout> | undefined }>();
  readonly #backoff = new Backoff();
  #state: BarrageState = 'connecting';
  #connection: Connection | undefined;
  /** The connection that was left last; it waits for its replies. */
  #left: Connection | undefined;
  #move: Move | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @throws SyntaxError where `url` is not a ws:// or wss:// URL */
  constructor(url: string, options: BarrageOptions = {}) {
    this.#url = url;
    this.#token = options.token;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? ((): number => performance.now());
    this.#connection = this.#dial(url);
  }

  get state(): BarrageState {
    return this.#state;
  }

  /** Adds a listener; the function returned removes it. */
  on<Name extends keyof BarrageEvents>(name: Name, listener: (value: BarrageEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /**
   * Subscribes to a channel, now or as soon as there is a connection. What becomes of it is told by its events.
   * @throws BarrageError `already_subscribed`, or `closed` after `close`
   */
  subscribe(channel: string, options: SubscribeOptions = {}): Subscription {
    if (this.#state === 'closed') throw closed();
    if (this.#subscriptions.has(channel)) throw new BarrageError('already_subscribed', `${channel} is subscribed to already`, false);
    const subscription = this.#add(channel, options);
    this.#carry(subscription);
    if (this.#connection?.ready === true) this.#join(subscription, this.#connection);
    return subscription;
  }

  /**
   * Publishes to a channel whose policy lets clients do so.
   * @returns its place in the channel's order
   * @throws BarrageError; after `disconnected` or `timeout` it may have been published all the same
   */
  async publish(
    channel: string,
    data: string | Uint8Array,
    options: PublishOptions = {},
  ): Promise<{ readonly offset: number; readonly epoch: string }> {
    const { ttlMs, conflateKey, conflate, count } = options;
    const payload = typeof data === 'string' ? { data } : { data: toBase64(data), kind: 'binary' as const };
    const result = await this.#request({ op: 'publish', channel, ...payload, ttlMs, conflateKey, conflate, count });
    return result as { offset: number; epoch: string };
  }

  /** Members of a channel in the whole pool. @throws BarrageError */
  async counts(channel: string): Promise<{ readonly members: number }> {
    return (await this.#request({ op: 'counts', channel })) as { members: number };
  }

  /** A round trip to the gateway, in milliseconds. @throws BarrageError */
  async ping(): Promise<number> {
    const sentAt = this.#now();
    await this.#request({ op: 'ping' });
    return this.#now() - sentAt;
  }

  /** Ends everything: subscriptions are `unsubscribed`, calls without an answer fail with `closed`. Final. */
  close(): void {
    this.#finish('unsubscribed');
  }

  #dial(url: string): Connection {
    return new Connection({
      url,
      token: this.#token,
      now: this.#now,
      random: this.#random,
      onHello: (_connection, hello): void => {
        this.#backoff.opened(hello.backoff, this.#now());
        this.#listeners.emit('hello', hello);
      },
      onReady: (connection): void => this.#opened(connection),
      onArrival: (connection, arrival): void => this.#arrived(connection, arrival),
      onError: (error): void => this.#listeners.emit('error', error),
      onEnd: (connection, error): void => this.#ended(connection, error),
    });
  }

  #opened(connection: Connection): void {
    const move = this.#move;
    const subscriptions = [...this.#subscriptions.values()];
    if (connection === this.#connection) {
      for (const subscription of subscriptions) this.#join(subscription, connection);
      this.#become('open');
    } else if (connection === move?.connection) {
      clearTimeout(move.timer);
      move.timer = setTimeout(() => this.#switch(connection), moveTimeoutMs);
      for (const subscription of subscriptions) this.#carry(subscription);
      this.#switchIfMoved();
    }
  }

  #arrived(connection: Connection, arrival: Arrival): void {
    switch (arrival.type) {
      case 'batch':
      case 'gap':
        this.#subscriptions.get(arrival.channel)?.received(connection, arrival);
        return this.#switchIfMoved();
      case 'direct':
        return this.#listeners.emit('direct', { data: arrival.data });
      case 'backoff':
        return this.#backoff.told(arrival);
      case 'reconnect':
        return this.#moveLater(connection, arrival);
      case 'subscribed':
        return this.#subscribed(connection, arrival);
      case 'unsubscribed': {
        const subscription = this.#subscriptions.get(arrival.channel);
        // While a subscribe is unanswered, this is about the subscription before it.
        if (subscription?.state !== 'subscribed' || !this.#isRead(connection)) return;
        return this.#drop(subscription, 'unsubscribed', new BarrageError('not_subscribed', arrival.message, false));
      }
    }
  }

  #subscribed(connection: Connection, result: Subscribed): void {
    if (!this.#isRead(connection)) return;
    const known = this.#subscriptions.get(result.channel);
    const subscription = known ?? this.#add(result.channel, {});
    if (known === undefined) this.#listeners.emit('subscription', subscription);
    if (this.#subscriptions.get(result.channel) !== subscription) return;
    subscription.joined(connection, result);
    // The gateway that is left knows of it, and the next one does not.
    if (known === undefined && connection === this.#connection) this.#carry(subscription);
  }

  /** Takes a subscription along where a move is under way. */
  #carry(subscription: Subscription): void {
    const next = this.#move?.connection;
    if (next?.ready !== true) return;
    subscription.moveTo(next);
    this.#join(subscription, next);
  }

  /** Whether what this connection says of a subscription counts: it is the one in use, or the one that takes over. */
  #isRead(connection: Connection): boolean {
    return connection === this.#connection || connection === this.#move?.connection;
  }

  #ended(connection: Connection, error: BarrageError): void {
    if (connection === this.#move?.connection) return this.#stay(error);
    if (connection !== this.#connection) return;
    const next = this.#move?.connection;
    if (next !== undefined) return this.#switch(next);
    this.#endMove();
    this.#clearRetries();
    this.#listeners.emit('error', error);
    if (this.#connection !== connection) return;
    if (!error.retry) return this.#finish('failed', error);
    this.#connection = undefined;
    for (const subscription of this.#subscriptions.values()) subscription.lost();
    this.#timer = setTimeout(() => this.#reconnect(), this.#backoff.failed(this.#now(), this.#random));
    this.#become('waiting');
  }

  #reconnect(): void {
    this.#connection = this.#dial(this.#url);
    this.#become('connecting');
  }

  #join(subscription: Subscription, connection: Connection): void {
    const { channel, density, position: since } = subscription;
    connection.sendInOrder({ op: 'subscribe', channel, density, since }, (outcome) => {
      if (this.#subscriptions.get(channel) !== subscription || !this.#isRead(connection)) return;
      if (outcome.kind === 'result' && isSubscribeResult(outcome.result)) {
        this.#retries.delete(subscription);
        subscription.joined(connection, outcome.result);
        return this.#switchIfMoved();
      }
      this.#refused(subscription, connection, outcome);
    });
  }

  #refused(subscription: Subscription, connection: Connection, outcome: Outcome): void {
    const error = outcome.kind === 'error' ? outcome.error : new BarrageError('protocol', 'not the result of a subscribe', true);
    // The connection is over: what follows from that is done where its end is heard.
    if (error.code === 'disconnected' || error.code === 'closed') return;
    // The old connection still serves this channel: better that than to fail for a move.
    if (connection === this.#move?.connection) return this.#stay(error);
    const repeated = error.code === 'already_subscribed';
    if (repeated && subscription.readsFrom(connection)) return;
    if (!error.retry && !repeated) return this.#drop(subscription, 'failed', error);
    const retry = this.#retries.get(subscription) ?? { attempt: 0, timer: undefined };
    this.#retries.set(subscription, retry);
    const delayMs = fullJitterMs(retry.attempt++, this.#backoff.bounds, this.#random);
    retry.timer = setTimeout(() => {
      if (connection !== this.#connection || this.#subscriptions.get(subscription.channel) !== subscription) return;
      // The gateway may have subscribed us though its answer came too late; only a fresh subscribe says from where.
      if (repeated || error.code === 'timeout') connection.sendInOrder({ op: 'unsubscribe', channel: subscription.channel }, () => {});
      this.#join(subscription, connection);
    }, delayMs);
  }

  #moveLater(connection: Connection, { url, afterMs }: Reconnect): void {
    if (connection !== this.#connection || this.#move !== undefined) return;
    const target = url ?? this.#url;
    // The token goes there too: never from an encrypted connection to a plain one.
    if (encrypted.test(this.#url) && !encrypted.test(target)) {
      return this.#listeners.emit('error', new BarrageError('protocol', `refused to move to ${target}`, true));
    }
    const move: Move = { connection: undefined, timer: undefined };
    this.#move = move;
    move.timer = setTimeout(() => {
      try {
        move.connection = this.#dial(target);
      } catch {
        this.#stay(new BarrageError('protocol', `can't move to ${target}: not a WebSocket URL`, true));
      }
    }, this.#random() * afterMs);
  }

  /** Ends a move in favour of the old connection. */
  #stay(error: BarrageError): void {
    this.#endMove();
    for (const subscription of this.#subscriptions.values()) subscription.stay();
    this.#listeners.emit('error', new BarrageError(error.code, `the move to another gateway failed: ${error.message}`, true));
  }

  #switchIfMoved(): void {
    const next = this.#move?.connection;
    if (next?.ready !== true) return;
    if ([...this.#subscriptions.values()].every(({ moved }) => moved)) this.#switch(next);
  }

  /** Ends a move in favour of the new connection, whether or not the old one still delivers. */
  #switch(next: Connection): void {
    const old = this.#connection;
    clearTimeout(this.#move?.timer);
    this.#move = undefined;
    this.#connection = next;
    this.#clearRetries();
    for (const subscription of this.#subscriptions.values()) subscription.endMove();
    old?.retire();
    this.#left = old;
    if (!next.ready) {
      for (const subscription of this.#subscriptions.values()) subscription.lost();
      this.#become('connecting');
    }
  }

  #endMove(): void {
    clearTimeout(this.#move?.timer);
    this.#move?.connection?.close();
    this.#move = undefined;
  }

  #clearRetries(): void {
    for (const { timer } of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
  }

  #add(channel: string, options: SubscribeOptions): Subscription {
    const subscription = new Subscription(channel, options, {
      density: async (density): Promise<void> => {
        await this.#tellAll({ op: 'density', channel, density });
      },
      unsubscribe: async (ended): Promise<void> => {
        if (this.#subscriptions.get(channel) !== ended) return;
        this.#drop(ended, 'unsubscribed');
        await this.#tellAll({ op: 'unsubscribe', channel }).catch(() => {});
      },
      gap: (gap): void => this.#listeners.emit('gap', gap),
    });
    this.#subscriptions.set(channel, subscription);
    return subscription;
  }

  #drop(subscription: Subscription, state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    clearTimeout(this.#retries.get(subscription)?.timer);
    this.#retries.delete(subscription);
    this.#subscriptions.delete(subscription.channel);
    subscription.end(state, error);
    this.#switchIfMoved();
  }

  /** Sends a command about one channel on every connection that is in use, in order with its subscribes. */
  async #tellAll(body: CommandBody & { readonly channel: string }): Promise<void> {
    const connections = [this.#connection, this.#move?.connection].filter((connection) => connection?.ready === true);
    await Promise.all(
      connections.map(
        (connection) =>
          new Promise<void>((resolve, reject) => {
            connection?.sendInOrder(body, (outcome) => (outcome.kind === 'result' ? resolve() : reject(outcome.error)));
          }),
      ),
    );
  }

  #request(body: CommandBody): Promise<object> {
    if (this.#state === 'closed') return Promise.reject(closed());
    if (this.#connection?.ready !== true) return Promise.reject(new BarrageError('disconnected', 'there is no connection now', true));
    return this.#connection.request(body);
  }

  #finish(state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    if (this.#state === 'closed') return;
    this.#become('closed');
    clearTimeout(this.#timer);
    this.#clearRetries();
    this.#endMove();
    this.#connection?.close();
    this.#left?.close();
    this.#connection = undefined;
    for (const subscription of this.#subscriptions.values()) this.#drop(subscription, state, error);
  }

  #become(state: BarrageState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#listeners.emit('state', state);
  }
}

function closed(): BarrageError {
  return new BarrageError('closed', 'this client is closed', false);
}
