import assert from 'node:assert/strict';
import type { BusUnavailable } from '../bus/bus.ts';
import { asUnavailable, type RedisConnection } from './connection.ts';
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
  confirm(connection: { readonly client: ScriptedRedis; readonly runId: string }, inForce: Promise<unknown>): Promise<void>;
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
  /** Names whose subscription the server refused; tried again in a while. */
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

  /** From now on this subscription hears nothing. Does nothing where it ended before. */
  remove(name: string, subscription: Subscription): void {
    if (this.#wanted.get(name) !== subscription) return;
    this.#wanted.delete(name);
    this.#change(name);
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
    if (this.#connection.runId === undefined) return;
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
      const runId = this.#connection.runId;
      if (runId === undefined) break;
      await this.#tellNames(this.#takeChanged(), runId);
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
  async #tellNames(names: readonly string[], runId: string): Promise<void> {
    const { client } = this.#connection;
    const answers = names.map((name) => {
      const subscription = this.#wanted.get(name);
      // An unsubscribe that fails leaves messages that nobody hears, until the next connection.
      if (subscription === undefined) return client.sunsubscribe(name).catch(() => undefined);
      const inForce = client.ssubscribe(name);
      return subscription.confirm({ client, runId }, inForce).catch((error: unknown) => this.#refused(name, subscription, error));
    });
    await Promise.all(answers);
  }

  #refused(name: string, subscription: Subscription, error: unknown): void {
    // Of an earlier connection, or unwanted by now: the new connection or nobody takes care of it.
    if (this.#wanted.get(name) !== subscription || this.#connection.runId === undefined) return;
    if (subscription.onLost(asUnavailable(error)) === 'drop') {
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
