import type { Clock } from '../clock.ts';
import type { Position } from '../publication.ts';
import { BusUnavailable, type GatewayServer } from './bus.ts';
import type { JoinableBus } from './joinable-bus.ts';
import type { JoinedSubscription } from './joined-subscription.ts';

/** Most subscriptions that enter a bus at a time besides those that a caller waits for. */
const enteringMax = 200;
const retryMs = 500;

/** The gateway of this process, with its number. */
export interface NumberedGateway {
  readonly server: GatewayServer;
  readonly number: number;
}

/** One open bus of a process that has several, and the subscriptions that are still to enter it. */
export class OpenBus {
  readonly id: string;
  readonly bus: JoinableBus;
  readonly #onLate: (subscription: JoinedSubscription, position: Position) => void;
  /** Subscriptions to be made in the background, and those whose last attempt failed. */
  readonly #waiting = new Set<JoinedSubscription>();
  readonly #failed = new Set<JoinedSubscription>();
  #entering = 0;
  readonly #stopRetrying: () => void;
  #isClosed = false;

  constructor(options: {
    readonly id: string;
    readonly bus: JoinableBus;
    readonly clock: Pick<Clock, 'every'>;
    /** Called when a subscription that was resolved without this bus has come into force here. */
    readonly onLate: (subscription: JoinedSubscription, position: Position) => void;
  }) {
    this.id = options.id;
    this.bus = options.bus;
    this.#onLate = options.onLate;
    this.#stopRetrying = options.clock.every(retryMs, () => this.#retry());
    this.bus.onStateChange(({ up }) => {
      if (up) this.#retry();
    });
  }

  /**
   * Subscribes now.
   * @throws BusUnavailable
   */
  async enter(subscription: JoinedSubscription): Promise<void> {
    const position = await this.bus.log.subscribe(subscription.channel, subscription.partOf(this));
    if (this.#isClosed || subscription.isEnded) throw new BusUnavailable('unsubscribed before the subscription was in force');
    subscription.enter(this, position);
    if (subscription.isOpened) this.#onLate(subscription, position);
  }

  /** Subscribes when the bus can take it, and tries again until it is in force or ended. */
  enterLater(subscriptions: Iterable<JoinedSubscription>): void {
    for (const subscription of subscriptions) this.#waiting.add(subscription);
    this.#enterSome();
  }

  leave(subscription: JoinedSubscription): void {
    this.#waiting.delete(subscription);
    this.#failed.delete(subscription);
    subscription.leave(this);
    this.bus.log.unsubscribe(subscription.channel);
  }

  /** Whether every channel of this process is subscribed here, and its gateway can be called here. */
  isWhole(gateway: NumberedGateway | undefined): boolean {
    if (!this.bus.state().up || !this.bus.isWhole() || this.#waiting.size + this.#failed.size + this.#entering > 0) return false;
    return gateway === undefined || this.bus.calls.isServing;
  }

  /** Ends delivery to these subscriptions at once. The bus is told in its own time. */
  async close(subscriptions: Iterable<JoinedSubscription>): Promise<void> {
    this.#isClosed = true;
    this.#stopRetrying();
    this.#waiting.clear();
    this.#failed.clear();
    for (const subscription of subscriptions) subscription.leave(this);
    await this.bus.close();
  }

  #retry(): void {
    if (this.#failed.size + this.#waiting.size === 0 || !this.bus.state().up) return;
    for (const subscription of this.#failed) this.#waiting.add(subscription);
    this.#failed.clear();
    this.#enterSome();
  }

  #enterSome(): void {
    if (this.#isClosed || !this.bus.state().up) return;
    for (const subscription of this.#waiting) {
      if (this.#entering >= enteringMax) return;
      this.#waiting.delete(subscription);
      void this.#enterLate(subscription);
    }
  }

  async #enterLate(subscription: JoinedSubscription): Promise<void> {
    this.#entering++;
    try {
      await this.enter(subscription);
    } catch {
      // The bus logs its own faults.
      if (!subscription.isEnded && !this.#isClosed) this.#failed.add(subscription);
    } finally {
      this.#entering--;
    }
    this.#enterSome();
  }
}
