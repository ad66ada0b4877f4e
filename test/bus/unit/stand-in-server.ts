import {
  BusUnavailable,
  type AppendResult,
  type BusState,
  type CallResult,
  type GatewayRequest,
  type GatewayServer,
  type LogSubscriber,
  type RoomCounts,
} from '../../../core/bus/bus.ts';
import type { JoinableBus, JoinableCalls } from '../../../core/bus/joinable-bus.ts';
import type { Position, Publication } from '../../../core/publication.ts';

/** A server in memory, which several processes share. A test says when it is away, and when it does not answer. */
export class StandInServer {
  readonly epoch: string;
  readonly connections = new Set<StandInBus>();
  readonly #offsets = new Map<string, number>();
  /** By gateway number: the process that has it, and the connection on which it does. */
  readonly leases = new Map<number, StandInBus>();
  isAway = false;
  /** While set, a SUBSCRIBE is not answered. */
  isHung = false;

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  /** A connection of this process, by which its number is known to its other connections. */
  connect(process: string): StandInBus {
    const bus = new StandInBus(this, process);
    this.connections.add(bus);
    return bus;
  }

  setAway(isAway: boolean): void {
    this.isAway = isAway;
    for (const bus of this.connections) bus.changed();
  }

  position(channel: string): Position {
    return { epoch: this.epoch, offset: this.#offsets.get(channel) ?? 0 };
  }

  append(channel: string, publications: readonly Publication[]): AppendResult {
    const firstOffset = this.position(channel).offset + 1;
    const lastOffset = firstOffset + publications.length - 1;
    this.#offsets.set(channel, lastOffset);
    for (const { subscribers } of this.connections)
      subscribers.get(channel)?.onBatch({ channel, epoch: this.epoch, firstOffset, publications });
    return { epoch: this.epoch, firstOffset, lastOffset };
  }
}

export class StandInBus implements JoinableBus {
  readonly process: string;
  readonly server: StandInServer;
  readonly subscribers = new Map<string, LogSubscriber>();
  readonly #pending = new Map<string, (error: BusUnavailable) => void>();
  readonly #listeners: ((state: BusState) => void)[] = [];
  readonly calls: StandInCalls;
  readonly log = {
    append: async (channel: string, publications: readonly Publication[]) => {
      this.check();
      return this.server.append(channel, publications);
    },
    history: async (channel: string) => {
      this.check();
      return { position: this.server.position(channel), publications: [] };
    },
    subscribe: async (channel: string, subscriber: LogSubscriber) => {
      if (this.server.isHung)
        await new Promise<void>((_resolve, reject) => {
          this.#pending.set(channel, reject);
        });
      this.check();
      if (this.subscribers.has(channel)) throw new Error(`${this.process} subscribes to ${channel} twice`);
      this.subscribers.set(channel, subscriber);
      return this.server.position(channel);
    },
    unsubscribe: (channel: string) => {
      this.subscribers.delete(channel);
      this.#pending.get(channel)?.(new BusUnavailable('unsubscribed'));
    },
  };
  isClosed = false;

  constructor(server: StandInServer, process: string) {
    this.server = server;
    this.process = process;
    this.calls = new StandInCalls(this);
  }

  /** What Redis does in the end with a question that it did not answer. */
  expire(): void {
    for (const reject of this.#pending.values()) reject(new BusUnavailable('the bus did not answer in time'));
    this.#pending.clear();
  }

  check(): void {
    if (this.isClosed || this.server.isAway) throw new BusUnavailable('away');
  }

  /** The connection broke and is there again: what came meanwhile is missing. */
  resubscribe(channel: string): void {
    this.subscribers.get(channel)?.onResubscribed(this.server.position(channel));
  }

  isWhole(): boolean {
    return true;
  }

  state(): BusState {
    return this.server.isAway ? { up: false, reason: 'ECONNREFUSED' } : { up: true };
  }

  onStateChange(listener: (state: BusState) => void): void {
    this.#listeners.push(listener);
  }

  changed(): void {
    for (const listener of this.#listeners) listener(this.state());
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.server.connections.delete(this);
    this.calls.release();
    this.expire();
  }
}

class StandInCalls implements JoinableCalls {
  readonly #bus: StandInBus;
  #gateway: { readonly server: GatewayServer; readonly number: number } | undefined;
  isServing = false;

  constructor(bus: StandInBus) {
    this.#bus = bus;
  }

  async serve(server: GatewayServer): Promise<number> {
    this.#bus.check();
    let number = 1;
    while (this.#bus.server.leases.has(number)) number++;
    this.#take(server, number);
    return number;
  }

  claim(server: GatewayServer, number: number): void {
    this.#gateway = { server, number };
    this.tryClaim();
  }

  /** What happens again and again by time. */
  tryClaim(): void {
    if (this.#gateway === undefined || this.isServing || this.#bus.server.isAway) return;
    const owner = this.#bus.server.leases.get(this.#gateway.number);
    if (owner === undefined) this.#take(this.#gateway.server, this.#gateway.number);
    else if (owner.process === this.#bus.process) this.isServing = true;
  }

  async call(number: number, request: GatewayRequest): Promise<CallResult> {
    this.#bus.check();
    const owner = this.#bus.server.leases.get(number);
    const gateway = owner === undefined ? undefined : owner.calls.#gateway;
    return gateway === undefined ? { kind: 'unanswered' } : { kind: 'reply', reply: await gateway.server.answer(request, 1000) };
  }

  async callAll(): Promise<{ replies: []; unanswered: [] }> {
    return { replies: [], unanswered: [] };
  }

  memberCounts(channel: string): RoomCounts {
    let ready = 0;
    for (const { calls } of this.#bus.server.leases.values()) {
      const gateway = calls.#gateway;
      ready += gateway === undefined ? 0 : gateway.server.roomCounts(channel).ready;
    }
    return { ready, full: 0 };
  }

  async countMembers(channel: string): Promise<RoomCounts | undefined> {
    return this.memberCounts(channel);
  }

  release(): void {
    for (const [number, owner] of this.#bus.server.leases) if (owner === this.#bus) this.#bus.server.leases.delete(number);
  }

  #take(server: GatewayServer, number: number): void {
    this.#gateway = { server, number };
    this.isServing = true;
    this.#bus.server.leases.set(number, this.#bus);
  }
}
