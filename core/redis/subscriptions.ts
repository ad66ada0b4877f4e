import assert from 'node:assert/strict';
import { ReplyError } from 'ioredis';
import { BusUnavailable } from '../bus/bus.ts';
import { limits } from '../limits.ts';
import { asUnavailable, type RedisConnection } from './connection.ts';
import { redirectOf } from './redirect.ts';
import type { ScriptedRedis } from './scripts.ts';
import { shardSubscriptionsOf } from './server-answers.ts';
import type { RedisSurroundings } from './surroundings.ts';

/** Most bus channels in one subscribing round trip: it bounds the work under way after a reconnect. */
const namesPerRoundTrip = 500;
const retryMs = 500;
/** Turns of the proof's timer within the bound. The bound holds at least one turn more than the turns that may fail. */
const proofsPerBound = 5;
const proofIntervalMs = limits.subscriptionProofMsMax / proofsPerBound;

/** The handlers of one bus channel's subscription. */
export interface Subscription {
  onMessage(message: Buffer): void;
  /**
   * Called right after the SUBSCRIBE on the same connection; `inForce` settles with its acknowledgement. A command sent
   * synchronously from here is answered between messages in their order: after those published before the command ran,
   * and before all later ones.
   */
  confirm(connection: { readonly client: ScriptedRedis; readonly reign: string }, inForce: Promise<unknown>): Promise<void>;
  /**
   * Called when the connection broke, the server ended the subscription, or `confirm` failed. 'keep' tries again when
   * possible; 'drop' ends the subscription.
   */
  onLost(reason: BusUnavailable): 'keep' | 'drop';
}

/** Counts of one process's bus channels: in force by the server's acknowledgement, or waiting. */
export interface SubscriptionCounts {
  readonly inForce: number;
  readonly waiting: number;
}

/**
 * The wanted bus channels of this process, and the connection that subscribes to them. A change is wanted at once. The
 * server follows in the order of the changes, with many in one round trip. Every new connection subscribes again from
 * the beginning.
 *
 * A server may end a subscription by itself when its slot moves or is set anew. That subscription is made again at
 * once.
 *
 * The server is also asked regularly for its number of this connection's subscriptions. Equal numbers prove each
 * subscription. The connection is made anew when the numbers differ, or without a proof within
 * `limits.subscriptionProofMsMax`.
 */
export class Subscriptions {
  readonly #connection: RedisConnection;
  readonly #surroundings: RedisSurroundings;
  readonly #wanted = new Map<string, Subscription>();
  /** Names with a change that the server has not been sent on this connection. */
  #changed = new Set<string>();
  /** Names whose subscription the server refused; they are tried again later unless removed. */
  readonly #refusedNames = new Set<string>();
  /** Names that the server has acknowledged on this connection, and not ended since. */
  readonly #inForce = new Set<string>();
  /** Names with an unanswered command: they may be in force or not. */
  readonly #doubtful = new Set<string>();
  /** Names that were in force, or were refused, and are to be made again. */
  readonly #interrupted = new Set<string>();
  /** Number of subscriptions that the server ended, or may have ended. */
  #endings = 0;
  #lookingForEnded = false;
  #isProofDue = false;
  #turnsUnproved = 0;
  #telling = false;
  #stopRetry: (() => void) | undefined;
  readonly #stopProofs: () => void;
  #closed = false;

  constructor(connection: RedisConnection, surroundings: RedisSurroundings) {
    this.#connection = connection;
    this.#surroundings = surroundings;
    this.#stopProofs = surroundings.clock.every(proofIntervalMs, () => this.#askForProof());
    // Emitted, without a name, for each subscription that the server ended and for each slot that is elsewhere.
    connection.client.on('moved', () => this.#lookForEnded());
    // A single server uses sharded pub/sub too, so that tests of it hold for a Cluster.
    connection.client.on('smessageBuffer', (name: Buffer, message: Buffer) => {
      this.#wanted.get(name.toString())?.onMessage(message);
    });
  }

  counts(): SubscriptionCounts {
    let inForce = 0;
    // Unconfirmed names are tried again, even if the server has them.
    for (const name of this.#wanted.keys()) if (this.#inForce.has(name) && !this.#refusedNames.has(name)) inForce++;
    return { inForce, waiting: this.#wanted.size - inForce };
  }

  /** Whether no subscription is to be made again. One that was just asked for does not count. */
  get isWhole(): boolean {
    return this.#interrupted.size === 0;
  }

  add(name: string, subscription: Subscription): void {
    assert(!this.#wanted.has(name), 'a process subscribes to a bus channel once');
    this.#wanted.set(name, subscription);
    this.#change(name);
  }

  /**
   * Ends delivery to this subscription; does nothing for one that has ended. 'idle' when the server had refused the
   * subscription and nothing of it is under way.
   */
  remove(name: string, subscription: Subscription): 'idle' | 'active' {
    if (this.#wanted.get(name) !== subscription) return 'idle';
    this.#wanted.delete(name);
    this.#interrupted.delete(name);
    const wasRefused = this.#refusedNames.delete(name);
    this.#change(name);
    return wasRefused ? 'idle' : 'active';
  }

  onOpen(): void {
    this.#changed = new Set(this.#wanted.keys());
    this.#turnsUnproved = 0;
    this.#schedule();
  }

  onLost(reason: BusUnavailable): void {
    for (const [name, subscription] of this.#wanted) {
      if (subscription.onLost(reason) === 'drop') this.#wanted.delete(name);
      else this.#interrupted.add(name);
    }
    this.#changed.clear();
    this.#inForce.clear();
    this.#doubtful.clear();
  }

  close(): void {
    this.#closed = true;
    this.#stopRetry?.();
    this.#stopProofs();
  }

  #change(name: string): void {
    if (this.#connection.reign === undefined) return;
    this.#changed.add(name);
    this.#schedule();
  }

  /** Sends the changes after the current task, so that all rooms of one tick go together. */
  #schedule(): void {
    if (this.#telling || this.#closed) return;
    this.#telling = true;
    queueMicrotask(() => void this.#tell());
  }

  async #tell(): Promise<void> {
    while (this.#changed.size > 0 || this.#isProofDue) {
      const reign = this.#connection.reign;
      if (reign === undefined) break;
      // No command is under way between two round trips, so the server's number is exact.
      if (this.#isProofDue) await this.#prove();
      else await this.#tellNames(this.#takeChanged(), reign);
    }
    this.#telling = false;
  }

  #takeChanged(): readonly string[] {
    const names: string[] = [];
    for (const name of this.#changed) {
      if (names.length === namesPerRoundTrip) break;
      names.push(name);
      this.#changed.delete(name);
    }
    return names;
  }

  /** One command for each name, all in one round trip: a Cluster would demand one slot for all names of a command. */
  async #tellNames(names: readonly string[], reign: string): Promise<void> {
    const { client } = this.#connection;
    const left: string[] = [];
    const entered: Promise<void>[] = [];
    for (const name of names) {
      const subscription = this.#wanted.get(name);
      if (subscription === undefined) {
        left.push(name);
        continue;
      }
      const confirmed = subscription.confirm({ client, reign }, this.#subscribe(name));
      entered.push(confirmed.catch((error: unknown) => this.#refused(name, subscription, error)));
    }
    await Promise.all(entered);
    // A name that is wanted again is still subscribed to; the next round trip includes it.
    const leaving = left.filter((name) => !this.#wanted.has(name));
    if (leaving.length > 0 && this.#connection.reign === reign) await this.#leave(leaving);
  }

  async #subscribe(name: string): Promise<void> {
    try {
      await this.#connection.client.ssubscribe(name);
      this.#inForce.add(name);
      this.#interrupted.delete(name);
      this.#doubtful.delete(name);
    } catch (error) {
      if (!(error instanceof ReplyError)) this.#doubtful.add(name);
      throw error;
    }
  }

  /**
   * When a slot moves during an unsubscribe, the server sends two messages: the end of the subscription, and a redirect
   * of the command. The client may then match answers to the wrong commands. So no command is sent until an echo shows
   * that it is in step. Otherwise the connection is made anew.
   */
  async #leave(names: readonly string[]): Promise<void> {
    const { client } = this.#connection;
    const connected = client.stream;
    const sign = names[0]!;
    // After an unanswered unsubscribe, messages may arrive unheard until the connection is made anew for lack of a
    // proof.
    const left = names.map((name) => {
      this.#inForce.delete(name);
      return client.sunsubscribe(name).catch((error: unknown) => {
        if (!(error instanceof ReplyError)) this.#doubtful.add(name);
      });
    });
    const echo = client.echo(sign).catch(() => undefined);
    await Promise.all(left);
    if ((await echo) !== sign && client.stream === connected) this.#connection.breakOff();
  }

  #refused(name: string, subscription: Subscription, error: unknown): void {
    // The subscription belongs to an earlier connection, or is no longer wanted: nothing to do here.
    if (this.#wanted.get(name) !== subscription || this.#connection.reign === undefined) return;
    const elsewhere = redirectOf(error) !== undefined;
    if (!elsewhere) this.#surroundings.subscriptionFaults.refused.warn(error);
    if (!elsewhere && subscription.onLost(asUnavailable(error)) === 'drop') {
      this.remove(name, subscription);
      return;
    }
    this.#refusedNames.add(name);
    this.#interrupted.add(name);
    this.#stopRetry ??= this.#surroundings.clock.after(retryMs, () => {
      this.#stopRetry = undefined;
      for (const refused of this.#refusedNames) if (this.#wanted.has(refused)) this.#change(refused);
      this.#refusedNames.clear();
    });
  }

  /** One look finds all ended subscriptions: thousands may end in one turn of the event loop. */
  #lookForEnded(): void {
    this.#endings++;
    if (this.#lookingForEnded) return;
    this.#lookingForEnded = true;
    this.#surroundings.clock.soon(() => {
      this.#lookingForEnded = false;
      if (!this.#closed) this.#makeEndedAgain();
    });
  }

  #makeEndedAgain(): void {
    const { subscriber } = this.#connection.client.condition ?? {};
    const heard = new Set(subscriber ? subscriber.channels('ssubscribe') : []);
    const reason = new BusUnavailable('the server ended the subscription');
    for (const name of this.#inForce) {
      if (heard.has(name)) continue;
      this.#inForce.delete(name);
      const subscription = this.#wanted.get(name);
      if (subscription === undefined) continue;
      this.#surroundings.subscriptionFaults.ended.warn(reason);
      if (subscription.onLost(reason) === 'drop') this.remove(name, subscription);
      else this.#makeAgain(name);
    }
  }

  #makeAgain(name: string): void {
    this.#interrupted.add(name);
    this.#change(name);
  }

  /** Counts turns and not time: after a pause of this process's event loop only one turn has passed. */
  #askForProof(): void {
    if (this.#connection.reign === undefined) return;
    if (++this.#turnsUnproved >= proofsPerBound) {
      this.#unproved('the server gave no proof in time');
      return;
    }
    this.#isProofDue = true;
    this.#schedule();
  }

  async #prove(): Promise<void> {
    this.#isProofDue = false;
    const endings = this.#endings;
    const answer = await this.#connection.client.client('INFO').catch(() => undefined);
    const count = typeof answer === 'string' ? shardSubscriptionsOf(answer) : undefined;
    // Subscriptions that ended meanwhile may or may not be in the number. The next turn asks again.
    if (count === undefined || this.#endings !== endings || this.#connection.reign === undefined) return;
    const least = this.#inForce.size;
    const most = least + this.#doubtful.size;
    if (count < least || count > most) this.#unproved(`the server has ${count} subscriptions of this connection, and not ${least}`);
    else if (least === most) this.#turnsUnproved = 0;
  }

  #unproved(fault: string): void {
    this.#turnsUnproved = 0;
    this.#surroundings.subscriptionFaults.unproved.warn(fault);
    this.#connection.breakOff();
  }
}

/** A subscription without a position. Messages are delivered; messages during an interruption are missed. */
export class PlainSubscription implements Subscription {
  readonly onMessage: (message: Buffer) => void;
  /** Settles when the subscription is in force for the first time. */
  readonly inForce: Promise<void>;
  #resolve: () => void = () => undefined;

  constructor(onMessage: (message: Buffer) => void) {
    this.onMessage = onMessage;
    this.inForce = new Promise((resolve) => (this.#resolve = resolve));
  }

  async confirm(_connection: unknown, inForce: Promise<unknown>): Promise<void> {
    await inForce;
    this.#resolve();
  }

  onLost(): 'keep' {
    return 'keep';
  }
}
