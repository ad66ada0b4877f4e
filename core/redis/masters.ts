import type { BusState } from '../bus/bus.ts';
import type { ConnectionPurpose } from './bus-accounts.ts';
import type { ScriptedRedis } from './scripts.ts';
import type { Subscription, SubscriptionCounts } from './subscriptions.ts';

/** A server to which a command can be sent now. */
export interface OpenMaster {
  readonly client: ScriptedRedis;
  /** Names this server's reign as master. A restart or a promotion ends the reign. */
  readonly reign: string;
}

/** Connections by purpose: those that can be used now, and those that can not. */
export type ConnectionCounts = Readonly<Record<ConnectionPurpose, { readonly up: number; readonly down: number }>>;

export const noConnections: ConnectionCounts = { commands: { up: 0, down: 0 }, subscriptions: { up: 0, down: 0 } };

export function sumOfConnections(a: ConnectionCounts, b: ConnectionCounts): ConnectionCounts {
  const sum = (purpose: ConnectionPurpose) => ({ up: a[purpose].up + b[purpose].up, down: a[purpose].down + b[purpose].down });
  return { commands: sum('commands'), subscriptions: sum('subscriptions') };
}

/** The master or masters that carry the bus. One master at a time has a given key or bus channel. */
export interface Masters {
  readonly state: BusState;
  /**
   * Sends a command about one key or bus channel to its master.
   * @throws BusUnavailable, or the command's own error
   */
  run<T>(name: string, command: (master: OpenMaster) => Promise<T>): Promise<T>;
  /**
   * Resolves when a subscription to this bus channel can be made.
   * @throws BusUnavailable
   */
  ready(name: string): Promise<void>;
  /**
   * Subscribes to a bus channel, again on every new connection and master, until `remove`. At most one subscription per
   * name.
   */
  add(name: string, subscription: Subscription): void;
  /** Ends delivery to this subscription. Does nothing for a subscription that has ended. */
  remove(name: string, subscription: Subscription): void;
  subscriptionCounts(): SubscriptionCounts;
  connectionCounts(): ConnectionCounts;
  /** The earliest end of the servers' certificates, in Unix milliseconds; `undefined` without TLS. */
  certificateEndsAt(): number | undefined;
  /** Whether every subscription is in force that was once, on every master. */
  isWhole(): boolean;
  close(): void;
}

export interface MastersListener {
  /** A new connection for commands is open, perhaps to a Redis that lost its data. */
  onOpen(): void;
  onStateChange(): void;
}
