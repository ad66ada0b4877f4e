import { readAddresses } from './addresses.ts';
import type { BarrageAddress, BarrageEvents, BarrageOptions, BarrageState } from './api.ts';
import {
  channelOf,
  optionsOf,
  payloadOf,
  publishOptionsOf,
  tokenOf,
  transportsOf,
  type PublishData,
  type PublishOptions,
} from './arguments.ts';
import { platformClock, type ClientClock } from './client-clock.ts';
import type { CommandBody } from './command.ts';
import { Connection, type Arrival } from './connection.ts';
import { Departure } from './departure.ts';
import { BarrageError, closed } from './errors.ts';
import { Listeners } from './listeners.ts';
import { Route } from './route.ts';
import { ServerClock } from './server-clock.ts';
import type { Subscription, SubscribeOptions } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';
import { openTransport } from './transport/opening.ts';
import type { TransportName } from './transport/transport.ts';
import { TransportUse } from './transport-use.ts';
import { listenForWakeups } from './wakeups.ts';

export type { BarrageAddress, BarrageEvents, BarrageOptions, BarrageState, DirectPayload } from './api.ts';
export type { PublishData, PublishOptions } from './arguments.ts';
export { BarrageError, type BarrageErrorCode } from './errors.ts';
export type { GapReason } from './cursor.ts';
export type { Batch, Early, Gap, Overflow, Subscription, SubscriptionEvents, SubscriptionState, SubscribeOptions } from './subscription.ts';
export type { Recall } from './recalls.ts';
export type { GetState, Snapshot } from './snapshots.ts';
export type { TransportName } from './transport/transport.ts';
export type { Publication } from './wire.ts';

/**
 * A client of Barrage gateways. It connects when it is made, and stays connected until `close`. It reconnects with
 * full-jitter back-off, and subscribes again from its positions. It follows a gateway's hint to move. It reports every
 * gap that it can't rule out.
 */
export class Barrage {
  readonly #token: BarrageOptions['token'];
  readonly #random: () => number;
  readonly #clock: ClientClock;
  readonly #serverClock = new ServerClock();
  readonly #route: Route;
  readonly #listeners = new Listeners<BarrageEvents>(['state', 'gap', 'direct', 'error', 'hello', 'subscription', 'transport']);
  readonly #subscriptions: Subscriptions;
  readonly #departure: Departure;
  readonly #transports: TransportUse;
  /** Codes of errors that had no listener and were written to the console. */
  readonly #written = new Set<string>();
  readonly #stopWakeups: () => void;
  #state: BarrageState = 'connecting';
  #connection: Connection | undefined;
  /** Old connections, each kept until its replies have come. */
  #left: readonly Connection[] = [];

  /**
   * @throws SyntaxError for an address that is no ws, wss, http or https URL
   * @throws TypeError for an argument of another type
   */
  constructor(address: BarrageAddress, options: BarrageOptions = {}) {
    optionsOf(options);
    this.#token = tokenOf(options.token);
    this.#random = options.random ?? Math.random;
    this.#clock = options.clock ?? platformClock;
    this.#transports = new TransportUse({
      order: transportsOf(options.transports),
      clock: this.#clock,
      random: this.#random,
      tryBetter: (connection, better) => this.#departure.try(connection, better),
      onChange: (name) => void this.#listeners.emit('transport', name),
    });
    this.#route = new Route({
      addresses: readAddresses(address, globalThis.location?.href),
      clock: this.#clock,
      random: this.#random,
      channel: (): string => this.#anchor(),
      dial: (url): void => {
        this.#connection = this.#dial(url, this.#transports.next);
        this.#become('connecting');
      },
      onAsk: (): void => this.#become('connecting'),
      onError: (error): void => {
        this.#fail(error);
        this.#become('waiting');
      },
      onReached: (): void => this.#transports.reached(),
      onTransport: (name): void => this.#transports.told(name),
    });
    this.#subscriptions = new Subscriptions({
      times: { clock: this.#clock, random: this.#random, bounds: () => this.#route.bounds },
      serverClock: this.#serverClock,
      current: () => this.#connection,
      next: () => this.#departure.next,
      onProgress: () => this.#switchIfMoved(),
      onRefusedMove: (error) => this.#stay(error),
      onMade: (subscription) => void this.#listeners.emit('subscription', subscription),
      onGap: (gap) => void this.#listeners.emit('gap', gap),
      onUnheard: (channel, error) => this.#write(`the subscription to ${channel}`, error),
    });
    this.#departure = new Departure({
      clock: this.#clock,
      random: this.#random,
      homes: () => this.#route.homes(),
      dial: (url, name): Connection =>
        this.#dial(url, this.#transports.allows(name) ? name : (this.#connection?.transport ?? this.#transports.next)),
      onFailure: (error): void => this.#stay(error),
      onLate: (next): void => this.#switch(next),
    });
    this.#stopWakeups = listenForWakeups(() => this.#wake());
    this.#route.go();
  }

  get state(): BarrageState {
    return this.#state;
  }

  /** The transport in use; `undefined` without a connection. */
  get transport(): TransportName | undefined {
    return this.#connection?.ready === true ? this.#connection.transport : undefined;
  }

  /** Adds a listener; the function returned removes it. */
  on<Name extends keyof BarrageEvents>(name: Name, listener: (value: BarrageEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /**
   * Subscribes to a channel, now or as soon as there is a connection. The subscription's events tell the outcome.
   * @throws BarrageError `already_subscribed`; `closed` after `close`; `too_many_requests` when too many commands wait
   * already
   * @throws TypeError for an argument of another type
   */
  subscribe(channel: string, options: SubscribeOptions = {}): Subscription {
    channelOf(channel);
    if (this.#state === 'closed') throw closed();
    return this.#subscriptions.make(channel, options);
  }

  /**
   * Publishes to a channel whose policy lets clients publish. An object is published as its JSON text.
   * @returns the publication's place in the channel's order; `replayed` where it was published before, with the same
   * `idempotencyKey`
   * @throws TypeError for an argument of another type
   * @throws BarrageError; after `disconnected` or `timeout` the publication may have been published all the
   * same: repeat it with an `idempotencyKey`
   */
  async publish(
    channel: string,
    data: PublishData,
    options: PublishOptions = {},
  ): Promise<{ readonly offset: number; readonly epoch: string; readonly replayed?: true }> {
    const body = { op: 'publish', channel: channelOf(channel), ...payloadOf(data), ...publishOptionsOf(options) } as const;
    return (await this.#request(body)) as { offset: number; epoch: string; replayed?: true };
  }

  /**
   * Members of a channel in the whole pool.
   * @throws BarrageError, or TypeError for a channel that is no text
   */
  async counts(channel: string): Promise<{ readonly members: number }> {
    return (await this.#request({ op: 'counts', channel: channelOf(channel) })) as { members: number };
  }

  /** A round trip to the gateway, in milliseconds. @throws BarrageError */
  async ping(): Promise<number> {
    const sentAt = this.#clock.monotonic();
    await this.#request({ op: 'ping' });
    return this.#clock.monotonic() - sentAt;
  }

  /**
   * Leaves the gateway, and pulls nothing, until `resume`. Subscriptions keep their positions, and nothing is delivered
   * but what is held back for `delay`. Calls without an answer fail with `disconnected`.
   */
  pause(): void {
    if (this.#state === 'closed' || this.#state === 'paused') return;
    this.#leave(new BarrageError('disconnected', 'this client is paused', true));
    this.#subscriptions.lost();
    this.#become('paused');
  }

  /** Connects again after `pause`; subscriptions go on from their positions. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#become('connecting');
    // A listener may have changed it.
    if (this.state === 'connecting') this.#route.go();
  }

  /** Ends the client for good: subscriptions become `unsubscribed`, and calls without an answer fail with `closed`. */
  close(): void {
    this.#finish('unsubscribed');
  }

  #dial(url: string, name: TransportName): Connection {
    return new Connection({
      url,
      open: (transport) => openTransport(name, transport, { clock: this.#clock, random: this.#random, serverClock: this.#serverClock }),
      token: this.#token,
      clock: this.#clock,
      serverClock: this.#serverClock,
      random: this.#random,
      onHello: (_connection, hello): void => {
        this.#route.greeted(hello.backoff);
        this.#listeners.emit('hello', hello);
      },
      onReady: (connection): void => this.#opened(connection),
      onArrival: (connection, arrival): void => this.#arrived(connection, arrival),
      onError: (error): void => this.#fail(error),
      onEnd: (connection, error): void => this.#ended(connection, error),
    });
  }

  #opened(connection: Connection): void {
    if (connection === this.#connection) {
      this.#route.arrived();
      this.#subscriptions.joinAll(connection);
      this.#become('open');
      if (this.transport !== undefined) this.#transports.settled(connection);
    } else if (connection === this.#departure.next) {
      this.#departure.opened(connection);
      this.#subscriptions.carryAll();
      this.#switchIfMoved();
    }
  }

  #arrived(connection: Connection, arrival: Arrival): void {
    switch (arrival.type) {
      case 'batch':
      case 'gap':
      case 'epoch':
        return this.#subscriptions.received(connection, arrival);
      case 'direct':
        this.#listeners.emit('direct', { data: arrival.data });
        return;
      case 'backoff':
        return this.#route.told(arrival);
      case 'reconnect':
        if (arrival.transport !== undefined && !this.#transports.allows(arrival.transport)) return;
        if (connection === this.#connection || connection === this.#departure.next) this.#departure.ask(connection, arrival);
        return;
      case 'subscribed':
        return this.#subscriptions.subscribed(connection, arrival);
      case 'unsubscribed':
        return this.#subscriptions.unsubscribed(connection, arrival);
    }
  }

  #ended(connection: Connection, error: BarrageError): void {
    if (connection === this.#departure.next) return this.#departure.lost(error);
    if (connection !== this.#connection) return;
    const next = this.#departure.next;
    if (next !== undefined && (next.ready || !this.#departure.isTrial)) return this.#switch(next);
    this.#departure.end('old');
    this.#transports.ended(connection, error);
    this.#subscriptions.forgetRetries();
    this.#fail(error);
    if (this.#connection !== connection) return;
    if (!error.retry) return this.#finish('failed', error);
    this.#connection = undefined;
    this.#subscriptions.lost();
    this.#route.ended();
    this.#become('waiting');
  }

  /** The network or the page came back. */
  #wake(): void {
    this.#departure.next?.doubt();
    this.#connection?.doubt();
    this.#route.wake();
  }

  /** The channel that decides which gateway is best: the first that is not a user's own. */
  #anchor(): string {
    const { channels } = this.#subscriptions;
    // Without such a channel any gateway is as good as another: clients that only publish spread over all.
    return channels.find((channel) => !channel.startsWith('user:')) ?? `any:${Math.floor(this.#random() * 1e9)}`;
  }

  /** Ends a move in favour of the old connection. */
  #stay(error: BarrageError): void {
    const { isTrial } = this.#departure;
    this.#departure.end('old');
    this.#subscriptions.stay();
    if (isTrial) this.#transports.trialFailed(this.#connection);
    else this.#fail(new BarrageError(error.code, `the move to another gateway failed: ${error.message}`, true));
    this.#departure.followHint(this.#connection);
  }

  #switchIfMoved(): void {
    const next = this.#departure.next;
    if (next?.ready !== true) return;
    if (this.#subscriptions.moved) this.#switch(next);
  }

  /** Ends a move in favour of the new connection, whether or not the old one still delivers. */
  #switch(next: Connection): void {
    const old = this.#connection;
    if (old !== undefined) this.#transports.ended(old);
    this.#departure.end('new');
    this.#connection = next;
    this.#subscriptions.forgetRetries();
    this.#subscriptions.endMove();
    old?.retire();
    this.#left = [...this.#left, ...(old === undefined ? [] : [old])].filter(({ ended }) => !ended);
    if (!next.ready) {
      this.#subscriptions.lost();
      this.#become('connecting');
    }
    if (this.transport !== undefined) this.#transports.settled(next);
    this.#departure.followHint(this.#connection);
  }

  #request(body: CommandBody): Promise<object> {
    if (this.#state === 'closed') return Promise.reject(closed());
    if (this.#connection?.ready !== true) return Promise.reject(new BarrageError('disconnected', 'there is no connection now', true));
    return this.#connection.request(body);
  }

  #finish(state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    if (this.#state === 'closed') return;
    this.#become('closed');
    this.#stopWakeups();
    this.#leave();
    this.#subscriptions.end(state, error);
  }

  /** Ends all connections, and every attempt at one. */
  #leave(why?: BarrageError): void {
    this.#route.stop();
    this.#transports.stop();
    this.#subscriptions.forgetRetries();
    this.#departure.end('old');
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close(why);
    for (const left of this.#left) left.close(why);
  }

  /** Reports an error. An error without a listener must not stay silent. */
  #fail(error: BarrageError): void {
    if (!this.#listeners.emit('error', error)) this.#write('the client', error);
  }

  /** Writes once for each code, so that a client that tries again for hours writes one line. */
  #write(what: string, { code, message }: BarrageError): void {
    if (this.#written.has(code)) return;
    this.#written.add(code);
    console.error(`Barrage: ${what.slice(0, 300)} has an error that nobody listens for (on('error', …)): ${code}: ${message}`);
  }

  #become(state: BarrageState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.#listeners.emit('state', state);
  }
}
