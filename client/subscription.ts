import type { EpochChange, Gap as GapMessage, SubscribeResult } from '../core/protocol/barrage-v1.ts';
import type { Position } from '../core/publication.ts';
import { bufferMaxOf, delayOf, densityOf, getStateOf, optionsOf, rewindOf } from './arguments.ts';
import type { Connection } from './connection.ts';
import { Cursor, type Told } from './cursor.ts';
import { BarrageError, ownError } from './errors.ts';
import type * as Extra from './extra.ts';
import { Feed } from './feed.ts';
import type { HeldDelivery } from './held-delivery.ts';
import { Listeners } from './listeners.ts';
import type { ChannelMove } from './move.ts';
import { recalledBy, type Tombstone } from './recalls.ts';
import type { ServerClock } from './server-clock.ts';
import type { AttemptTimes } from './snapshots.ts';
import { stepOf, type NewBatch, type Step } from './step.ts';
import type { Gap, SubscribeOptions, SubscriptionEvents, SubscriptionState } from './subscription-api.ts';
import type { Publication, ReceivedBatch } from './wire.ts';

/** The part of the client that a subscription uses. */
export interface SubscriptionOwner {
  readonly times: AttemptTimes;
  readonly serverClock: ServerClock;
  density(channel: string, density: number | undefined): Promise<void>;
  unsubscribe(subscription: Subscription): Promise<void>;
  readonly gap: (gap: Gap) => void;
  /** Called for a failure that neither a listener nor a loop got. */
  readonly unheard: (channel: string, error: BarrageError) => void;
}

/**
 * One channel, as long as this client wants it. The subscription survives lost connections and moves between gateways.
 * Made by `Barrage.subscribe`.
 */
export class Subscription implements AsyncIterable<Publication> {
  readonly channel: string;
  readonly #owner: SubscriptionOwner;
  readonly #bufferMax: number;
  readonly #listeners = new Listeners<SubscriptionEvents>([
    'batch',
    'publication',
    'gap',
    'recall',
    'overflow',
    'early',
    'snapshot',
    'state',
    'error',
  ]);
  readonly #feeds = new Set<Feed<Publication>>();
  readonly #cursor = new Cursor<ReceivedBatch>();
  /** Newest publications to begin with. @internal */
  readonly rewind: number | undefined;
  readonly #options: Pick<SubscribeOptions, 'delay' | 'getState'>;
  /** What `delay` and `getState` make of the delivery. */
  #holding: HeldDelivery | undefined;
  #isEquipped: boolean;
  #density: number | undefined;
  #recovered: boolean | undefined;
  #state: SubscriptionState = 'subscribing';
  #fault: BarrageError | undefined;
  /** The connection on which the subscription is in force. */
  #source: Connection | undefined;
  #move: { readonly to: Connection; readonly channel: ChannelMove<ReceivedBatch> } | undefined;

  /**
   * Applications call `Barrage.subscribe` instead.
   * @throws TypeError for an option of another type
   */
  constructor(channel: string, options: SubscribeOptions, owner: SubscriptionOwner) {
    this.channel = channel;
    this.#density = densityOf(optionsOf(options)['density']);
    this.#bufferMax = bufferMaxOf(options.bufferMax);
    this.rewind = rewindOf(options.rewind);
    this.#owner = owner;
    this.#options = { delay: delayOf(options.delay), getState: getStateOf(options.getState) } as SubscribeOptions;
    this.#isEquipped = options.delay === undefined && options.getState === undefined;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  /**
   * The position up to which all publications were delivered or reported as a gap; `undefined` before the first answer.
   */
  get position(): Position | undefined {
    return (this.#holding ?? this.#cursor).position;
  }

  /** The position up to which everything has arrived, though it may be held back. @internal */
  get arrived(): Position | undefined {
    return this.#cursor.position;
  }

  /** Number of publications that are held back for `delay`. */
  get held(): number {
    return this.#holding?.held ?? 0;
  }

  /**
   * Whether the last reconnect or move went on without a gap: nothing was missed, or the gateway gave what was missed.
   * `undefined` before the first of them.
   */
  get recovered(): boolean | undefined {
    return this.#recovered;
  }

  /** The density that was asked for, in publications a second; `undefined`: the channel's whole budget. */
  get density(): number | undefined {
    return this.#density;
  }

  /** Adds a listener; the function returned removes it. */
  on<Name extends keyof SubscriptionEvents>(name: Name, listener: (value: SubscriptionEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /**
   * Asks for another density, also after reconnects; `undefined` asks for the channel's whole budget. Without a
   * connection the density is kept, and asked for with the next connection.
   * @throws BarrageError when the gateway refuses; the old density stays
   * @throws TypeError for a density that is neither a number nor `undefined`
   */
  async setDensity(density: number | undefined): Promise<void> {
    densityOf(density);
    const before = this.#density;
    this.#density = density;
    try {
      await this.#owner.density(this.channel, density);
    } catch (error) {
      if (!(error instanceof BarrageError && error.retry)) this.#density = before;
      throw error;
    }
  }

  /**
   * Ends the subscription. Nothing is delivered after the call, nor by a loop. Resolves when the gateway knows, or when
   * there is no connection.
   */
  unsubscribe(): Promise<void> {
    return this.#owner.unsubscribe(this);
  }

  /**
   * Publications from now on. The publications that wait for the loop are bounded. Beyond the bound the oldest are left
   * out, with an `overflow` event. The loop ends with the subscription, and throws when the subscription failed.
   */
  [Symbol.asyncIterator](): AsyncIterator<Publication, undefined> {
    const feed: Feed<Publication> = new Feed(this.#bufferMax, () => this.#feeds.delete(feed));
    if (this.#isOver) feed.end(this.#fault, 'hand-out');
    else this.#feeds.add(feed);
    return feed;
  }

  /** Whether it has all that its options need. Without that it can't be in force. @internal */
  get isEquipped(): boolean {
    return this.#isEquipped;
  }

  /** Takes from the extra part what its options need. @internal */
  equip({ HeldDelivery }: Pick<typeof Extra, 'HeldDelivery'>): void {
    if (this.#isEquipped) return;
    this.#isEquipped = true;
    const { channel } = this;
    this.#holding = new HeldDelivery({
      ...this.#owner,
      ...this.#options,
      arrivedAt: () => this.#cursor.position,
      deliver: (step) => this.#deliver(step),
      recall: (epoch, tombstones) => this.#recall(epoch, tombstones),
      onEarly: (publications) => void this.#listeners.emit('early', { channel, publications }),
      onError: (error) => this.warn(ownError(error)),
    });
  }

  /** Whether the subscription is in force on this connection, and on no other. @internal */
  readsFrom(connection: Connection): boolean {
    return this.#source === connection && this.#move === undefined;
  }

  /** Reports an error that does not end the subscription. @internal */
  warn(error: BarrageError): void {
    if (!this.#listeners.emit('error', error)) this.#owner.unheard(this.channel, error);
  }

  /** A move begins: both connections are read until the new one has taken over. @internal */
  moveTo(connection: Connection, { ChannelMove }: Pick<typeof Extra, 'ChannelMove'>): void {
    this.#move = { to: connection, channel: new ChannelMove(this.#cursor) };
  }

  /**
   * The move failed: the old connection is read again. Its publications that were not read meanwhile show as a gap.
   * @internal
   */
  stay(): void {
    this.#move = undefined;
    if (this.#source === undefined) this.#become('subscribing');
  }

  /** Whether the old connection is no longer needed for this channel. @internal */
  get moved(): boolean {
    return this.#move === undefined || this.#move.channel.done;
  }

  /** The old connection is gone, or too slow to wait for. @internal */
  endMove(): void {
    const move = this.#move;
    if (move === undefined) return;
    this.#tell(move.channel.giveUp());
    this.#move = undefined;
    // The subscription is not in force there yet. Its reply then counts like that of any subscription after a
    // reconnect.
    this.#source = move.channel.subscribed ? move.to : undefined;
    if (this.#source === undefined) this.#become('subscribing');
  }

  /** The subscription is in force on a connection. @internal */
  joined(connection: Connection, result: SubscribeResult): void {
    const position = { epoch: result.epoch, offset: result.offset };
    const recovered = result.recovered === true;
    this.#recovered = result.recovered;
    if (this.#move?.to === connection) this.#tell(this.#move.channel.targetAt(position, recovered));
    else {
      this.#source = connection;
      // An answer of the old connection changes nothing once the new one took over.
      if (this.#move?.channel.done !== true) this.#tell(this.#cursor.subscribed(position, recovered));
    }
    this.#become('subscribed');
    this.#holding?.joined();
  }

  /** A batch or notice arrived; ignored unless the subscription is in force on that connection. @internal */
  received(connection: Connection, message: ReceivedBatch | GapMessage | EpochChange): void {
    const move = this.#move;
    if (move?.to === connection) this.#tell(move.channel.fromNew(message));
    else if (this.#source !== connection) return;
    else if (move !== undefined) this.#tell(move.channel.fromOld(message));
    else if (message.type === 'epoch') this.#cursor.continued(message.epoch, message.before);
    else this.#tell(message.type === 'batch' ? this.#cursor.batch(message) : this.#cursor.gap(message));
  }

  /** The connection broke; the client comes back. @internal */
  lost(): void {
    this.#source = undefined;
    this.#move = undefined;
    this.#become('subscribing');
  }

  /** The subscription is over. With an error it has failed, or the gateway ended it. @internal */
  end(state: 'failed' | 'unsubscribed', error?: BarrageError): void {
    if (this.#isOver) return;
    this.#source = undefined;
    this.#move = undefined;
    // The application ended the subscription: the publications that wait for it are not wanted any more.
    const waiting = error === undefined ? 'discard' : 'hand-out';
    this.#holding?.end(waiting);
    // A listener may have ended it meanwhile.
    if (this.#isOver) return;
    this.#fault = state === 'failed' ? error : undefined;
    this.#become(state);
    const isHeard = error === undefined || this.#listeners.emit('error', error);
    if (!isHeard && (this.#fault === undefined || this.#feeds.size === 0)) this.#owner.unheard(this.channel, error);
    for (const feed of this.#feeds) feed.end(this.#fault, waiting);
    this.#feeds.clear();
  }

  get #isOver(): boolean {
    return this.#state === 'failed' || this.#state === 'unsubscribed';
  }

  #become(state: SubscriptionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#listeners.emit('state', state);
  }

  #tell(tolds: readonly Told<ReceivedBatch>[]): void {
    if (this.#holding !== undefined) return this.#holding.arrived(tolds);
    for (const step of tolds.map(stepOf)) {
      if (step.kind === 'batch' && step.batch.tombstones !== undefined) this.#recall(step.batch.epoch, step.batch.tombstones);
      this.#deliver(step);
    }
  }

  /** A recall holds at once, also for what is held back. */
  #recall(epoch: string, tombstones: readonly Tombstone[]): void {
    const isRecalled = recalledBy(tombstones);
    this.#holding?.recall(isRecalled);
    for (const feed of this.#feeds) feed.remove(({ offset }) => isRecalled(offset));
    for (const { offset, offsets = [], upto } of tombstones) {
      if (this.#isOver) return;
      const place = { channel: this.channel, epoch, offset };
      this.#listeners.emit('recall', upto === undefined ? { ...place, offsets } : { ...place, upto });
    }
  }

  #deliver(step: Step): void {
    // A listener may have ended the subscription.
    if (this.#isOver) return;
    if (step.kind === 'batch') return this.#deliverBatch(step.batch);
    if (step.kind === 'snapshot') {
      this.#listeners.emit('snapshot', { channel: this.channel, position: step.position, state: step.state });
      return;
    }
    const gap: Gap = { channel: this.channel, from: step.from, to: step.to, reason: step.reason };
    this.#listeners.emit('gap', gap);
    this.#owner.gap(gap);
  }

  #deliverBatch({ epoch, after, upto, publications, tombstones = [], isToldAgain }: NewBatch): void {
    const { channel } = this;
    const inSpan = tombstones.filter(({ offset }) => offset > after && offset <= upto);
    if (isToldAgain === true) this.#recall(epoch, inSpan);
    const leftOut = upto - after - publications.length - inSpan.length;
    this.#listeners.emit('batch', { channel, epoch, after, upto, leftOut, publications });
    for (const publication of publications) {
      // A listener may have ended the subscription in the middle of the batch.
      if (this.#isOver) return;
      this.#listeners.emit('publication', publication);
    }
    for (const feed of this.#feeds) {
      const leftOut = feed.push(publications);
      if (leftOut > 0) this.#listeners.emit('overflow', { channel, leftOut });
    }
  }
}
