import assert from 'node:assert/strict';
import type { BusUnavailable } from '../bus/bus.ts';
import { asUnavailable, type RedisConnection } from './connection.ts';
import { redirectOf } from './redirect.ts';
import type { ScriptedRedis } from './scripts.ts';

/** Most bus channels that one round trip subscribes to: bounds what is under way after a reconnect. */
const namesPerRoundTrip = 500;
const retryMs = 500;

/** What one bus channel's subscription does with what happens to it. */
export interface Subscription {
  onMessage(message: Buffer): void;
  /**
   * Called right behind the SUBSCRIBE on the same connection; `inForce` settles with its acknowledgement. What is sent from here
   * synchronously is answered after every message that was published before it ran, and before every later one.
   */
  confirm(connection: { readonly client: ScriptedRedis; readonly reign: string }, inForce: Promise<unknown>): Promise<void>;
  /** The connection broke, or `confirm` failed: 'keep' tries again when it can, 'drop' ends the subscription. */
  onLost(reason: BusUnavailable): 'keep' | 'drop';
}

/**
 * The bus channels that this process wants to hear, and the connection on which it does. What is wanted changes at once; the
 * server follows in the order of the changes, many in one round trip, and again from the beginning on every new connection.
 */
export class Subscriptions {
  readonly #connection: RedisConnection;
  readonly #wanted = new Map<string, Subscription>();
  /** Names whose wish the server has not been told on this connection. */
  #changed = new Set<string>();
  /** Names whose subscription the server refused; tried again in a while, unless they are removed. */
  readonly #refusedNames = new Set<string>();
  #telling = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
    // Sharded pub/sub also on a single server: what is tried there is what runs in a Cluster.
    connection.client.on('smessageBuffer', (name: Buffer, message: Buffer) => {
      this.#wanted.get(name.toString())?.onMessage(message);
    });
  }

  add(name: string, subscription: Subscription): void {
    assert(!this.#wanted.has(name), 'a process subscribes to a bus channel once');
    this.#wanted.set(name, subscription);
    this.#change(name);
  }

  /**
   * From now on this subscription hears nothing. Does nothing where it ended before. 'idle' where the server had refused the subscription
   * and nothing of it is under way.
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
    this.#schedule();
  }

  onLost(reason: BusUnavailable): void {
    for (const [name, subscription] of this.#wanted) {
      if (subscription.onLost(reason) === 'drop') this.#wanted.delete(name);
    }
    this.#changed.clear();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
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
    while (this.#changed.size > 0) {
      const reign = this.#connection.reign;
      if (reign === undefined) break;
      await this.#tellNames(this.#takeChanged(), reign);
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
      const confirmed = subscription.confirm({ client, reign }, client.ssubscribe(name));
      entered.push(confirmed.catch((error: unknown) => this.#refused(name, subscription, error)));
    }
    await Promise.all(entered);
    // Wanted again meanwhile: it is told with the next names, and is still subscribed to.
    const leaving = left.filter((name) => !this.#wanted.has(name));
    if (leaving.length > 0 && this.#connection.reign === reign) await this.#leave(leaving);
  }

  /**
   * Where a slot moves while an unsubscribe is under way the server says both that the subscription ended and that the command
   * belongs elsewhere. The client may then take the answer to one command for that to the next, so nothing is sent until an echo has shown
   * that it is in step; where it is not, the connection is made anew.
   */
  async #leave(names: readonly string[]): Promise<void> {
    const { client } = this.#connection;
    const connected = client.stream;
    const sign = names[0]!;
    // An unsubscribe that fails leaves messages that nobody hears, until the next connection.
    const left = names.map((name) => client.sunsubscribe(name).catch(() => undefined));
    const echo = client.echo(sign).catch(() => undefined);
    await Promise.all(left);
    if ((await echo) !== sign && client.stream === connected) this.#connection.breakOff();
  }

  #refused(name: string, subscription: Subscription, error: unknown): void {
    // Of an earlier connection, or unwanted by now: the new connection or nobody takes care of it.
    if (this.#wanted.get(name) !== subscription || this.#connection.reign === undefined) return;
    const elsewhere = redirectOf(error) !== undefined;
    if (!elsewhere && subscription.onLost(asUnavailable(error)) === 'drop') {
      this.remove(name, subscription);
      return;
    }
    this.#refusedNames.add(name);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      for (const refused of this.#refusedNames) if (this.#wanted.has(refused)) this.#change(refused);
      this.#refusedNames.clear();
    }, retryMs);
  }
}

/** A subscription without a position: what comes is handed over, what comes while the connection is broken is missed. */
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
