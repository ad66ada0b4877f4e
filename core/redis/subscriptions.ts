import assert from 'node:assert/strict';
import { ReplyError } from 'ioredis';
import { BusUnavailable } from '../bus/bus.ts';
import { limits } from '../limits.ts';
import { asUnavailable, type RedisConnection } from './connection.ts';
import { redirectOf } from './redirect.ts';
import type { ScriptedRedis } from './scripts.ts';
import { shardSubscriptionsOf } from './server-answers.ts';
import type { RedisSurroundings } from './surroundings.ts';

/** Most bus channels that one round trip subscribes to: bounds what is under way after a reconnect. */
const namesPerRoundTrip = 500;
const retryMs = 500;
/** Turns of the proof's timer for each bound: a bound holds at least one whole turn more than those that may fail. */
const proofsPerBound = 5;
const proofIntervalMs = limits.subscriptionProofMsMax / proofsPerBound;

/** What one bus channel's subscription does with what happens to it. */
export interface Subscription {
  onMessage(message: Buffer): void;
  /**
   * Called right behind the SUBSCRIBE on the same connection; `inForce` settles with its acknowledgement. What is sent
   * from here synchronously is answered after every message that was published before it ran, and before every later
   * one.
   */
  confirm(connection: { readonly client: ScriptedRedis; readonly reign: string }, inForce: Promise<unknown>): Promise<void>;
  /**
   * The connection broke, the server ended the subscription, or `confirm` failed: 'keep' tries again when it can,
   * 'drop' ends the subscription.
   */
  onLost(reason: BusUnavailable): 'keep' | 'drop';
}

/** Bus channels of one process: in force, by the word of the server, or waiting to be. */
export interface SubscriptionCounts {
  readonly inForce: number;
  readonly waiting: number;
}

/**
 * The bus channels that this process wants to hear, and the connection on which it does. What is wanted changes at
 * once; the server follows in the order of the changes, many in one round trip, and again from the beginning on every
 * new connection.
 *
 * A server may end a subscription by itself: with its slot, also where the slot then stays at this server. That is made
 * again at once. Besides, the server is asked in turns how many subscriptions the connection has. All of them are ours,
 * so an equal number proves each; where it differs, or where there is no proof within `limits.subscriptionProofMsMax`,
 * the connection is made anew, and with it everything.
 */
export class Subscriptions {
  readonly #connection: RedisConnection;
  readonly #surroundings: RedisSurroundings;
  readonly #wanted = new Map<string, Subscription>();
  /** Names whose wish the server has not been told on this connection. */
  #changed = new Set<string>();
  /** Names whose subscription the server refused; tried again in a while, unless they are removed. */
  readonly #refusedNames = new Set<string>();
  /** Names that the server has acknowledged on this connection, and has not ended since. */
  readonly #inForce = new Set<string>();
  /** Names of which the server was told something and did not answer: they may be in force or not. */
  readonly #doubtful = new Set<string>();
  /** How often the server ended a subscription or may have. */
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
    // Said of each subscription that the server ended by itself, and where it says that a slot is elsewhere; without a
    // name.
    connection.client.on('moved', () => this.#lookForEnded());
    // Sharded pub/sub also on a single server: what is tried there is what runs in a Cluster.
    connection.client.on('smessageBuffer', (name: Buffer, message: Buffer) => {
      this.#wanted.get(name.toString())?.onMessage(message);
    });
  }

  counts(): SubscriptionCounts {
    let inForce = 0;
    // What could not be confirmed is tried again, also where the server has it.
    for (const name of this.#wanted.keys()) if (this.#inForce.has(name) && !this.#refusedNames.has(name)) inForce++;
    return { inForce, waiting: this.#wanted.size - inForce };
  }

  add(name: string, subscription: Subscription): void {
    assert(!this.#wanted.has(name), 'a process subscribes to a bus channel once');
    this.#wanted.set(name, subscription);
    this.#change(name);
  }

  /**
   * From now on this subscription hears nothing. Does nothing where it ended before. 'idle' where the server had
   * refused the subscription and nothing of it is under way.
   */
  remove(name: string, subscription: Subscription): 'idle' | 'active' {
    if (this.#wanted.get(name) !== subscription) return 'idle';
    this.#wanted.delete(name);
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

  /** Tells the server after the current task, so that all rooms of one tick go together. */
  #schedule(): void {
    if (this.#telling || this.#closed) return;
    this.#telling = true;
    queueMicrotask(() => void this.#tell());
  }

  async #tell(): Promise<void> {
    while (this.#changed.size > 0 || this.#isProofDue) {
      const reign = this.#connection.reign;
      if (reign === undefined) break;
      // Between two round trips nothing is under way that the server's number could lack or hold.
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

  /** One command a name, all in one round trip: in a Cluster the names of one command would need one slot. */
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
    // Wanted again meanwhile: it is told with the next names, and is still subscribed to.
    const leaving = left.filter((name) => !this.#wanted.has(name));
    if (leaving.length > 0 && this.#connection.reign === reign) await this.#leave(leaving);
  }

  async #subscribe(name: string): Promise<void> {
    try {
      await this.#connection.client.ssubscribe(name);
      this.#inForce.add(name);
      this.#doubtful.delete(name);
    } catch (error) {
      if (!(error instanceof ReplyError)) this.#doubtful.add(name);
      throw error;
    }
  }

  /**
   * Where a slot moves while an unsubscribe is under way the server says both that the subscription ended and that the
   * command belongs elsewhere. The client may then take the answer to one command for that to the next, so nothing is
   * sent until an echo has shown that it is in step; where it is not, the connection is made anew.
   */
  async #leave(names: readonly string[]): Promise<void> {
    const { client } = this.#connection;
    const connected = client.stream;
    const sign = names[0]!;
    // An unsubscribe that is not answered leaves messages that nobody hears, until the connection is made anew for want
    // of a proof.
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
    // Of an earlier connection, or unwanted by now: the new connection or nobody takes care of it.
    if (this.#wanted.get(name) !== subscription || this.#connection.reign === undefined) return;
    const elsewhere = redirectOf(error) !== undefined;
    if (!elsewhere) this.#surroundings.subscriptionFaults.refused.warn(error);
    if (!elsewhere && subscription.onLost(asUnavailable(error)) === 'drop') {
      this.remove(name, subscription);
      return;
    }
    this.#refusedNames.add(name);
    this.#stopRetry ??= this.#surroundings.clock.after(retryMs, () => {
      this.#stopRetry = undefined;
      for (const refused of this.#refusedNames) if (this.#wanted.has(refused)) this.#change(refused);
      this.#refusedNames.clear();
    });
  }

  /** Thousands may end in one turn of the loop: one look finds them all. */
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
      else this.#change(name);
    }
  }

  /** Counts turns and not time: after a pause of our own event loop only one turn has passed. */
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
    // What ended meanwhile may or may not be in the answer: the next turn tells.
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

/**
 * A subscription without a position: what comes is handed over, what comes while the connection is broken is missed.
 */
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
