import { readAddresses } from './addresses.ts';
import type { BarrageAddress, BarrageEvents, BarrageOptions, BarrageState } from './api.ts';
import { channelOf, handedData, optionsOf, tokenOf, transportsOf, webSocketOf } from './arguments.ts';
import { platformClock } from './client-clock.ts';
import type { CommandBody } from './command.ts';
import { Connection, type Arrival } from './connection.ts';
import { BarrageError, closed, ownError } from './errors.ts';
import { withExtraPart } from './extra-part.ts';
import { Listeners } from './listeners.ts';
import type { Moving } from './moving.ts';
import type { PublishData, PublishOptions } from './publishing.ts';
import { Route } from './route.ts';
import { ServerClock } from './server-clock.ts';
import type { SubscribeOptions } from './subscription-api.ts';
import type { Subscription } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';
import type { Surroundings } from './surroundings.ts';
import { openTransport } from './transport/opening.ts';
import type { TransportName } from './transport/transport.ts';
import { Unheard } from './unheard.ts';
import { listenForWakeups } from './wakeups.ts';

export type { BarrageAddress, BarrageEvents, BarrageOptions, BarrageState, DirectPayload } from './api.ts';
export type { PublishData, PublishOptions } from './publishing.ts';
export { BarrageError, type BarrageErrorCode } from './errors.ts';
export type { GapReason } from './cursor.ts';
export type { Batch, Early, Gap, Overflow, SubscriptionEvents, SubscriptionState, SubscribeOptions } from './subscription-api.ts';
export type { Subscription } from './subscription.ts';
export type { Recall } from './recalls.ts';
export type { GetState, Snapshot } from './snapshots.ts';
export type { TransportName } from './transport/transport.ts';
export type { WebSocketClass } from './transport/web-socket.ts';
export type { Publication } from './wire.ts';

/**
 * Shortest wait from the first connection to the loading of the extra part, and half of the longest one, in
 * milliseconds. A move needs it when gateways are replaced: then the file of this version may be gone.
 */
const preloadMs = 10_000;

const nothing = (): void => {};

/**
 * A client of Barrage gateways. It connects when it is made, and stays connected until `close`. It reconnects with
 * full-jitter back-off, and subscribes again from its positions. It follows a gateway's hint to move. It reports every
 * gap that it can't rule out.
 */
export class Barrage {
  readonly #surroundings: Surroundings;
  readonly #route: Route;
  readonly #listeners = new Listeners<BarrageEvents>(['state', 'gap', 'direct', 'error', 'hello', 'subscription', 'transport']);
  readonly #subscriptions: Subscriptions;
  readonly #unheard = new Unheard();
  readonly #stopWakeups: () => void;
  #state: BarrageState = 'connecting';
  /** Moves and the choice of transports: there once a connection has ended, or a gateway has asked for a move. */
  #moving: Moving | undefined;
  #cancelPreload: (() => void) | undefined;
  #connection: Connection | undefined;
  /** The transport that was told last. */
  #told: TransportName | undefined;

  /**
   * @throws SyntaxError for an address that is no ws, wss, http or https URL
   * @throws TypeError for an argument of another type
   */
  constructor(address: BarrageAddress, options: BarrageOptions = {}) {
    optionsOf(options);
    const token = tokenOf(options.token);
    const order = transportsOf(options.transports);
    const surroundings: Surroundings = {
      token,
      order,
      webSocket: webSocketOf(options.webSocket, globalThis.WebSocket, order),
      addresses: readAddresses(address, globalThis.location?.href),
      clock: options.clock ?? platformClock,
      random: options.random ?? Math.random,
      serverClock: new ServerClock(),
      bounds: () => this.#route.bounds,
      channel: () => this.#anchor(),
    };
    this.#surroundings = surroundings;
    this.#route = new Route({
      ...surroundings,
      dial: (url): void => {
        this.#connection = this.#dial(url, this.#moving?.transports.next ?? (order[0] as TransportName));
        this.#become('connecting');
      },
      onAsk: (): void => this.#become('connecting'),
      onError: (error): void => {
        this.#fail(error);
        this.#become('waiting');
      },
      onRefused: (error): void => this.#fail(error),
      onReached: (): void => this.#moving?.transports.reached(),
      onTransport: (name): void => this.#moving?.transports.told(name),
    });
    this.#subscriptions = new Subscriptions({
      times: surroundings,
      serverClock: surroundings.serverClock,
      current: () => this.#connection,
      moving: () => this.#moving,
      onMade: (subscription) => void this.#listeners.emit('subscription', subscription),
      gap: (gap) => void this.#listeners.emit('gap', gap),
      unheard: (channel, error) => this.#unheard.write(`the subscription to ${channel}`, error),
    });
    this.#stopWakeups = listenForWakeups(() => this.#wake());
    // Beside the dial, where it is needed for sure. Whoever needs it says so if it can't be had.
    if (token !== undefined || order[0] !== 'websocket' || surroundings.addresses[0]?.kind === 'connect') withExtraPart(nothing, nothing);
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
    const handed = [channelOf(channel), handedData(data), { ...optionsOf(options) }] as const;
    const offline = this.#offline();
    return new Promise((resolve, reject) => {
      withExtraPart(
        ({ publishCommand }) => {
          try {
            const command = publishCommand(...handed);
            if (offline === undefined) resolve(this.#request(command) as Promise<{ offset: number; epoch: string; replayed?: true }>);
          } catch (error) {
            reject(error);
          }
        },
        (error) => reject(this.#offline() ?? error),
      );
      // Without a connection the call fails at once, and does not wait for the extra part.
      if (offline !== undefined) reject(offline);
    });
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
    const { clock } = this.#surroundings;
    const sentAt = clock.monotonic();
    await this.#request({ op: 'ping' });
    return clock.monotonic() - sentAt;
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
      ...this.#surroundings,
      url,
      transport: name,
      open: (options, use): void => openTransport(name, options, this.#surroundings, use),
      loadAuthentication: (use, failed): void => withExtraPart(({ Authentication }) => use(Authentication), failed),
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
    if (connection !== this.#connection) return this.#moving?.opened(connection);
    this.#route.arrived();
    this.#subscriptions.joinAll(connection);
    this.#become('open');
    this.#settled(connection);
    const { clock, random } = this.#surroundings;
    this.#cancelPreload ??= clock.after(preloadMs * (1 + random()), () => withExtraPart(nothing, (error) => this.#fail(error)));
  }

  /** A connection is in use from now on, unless a listener has left it meanwhile. */
  #settled(connection: Connection): void {
    const { transport } = this;
    if (transport === undefined) return;
    this.#moving?.transports.settled(connection);
    if (this.#told === transport) return;
    this.#told = transport;
    this.#listeners.emit('transport', transport);
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
        return this.#move((moving) => moving.hinted(connection, arrival));
      case 'subscribed':
        return this.#subscriptions.subscribed(connection, arrival);
      case 'unsubscribed':
        return this.#subscriptions.unsubscribed(connection, arrival);
    }
  }

  #ended(connection: Connection, error: BarrageError): void {
    if (this.#moving?.ended(connection, error) === true || connection !== this.#connection) return;
    if (error.retry) this.#move((moving) => moving.transports.ended(connection, error));
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
    this.#moving?.next?.doubt();
    this.#connection?.doubt();
    this.#route.wake();
  }

  /** The channel that decides which gateway is best: the first that is not a user's own. */
  #anchor(): string {
    const ofAll = this.#subscriptions.all.find(({ channel }) => !channel.startsWith('user:'));
    // Without such a channel any gateway is as good as another: clients that only publish spread over all.
    return ofAll?.channel ?? `any:${Math.floor(this.#surroundings.random() * 1e9)}`;
  }

  /** Has moves do something, once they are there. */
  #move(use: (moving: Moving) => void): void {
    withExtraPart(
      ({ Moving }) => {
        this.#moving ??= new Moving({
          ...this.#surroundings,
          subscriptions: this.#subscriptions,
          current: () => this.#connection,
          dial: (url, name) => this.#dial(url, name),
          onTaken: (next) => this.#take(next),
          onError: (error) => this.#fail(ownError(error)),
        });
        use(this.#moving);
      },
      (error) => this.#fail(error),
    );
  }

  /** A move is over: this connection is in use from now on. */
  #take(next: Connection): void {
    this.#connection = next;
    this.#subscriptions.forgetRetries();
    this.#subscriptions.endMove();
    if (!next.ready) {
      this.#subscriptions.lost();
      this.#become('connecting');
    }
    this.#settled(next);
  }

  #request(body: CommandBody): Promise<object> {
    const connection = this.#connection;
    const error = this.#offline();
    return error === undefined && connection !== undefined ? connection.request(body) : Promise.reject(error);
  }

  /** Why no call can be made now. */
  #offline(): BarrageError | undefined {
    if (this.#state === 'closed') return closed();
    return this.#connection?.ready === true ? undefined : new BarrageError('disconnected', 'there is no connection now', true);
  }

  #finish(state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    if (this.#state === 'closed') return;
    this.#become('closed');
    this.#stopWakeups();
    this.#cancelPreload?.();
    this.#leave();
    this.#subscriptions.end(state, error);
  }

  /** Ends all connections, and every attempt at one. */
  #leave(why?: BarrageError): void {
    this.#route.stop();
    this.#subscriptions.forgetRetries();
    this.#moving?.leave(why);
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close(why);
  }

  /** Reports an error. An error without a listener must not stay silent. */
  #fail(error: BarrageError): void {
    if (!this.#listeners.emit('error', error)) this.#unheard.write('the client', error);
  }

  #become(state: BarrageState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.#listeners.emit('state', state);
  }
}
