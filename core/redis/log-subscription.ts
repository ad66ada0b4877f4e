import type { BusUnavailable, LogSubscriber } from '../bus/bus.ts';
import type { Envelope } from '../bus/envelope.ts';
import { isOrderOf, type Position } from '../publication.ts';
import type { ScriptedRedis } from './scripts.ts';
import type { Subscription } from './subscriptions.ts';

/**
 * Most bytes of messages that one channel holds until its position is known. Further messages are missing, which shows
 * as a hole.
 */
const heldBytesMax = 16_777_216;

type State =
  /** Before the first position: messages up to it are not to be delivered. */
  | { readonly kind: 'opening'; readonly held: Envelope[] }
  | { readonly kind: 'live' }
  /** The connection broke. Messages of the new connection are held until `onResubscribed` has its place among them. */
  | { readonly kind: 'interrupted'; readonly held: Envelope[] }
  | { readonly kind: 'closed' };

/**
 * One channel's subscription to the log.
 *
 *     server:   SUBSCRIBE   batch 7   position? = 7   batch 8
 *     opening:              (held)    resolves 7      delivered
 *     again:                delivered onResubscribed7 delivered
 *
 * The position is asked on the subscribed connection itself, so no batch up to it can arrive after it. Later batches
 * may already be held when its promise settles; their offsets tell them apart.
 */
export class LogSubscription implements Subscription {
  readonly position: Promise<Position>;
  readonly #channel: string;
  readonly #subscriber: LogSubscriber;
  readonly #decode: (message: Buffer) => Envelope | undefined;
  readonly #readPosition: (client: ScriptedRedis, reign: string) => Promise<Position>;
  #resolve: (position: Position) => void = () => undefined;
  #reject: (reason: BusUnavailable) => void = () => undefined;
  #state: State = { kind: 'opening', held: [] };
  #heldBytes = 0;

  constructor(options: {
    readonly channel: string;
    readonly subscriber: LogSubscriber;
    /** Decodes a message; `undefined` when it is no envelope. */
    readonly decode: (message: Buffer) => Envelope | undefined;
    readonly readPosition: (client: ScriptedRedis, reign: string) => Promise<Position>;
  }) {
    this.#channel = options.channel;
    this.#subscriber = options.subscriber;
    this.#decode = options.decode;
    this.#readPosition = options.readPosition;
    this.position = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get closed(): boolean {
    return this.#state.kind === 'closed';
  }

  onMessage(message: Buffer): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    const envelope = this.#decode(message);
    if (envelope === undefined) return;
    if (state.kind === 'live') {
      this.#deliver(envelope);
      return;
    }
    this.#heldBytes += message.length;
    if (this.#heldBytes <= heldBytesMax) state.held.push(envelope);
  }

  async confirm({ client, reign }: { readonly client: ScriptedRedis; readonly reign: string }, inForce: Promise<unknown>): Promise<void> {
    const asked = this.#state;
    const [position] = await Promise.all([this.#readPosition(client, reign), inForce]);
    const state = this.#state;
    // The subscription was closed or interrupted again before the answer.
    if (state !== asked || (state.kind !== 'opening' && state.kind !== 'interrupted')) return;
    const placed = placeOf(position, state.held);
    this.#heldBytes = 0;
    if (state.kind === 'opening') this.#resolve(position);
    else this.#deliverAll(state.held.slice(0, placed));
    if (this.#state !== state) return;
    this.#state = { kind: 'live' };
    if (state.kind === 'interrupted') this.#subscriber.onResubscribed(position);
    this.#deliverAll(state.held.slice(placed));
  }

  onLost(reason: BusUnavailable): 'keep' | 'drop' {
    const state = this.#state;
    if (state.kind === 'opening') this.close(reason);
    if (this.#state.kind === 'closed') return 'drop';
    // Held batches are in order, after the hole that the subscriber will see.
    if (state.kind === 'interrupted') this.#deliverAll(state.held);
    this.#state = { kind: 'interrupted', held: [] };
    this.#heldBytes = 0;
    return 'keep';
  }

  /** Stops delivery. A pending `position` fails with `reason`. */
  close(reason: BusUnavailable): void {
    this.#state = { kind: 'closed' };
    this.#reject(reason);
  }

  #deliverAll(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) this.#deliver(envelope);
  }

  #deliver(envelope: Envelope): void {
    if (this.#state.kind === 'closed') return;
    this.#subscriber.onBatch({ channel: this.#channel, ...envelope });
  }
}

/** The number of held batches up to the position. */
function placeOf(position: Position, held: readonly Envelope[]): number {
  const first = held.findIndex(({ epoch, firstOffset }) => isOrderOf(position, epoch) && firstOffset > position.offset);
  return first < 0 ? held.length : first;
}
