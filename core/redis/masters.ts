import type { BusState } from '../bus/bus.ts';
import type { ScriptedRedis } from './scripts.ts';
import type { Subscription, SubscriptionCounts } from './subscriptions.ts';

/** A server to which a command can be sent now. */
export interface OpenMaster {
  readonly client: ScriptedRedis;
  /** Names this server's time as master: it ends with its restart, and where another is promoted. */
  readonly reign: string;
}

/** The master or masters that carry the bus. Each key and bus channel is at one of them at a time. */
export interface Masters {
  readonly state: BusState;
  /**
   * Sends a command that concerns one key or bus channel to the master that has it.
   * @throws BusUnavailable, or what the command threw
   */
  run<T>(name: string, command: (master: OpenMaster) => Promise<T>): Promise<T>;
  /**
   * Resolves when a subscription to this bus channel can be made.
   * @throws BusUnavailable
   */
  ready(name: string): Promise<void>;
  /** Subscribes to a bus channel, again on every new connection and master until `remove`. At most once a name. */
  add(name: string, subscription: Subscription): void;
  /** From now on this subscription hears nothing. Does nothing where it ended before. */
  remove(name: string, subscription: Subscription): void;
  subscriptionCounts(): SubscriptionCounts;
  close(): void;
}

export interface MastersListener {
  /** A connection for commands is new: perhaps to a Redis that lost what it had. */
  onOpen(): void;
  onStateChange(): void;
}
