import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import type { Position } from '../publication.ts';
import { inSlices } from '../slices.ts';
import { neededBuses, planOf, waitingPlan, type BusPlan, type OwnBuses, type ToldBuses } from './bus-plan.ts';
import { BusUnavailable, type Bus, type BusState, type ChannelLog, type LogSubscriber } from './bus.ts';
import { newEpoch } from './epoch.ts';
import type { JoinableBus } from './joinable-bus.ts';
import { JoinedCalls } from './joined-calls.ts';
import { JoinedSubscription } from './joined-subscription.ts';
import { OpenBus } from './open-bus.ts';

/** Longest wait of a batch on a bus that this process does not publish to, in milliseconds. */
const heldMs = 1000;

export interface JoinedBusOptions {
  readonly own: OwnBuses;
  /** Opens one of the own buses. It may be opened again after it was closed. */
  readonly open: (id: string) => JoinableBus;
  readonly clock: Pick<Clock, 'after' | 'every' | 'monotonic' | 'soon'>;
  /** Random number in [0, 1), for the names of epochs. */
  readonly random: () => number;
}

/** What a process does with its buses now, for its operator. */
export interface BusesInUse {
  /** Empty: nothing can be published. */
  readonly publishTo: string;
  readonly listening: { readonly id: string; readonly up: boolean }[];
}

/**
 * The bus of a process whose pool may change from one bus to another. It receives from every bus that the pool document
 * lists, and appends to the one that the document names. Buses are opened and closed as `follow` says; before it none
 * is open.
 *
 * - A subscription is resolved when it is in force on the bus to which the pool publishes, and on the others that are
 *   up. On a bus that is away it comes into force later.
 * - Each bus has orders of its own. A subscriber that gets batches of two buses sees other epochs, as after a loss of
 *   the log; it never sees a batch twice.
 * - While several processes change from one bus to another, gateways may have batches of both in different orders. A
 *   client that comes from another gateway in that time is told of a gap (`doubtfulPosition`).
 * - Subscribers are told of a new position where something may be missing: a bus came late and is published to by then,
 *   or this process has no connection to the bus that the pool publishes to.
 */
export class JoinedBus implements Bus {
  readonly log: ChannelLog;
  readonly calls: JoinedCalls;
  readonly #options: JoinedBusOptions;
  readonly #isAlone: boolean;
  readonly #buses = new Map<string, OpenBus>();
  readonly #closing = new Set<Promise<void>>();
  readonly #subscriptions = new Map<string, JoinedSubscription>();
  readonly #listeners: ((state: BusState) => void)[] = [];
  /** Subscriptions with batches that wait for their turn. */
  #holding = new Set<JoinedSubscription>();
  #plan: BusPlan = waitingPlan;
  #publishing: OpenBus | undefined;
  #wasUp = false;
  #isClosed = false;

  constructor(options: JoinedBusOptions) {
    this.#options = options;
    this.#isAlone = options.own.previous === undefined;
    this.log = {
      append: (channel, publications, keep, keys) => this.#onPublishing((log) => log.append(channel, publications, keep, keys)),
      history: (channel, query) => this.#onPublishing((log) => log.history(channel, query)),
      subscribe: (channel, subscriber) => this.#subscribe(channel, subscriber),
      doubtfulPosition: (channel) => {
        return this.#subscriptions.get(channel)?.isDoubtful === true ? this.#nobodysPosition() : undefined;
      },
      unsubscribe: (channel) => this.#unsubscribe(channel),
    };
    this.calls = new JoinedCalls({
      publishing: () => this.#publishing?.bus.calls,
      reason: () => this.#reason,
      onNumber: () => this.#claim(),
    });
  }

  /** Puts the buses of a pool document in force; undefined where it names none. */
  follow(told: ToldBuses | undefined): void {
    if (this.#isClosed) return;
    const before = this.#plan;
    const plan = planOf(this.#options.own, told);
    this.#plan = plan;
    for (const [id, open] of this.#buses) if (!plan.listenTo.includes(id)) this.#close(id, open);
    for (const id of plan.listenTo) if (!this.#buses.has(id)) this.#open(id);
    this.#publishing = plan.kind === 'following' ? this.#buses.get(plan.publishTo) : undefined;
    // Publications of others pass by unheard while it is deaf, and passed by before it could hear again.
    if (plan.kind !== before.kind && (plan.kind === 'deaf' || before.kind === 'deaf')) this.#tellGaps();
    this.#look();
  }

  state(): BusState {
    const plan = this.#plan;
    if (this.#isClosed) return { up: false, reason: 'the bus is closed' };
    if (plan.kind !== 'following') return { up: false, reason: plan.reason };
    for (const id of neededBuses(plan, this.#options.own)) {
      const state = this.#buses.get(id)?.bus.state();
      if (state?.up === false) return { up: false, reason: this.#isAlone ? state.reason : `${this.#wordsFor(id)}: ${state.reason}` };
    }
    return { up: true };
  }

  onStateChange(listener: (state: BusState) => void): void {
    this.#listeners.push(listener);
  }

  inUse(): BusesInUse {
    const { gateway } = this.calls;
    return {
      publishTo: this.#publishing?.id ?? '',
      listening: Array.from(this.#buses.values(), (open) => ({ id: open.id, up: open.isWhole(gateway) })),
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#publishing = undefined;
    for (const [id, open] of this.#buses) this.#close(id, open);
    await Promise.all(this.#closing);
    this.#look();
  }

  get #reason(): string {
    const state = this.state();
    return state.up ? 'the bus is closed' : state.reason;
  }

  #wordsFor(id: string): string {
    return id === this.#options.own.main ? `the main bus (${id})` : `the previous bus (${id})`;
  }

  /** Asks the bus to which the pool publishes. */
  #onPublishing<Answer>(ask: (log: ChannelLog) => Promise<Answer>): Promise<Answer> {
    const open = this.#publishing;
    return open === undefined ? Promise.reject(new BusUnavailable(this.#reason)) : ask(open.bus.log);
  }

  async #subscribe(channel: string, subscriber: LogSubscriber): Promise<Position> {
    if (this.#publishing === undefined) throw new BusUnavailable(this.#reason);
    assert(!this.#subscriptions.has(channel), 'a process subscribes to a channel once');
    const subscription = new JoinedSubscription({
      channel,
      subscriber,
      publishing: () => this.#publishing,
      onHeld: (holding) => this.#hold(holding),
      clock: this.#options.clock,
      isAlone: this.#isAlone,
    });
    this.#subscriptions.set(channel, subscription);
    try {
      await this.#enterAll(subscription);
      if (subscription.isEnded) throw new BusUnavailable('unsubscribed before the subscription was in force');
      const position = this.#publishing === undefined ? undefined : subscription.positionOn(this.#publishing);
      // Meanwhile the pool may have begun to publish to another bus, which has not taken the subscription.
      if (position === undefined) throw new BusUnavailable('the bus has changed before the subscription was in force');
      subscription.open(position);
      return position;
    } catch (error) {
      if (this.#subscriptions.get(channel) === subscription) this.#unsubscribe(channel);
      throw error;
    }
  }

  /** Rejects as the bus to which the pool publishes does. Other buses that fail are tried again. */
  async #enterAll(subscription: JoinedSubscription): Promise<void> {
    const publishing = this.#publishing;
    const attempts = Array.from(this.#buses.values(), async (open) => {
      if (open === publishing) return open.enter(subscription);
      if (open.bus.state().up) {
        const isIn = await open.enter(subscription).then(
          () => true,
          () => false,
        );
        if (isIn || subscription.isEnded) return;
      }
      open.enterLater([subscription]);
    });
    await Promise.all(attempts);
  }

  #unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    subscription.end();
    for (const open of this.#buses.values()) open.leave(subscription);
  }

  #open(id: string): void {
    const bus = this.#options.open(id);
    const { clock } = this.#options;
    const open = new OpenBus({ id, bus, clock, onLate: (subscription, position) => this.#cameLate({ open, subscription, position }) });
    this.#buses.set(id, open);
    bus.onStateChange(() => this.#look());
    open.enterLater(this.#subscriptions.values());
    const { gateway } = this.calls;
    if (gateway !== undefined) bus.calls.claim(gateway.server, gateway.number);
  }

  #close(id: string, open: OpenBus): void {
    this.#buses.delete(id);
    const closed = open.close(this.#subscriptions.values()).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  /** The gateway has its number: it claims the same one on the other buses. */
  #claim(): void {
    const { gateway, home } = this.calls;
    if (gateway === undefined) return;
    for (const { bus } of this.#buses.values()) if (bus.calls !== home) bus.calls.claim(gateway.server, gateway.number);
  }

  #cameLate({ open, subscription, position }: { open: OpenBus; subscription: JoinedSubscription; position: Position }): void {
    if (open === this.#publishing) subscription.tell(position);
  }

  /** Tells every subscriber of an order that nobody has: a gap, of which nobody knows what is in it. */
  #tellGaps(): void {
    const { clock } = this.#options;
    const position = this.#nobodysPosition();
    inSlices(this.#subscriptions.values(), {
      clock,
      step: (subscription) => {
        if (subscription.isOpened) subscription.tell(position);
      },
    });
  }

  #nobodysPosition(): Position {
    return { epoch: newEpoch(this.#options.random), offset: 0 };
  }

  /** Batches that wait for their turn go all together: the orders of two buses alternate no faster than this. */
  #hold(subscription: JoinedSubscription): void {
    const { clock } = this.#options;
    const isDue = this.#holding.size > 0;
    this.#holding.add(subscription);
    if (isDue) return;
    clock.after(heldMs, () => {
      const holding = this.#holding;
      this.#holding = new Set();
      inSlices(holding, { clock, step: (held) => held.release() });
    });
  }

  #look(): void {
    const state = this.state();
    if (state.up === this.#wasUp) return;
    this.#wasUp = state.up;
    for (const listener of this.#listeners) listener(state);
  }
}
