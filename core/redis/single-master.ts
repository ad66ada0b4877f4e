import { BusUnavailable, type BusState } from '../bus/bus.ts';
import type { EndpointOptions } from './access.ts';
import { RedisConnection } from './connection.ts';
import type { ConnectionCounts, Masters, MastersListener, OpenMaster } from './masters.ts';
import { earliest } from './earliest.ts';
import type { ServerKind } from './server-answers.ts';
import { Subscriptions, type Subscription, type SubscriptionCounts } from './subscriptions.ts';
import type { RedisSurroundings } from './surroundings.ts';

export interface SingleMasterOptions {
  readonly endpoint: EndpointOptions;
  /** 'cluster' for a server that must be a Cluster's node, 'single' for a server that must not. */
  readonly kind: ServerKind;
  readonly surroundings: RedisSurroundings;
  readonly listener: MastersListener;
  /** Called when the server says that another one has a bus channel's slot. */
  readonly onMoved?: () => void;
}

/** One master with two connections: one for commands, one for subscriptions. Up when both are. */
export class SingleMaster implements Masters {
  readonly #commands: RedisConnection;
  readonly #subscriber: RedisConnection;
  readonly #subscriptions: Subscriptions;

  constructor(options: SingleMasterOptions) {
    const { listener, onMoved } = options;
    this.#commands = new RedisConnection({ ...options, purpose: 'commands' });
    this.#subscriber = new RedisConnection({ ...options, purpose: 'subscriptions' });
    this.#subscriptions = new Subscriptions(this.#subscriber, options.surroundings);
    if (onMoved !== undefined) this.#subscriber.client.on('moved', onMoved);
    this.#commands.listen({
      onOpen: () => listener.onOpen(),
      onLost: () => undefined,
      onStateChange: () => listener.onStateChange(),
    });
    this.#subscriber.listen({
      onOpen: () => this.#subscriptions.onOpen(),
      onLost: () => this.#subscriptions.onLost(new BusUnavailable('the connection to Redis broke')),
      onStateChange: () => listener.onStateChange(),
    });
  }

  get state(): BusState {
    return this.#commands.state.up ? this.#subscriber.state : this.#commands.state;
  }

  subscriptionCounts(): SubscriptionCounts {
    return this.#subscriptions.counts();
  }

  connectionCounts(): ConnectionCounts {
    const countOf = ({ state }: RedisConnection) => ({ up: state.up ? 1 : 0, down: state.up ? 0 : 1 });
    return { commands: countOf(this.#commands), subscriptions: countOf(this.#subscriber) };
  }

  certificateEndsAt(): number | undefined {
    return earliest([this.#commands.certificateEndsAt, this.#subscriber.certificateEndsAt]);
  }

  isWhole(): boolean {
    return this.state.up && this.#subscriptions.isWhole;
  }

  async run<T>(_name: string, command: (master: OpenMaster) => Promise<T>): Promise<T> {
    const reign = await this.#commands.use();
    return command({ client: this.#commands.client, reign });
  }

  async ready(): Promise<void> {
    await this.#subscriber.use();
  }

  add(name: string, subscription: Subscription): void {
    this.#subscriptions.add(name, subscription);
  }

  /**
   * 'idle' when the server had refused the subscription and nothing of it is under way. Otherwise messages may still
   * arrive.
   */
  remove(name: string, subscription: Subscription): 'idle' | 'active' {
    return this.#subscriptions.remove(name, subscription);
  }

  close(): void {
    this.#subscriptions.close();
    this.#commands.close();
    this.#subscriber.close();
  }
}
