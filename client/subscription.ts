import type { EpochChange, Gap as GapMessage, SubscribeResult } from '../core/protocol/barrage-v1.ts';
import type { Position } from '../core/publication.ts';
import type { Connection } from './connection.ts';
import { Cursor, type GapSpan, type Told } from './cursor.ts';
import { DelayedDelivery } from './delayed-delivery.ts';
import { bufferMaxOf, delayOf, densityOf, optionsOf, rewindOf } from './arguments.ts';
import { BarrageError } from './errors.ts';
import { Feed } from './feed.ts';
import { stepOf, type NewBatch, type Step } from './holdback.ts';
import { Listeners } from './listeners.ts';
import { ChannelMove, arrivalOf } from './move.ts';
import type { Span } from './position.ts';
import type { ServerClock } from './server-clock.ts';
import { recalledBy, type Recall, type Tombstone } from './recalls.ts';
import { Snapshots, type AttemptTimes, type GetState, type Snapshot } from './snapshots.ts';
import type { Publication, ReceivedBatch } from './wire.ts';

/** Publications of one flush, in the channel's order. They and `leftOut` account for the offsets `(after, upto]`. */
export interface Batch extends Span {
  readonly channel: string;
  /** Number of publications that were left out on purpose: sampled, conflated or expired. */
  readonly leftOut: number;
  readonly publications: readonly Publication[];
}

/** Publications after `from` and up to `to` that this client did not get. */
export interface Gap extends GapSpan {
  readonly channel: string;
}

/** The oldest publications that waited for a `for await` loop and were left out because the loop was too slow. */
export interface Overflow {
  readonly channel: string;
  readonly leftOut: number;
}

/** Publications that were delivered before their `delay`: more were held back than may be, or the gateway ended it. */
export interface Early {
  readonly channel: string;
  readonly publications: number;
}

/**
 * `failed`: the gateway refused the subscription, or ended the connection for good. `unsubscribed`: either side ended
 * it. Both are final.
 */
export type SubscriptionState = 'subscribing' | 'subscribed' | 'failed' | 'unsubscribed';

export interface SubscriptionEvents {
  readonly batch: Batch;
  readonly publication: Publication;
  readonly gap: Gap;
  readonly recall: Recall;
  readonly overflow: Overflow;
  readonly snapshot: Snapshot;
  readonly early: Early;
  readonly state: SubscriptionState;
  readonly error: BarrageError;
}

/** The part of the client that a subscription uses. */
export interface SubscriptionOwner {
  readonly times: AttemptTimes;
  readonly serverClock: ServerClock;
  density(density: number | undefined): Promise<void>;
  unsubscribe(subscription: Subscription): Promise<void>;
  gap(gap: Gap): void;
  /** Called for a failure that neither a listener nor a loop got. */
  unheard(error: BarrageError): void;
}

export interface SubscribeOptions {
  /** Most publications a second that this client wants; the channel's own budget when absent. */
  readonly density?: number;
  /** Most publications that wait for a `for await` loop; 1,000 when absent. */
  readonly bufferMax?: number;
  /**
   * Gives the application's own state of the channel: at the beginning, and after each gap. The `snapshot` event has
   * it. Publications come only after it. A call that fails is repeated with back-off.
   */
  readonly getState?: GetState;
  /**
   * Milliseconds that the player is behind: each publication is delivered that long after it was accepted. Asked for
   * again at least every 250 ms while something is held back. At most 10,000 publications and 8 MiB are held back.
   */
  readonly delay?: () => number;
  /**
   * Newest publications to begin with, where the channel keeps a history; none when absent. Gateways of an earlier
   * version refuse it.
   */
  readonly rewind?: number;
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
  readonly #snapshots: Snapshots<ReceivedBatch> | undefined;
  readonly #delayed: DelayedDelivery | undefined;
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
    const { getState } = options;
    if (getState !== undefined) this.#snapshots = this.#snapshotsOf(getState);
    const delay = delayOf(options.delay);
    this.#delayed =
      delay &&
      new DelayedDelivery({
        delay,
        clock: owner.times.clock,
        serverClock: owner.serverClock,
        deliver: (step): void => this.#deliver(step),
        onEarly: (publications): void => void this.#listeners.emit('early', { channel, publications }),
      });
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  /**
   * The position up to which all publications were delivered or reported as a gap; `undefined` before the first answer.
   */
  get position(): Position | undefined {
    return this.#delayed?.isEmpty === false ? this.#delayed.position : this.#cursor.position;
  }

  /** The position up to which everything has arrived, though it may be held back. @internal */
  get arrived(): Position | undefined {
    return this.#cursor.position;
  }

  /** Number of publications that are held back for `delay`. */
  get held(): number {
    return this.#delayed?.held ?? 0;
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
      await this.#owner.density(density);
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

  /** Whether the subscription is in force on this connection, and on no other. @internal */
  readsFrom(connection: Connection): boolean {
    return this.#source === connection && this.#move === undefined;
  }

  /** Reports an error that does not end the subscription. @internal */
  warn(error: BarrageError): void {
    if (!this.#listeners.emit('error', error)) this.#owner.unheard(error);
  }

  /** A move begins: both connections are read until the new one has taken over. @internal */
  moveTo(connection: Connection): void {
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
    this.#snapshots?.joined();
  }

  /** A batch or notice arrived; ignored unless the subscription is in force on that connection. @internal */
  received(connection: Connection, message: ReceivedBatch | GapMessage | EpochChange): void {
    const arrival = arrivalOf<ReceivedBatch>(message);
    const move = this.#move;
    if (move?.to === connection) this.#tell(move.channel.fromNew(arrival));
    else if (this.#source !== connection) return;
    else if (move !== undefined) this.#tell(move.channel.fromOld(arrival));
    else if (arrival.kind === 'epoch') this.#cursor.continued(arrival.notice.epoch, arrival.notice.before);
    else this.#tell(arrival.kind === 'batch' ? this.#cursor.batch(arrival.batch) : this.#cursor.gap(arrival.notice));
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
    this.#snapshots?.end();
    this.#source = undefined;
    this.#move = undefined;
    // The application ended the subscription: the publications that wait for it are not wanted any more.
    const waiting = error === undefined ? 'discard' : 'hand-out';
    this.#delayed?.end(waiting);
    // A listener may have ended it meanwhile.
    if (this.#isOver) return;
    this.#fault = state === 'failed' ? error : undefined;
    this.#become(state);
    const isHeard = error === undefined || this.#listeners.emit('error', error);
    if (!isHeard && (this.#fault === undefined || this.#feeds.size === 0)) this.#owner.unheard(error);
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

  #snapshotsOf(getState: GetState): Snapshots<ReceivedBatch> {
    return new Snapshots({
      getState,
      times: this.#owner.times,
      position: () => this.#cursor.position,
      onSnapshot: (position, state) => this.#handOut([{ kind: 'snapshot', position, state }]),
      onError: (error) => this.warn(error),
      tell: (told) => this.#handOut(told.map(stepOf)),
    });
  }

  #tell(tolds: readonly Told<ReceivedBatch>[]): void {
    if (this.#snapshots === undefined) this.#handOut(tolds.map(stepOf));
    else this.#snapshots.arrived(tolds);
  }

  #handOut(steps: readonly Step[]): void {
    for (const step of steps) {
      const batch = step.kind === 'batch' ? step.batch : undefined;
      const tombstones = batch?.tombstones ?? [];
      // A state that is held back may have what is recalled: then it is told once more, behind it.
      const isToldAgain = tombstones.length > 0 && this.#delayed?.holdsSnapshot === true;
      if (batch !== undefined && tombstones.length > 0) this.#recall(batch.epoch, tombstones);
      if (this.#isOver) return;
      if (this.#delayed === undefined) this.#deliver(step);
      else this.#delayed.add([isToldAgain && batch !== undefined ? { kind: 'batch', batch: { ...batch, isToldAgain } } : step]);
    }
  }

  /** A recall holds at once, also for what is held back. */
  #recall(epoch: string, tombstones: readonly Tombstone[]): void {
    const isRecalled = recalledBy(tombstones);
    this.#delayed?.recall(isRecalled);
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
