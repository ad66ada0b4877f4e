import assert from 'node:assert/strict';
import { BusUnavailable, type BusState } from '../bus/bus.ts';
import type { RedisPlaces } from './access.ts';
import { ClusterTopology } from './cluster-topology.ts';
import { earliest } from './earliest.ts';
import { noConnections, sumOfConnections, type ConnectionCounts, type Masters, type MastersListener, type OpenMaster } from './masters.ts';
import { redirectOf } from './redirect.ts';
import { SingleMaster } from './single-master.ts';
import { nodeAt, slotOf } from './slots.ts';
import type { Subscription, SubscriptionCounts } from './subscriptions.ts';
import type { RedisSurroundings } from './surroundings.ts';

/** Time for which a command follows its slot between masters before it fails, in milliseconds. */
const followMs = 1000;
const followPauseMs = 50;

interface Wanted {
  readonly subscription: Subscription;
  readonly slot: number;
  /** The master with this subscription; `undefined` while no master has the slot. */
  master: SingleMaster | undefined;
}

/**
 * The masters of a Redis Cluster, with two connections to each that has slots. The master of a name's slot serves that
 * name. When a slot moves, subscriptions follow it, and commands that reached the old master are sent again. A master's
 * absence affects only its own slots.
 */
export class ClusterMasters implements Masters {
  readonly #places: RedisPlaces;
  readonly #surroundings: RedisSurroundings;
  readonly #listener: MastersListener;
  readonly #topology: ClusterTopology;
  readonly #byAddress = new Map<string, SingleMaster>();
  readonly #wanted = new Map<string, Wanted>();
  #owners: readonly (string | undefined)[] = [];
  #closed = false;

  constructor(options: { readonly places: RedisPlaces; readonly surroundings: RedisSurroundings; readonly listener: MastersListener }) {
    this.#places = options.places;
    this.#surroundings = options.surroundings;
    this.#listener = options.listener;
    this.#topology = new ClusterTopology({
      places: options.places,
      surroundings: options.surroundings,
      connected: () => this.#byAddress,
      onChange: (owners) => this.#adopt(owners),
    });
  }

  /** Up while any master is up: channels of the other masters still work. */
  get state(): BusState {
    if (this.#closed) return { up: false, reason: 'the bus is closed' };
    let down: BusState | undefined;
    for (const { state } of this.#byAddress.values()) {
      if (state.up) return state;
      down ??= state;
    }
    return down ?? { up: false, reason: this.#topology.fault };
  }

  async run<T>(name: string, command: (master: OpenMaster) => Promise<T>): Promise<T> {
    const slot = slotOf(name);
    const { clock } = this.#surroundings;
    const startedAt = clock.monotonic();
    for (;;) {
      const master = await this.#masterOf(slot);
      try {
        return await master.run(name, command);
      } catch (error) {
        if (redirectOf(error) === undefined) throw error;
        await this.#topology.refresh();
        // The move is under way: neither master has the key, or the new master is not known yet.
        if (this.#masterAt(slot) === master) await new Promise<void>((resolve) => clock.after(followPauseMs, resolve));
        // A command that is past its time is not sent: its caller may already know it as failed.
        if (clock.monotonic() - startedAt > followMs) throw error;
      }
    }
  }

  async ready(name: string): Promise<void> {
    const master = await this.#masterOf(slotOf(name));
    await master.ready();
  }

  add(name: string, subscription: Subscription): void {
    assert(!this.#wanted.has(name), 'a process subscribes to a bus channel once');
    const slot = slotOf(name);
    const master = this.#masterAt(slot);
    this.#wanted.set(name, { subscription, slot, master });
    master?.add(name, subscription);
  }

  remove(name: string, subscription: Subscription): void {
    const wanted = this.#wanted.get(name);
    if (wanted?.subscription !== subscription) return;
    this.#wanted.delete(name);
    wanted.master?.remove(name, subscription);
  }

  /** Subscriptions without a master for their slot count as waiting. */
  subscriptionCounts(): SubscriptionCounts {
    const inForce = [...this.#byAddress.values()].reduce((sum, master) => sum + master.subscriptionCounts().inForce, 0);
    return { inForce, waiting: Math.max(0, this.#wanted.size - inForce) };
  }

  connectionCounts(): ConnectionCounts {
    return Array.from(this.#byAddress.values(), (master) => master.connectionCounts()).reduce(sumOfConnections, noConnections);
  }

  certificateEndsAt(): number | undefined {
    return earliest(Array.from(this.#byAddress.values(), (master) => master.certificateEndsAt()));
  }

  /** A master that is away, or a slot without one, leaves subscriptions out. */
  isWhole(): boolean {
    for (const { master } of this.#wanted.values()) if (master?.isWhole() !== true) return false;
    return this.state.up;
  }

  close(): void {
    this.#closed = true;
    this.#topology.close();
    for (const master of this.#byAddress.values()) master.close();
    this.#listener.onStateChange();
  }

  async #masterOf(slot: number): Promise<SingleMaster> {
    await this.#topology.known;
    const master = this.#masterAt(slot);
    if (this.#closed) throw new BusUnavailable('the bus is closed');
    if (master === undefined)
      throw new BusUnavailable(this.#owners.length === 0 ? this.#topology.fault : 'no master of the Redis Cluster has the slot');
    return master;
  }

  #masterAt(slot: number): SingleMaster | undefined {
    const address = this.#owners[slot];
    return address === undefined ? undefined : this.#byAddress.get(address);
  }

  #adopt(owners: readonly (string | undefined)[]): void {
    const known = [...this.#byAddress.keys()].toSorted().join();
    this.#owners = owners;
    const addresses = new Set(owners.filter((address) => address !== undefined));
    for (const address of addresses) if (!this.#byAddress.has(address)) this.#byAddress.set(address, this.#connect(address));
    for (const [name, wanted] of this.#wanted) this.#follow(name, wanted);
    for (const [address, master] of this.#byAddress) {
      if (addresses.has(address)) continue;
      this.#byAddress.delete(address);
      master.close();
    }
    if (known !== [...addresses].toSorted().join()) this.#surroundings.journal?.write('redis-masters', { masters: [...addresses] });
    this.#listener.onStateChange();
  }

  #connect(address: string): SingleMaster {
    return new SingleMaster({
      endpoint: { ...this.#places.login, ...nodeAt(address) },
      kind: 'cluster',
      surroundings: this.#surroundings,
      listener: this.#listener,
      onMoved: () => void this.#topology.refresh(),
    });
  }

  /** Subscribes at the slot's present master. Messages may have been missed since the last one received. */
  #follow(name: string, wanted: Wanted): void {
    const { subscription } = wanted;
    const master = this.#masterAt(wanted.slot);
    if (master === wanted.master) return;
    const was = wanted.master?.remove(name, subscription) ?? 'idle';
    wanted.master = master;
    if (was === 'active' && subscription.onLost(new BusUnavailable('the slot of the channel has moved')) === 'drop') {
      this.#wanted.delete(name);
      return;
    }
    master?.add(name, subscription);
  }
}
