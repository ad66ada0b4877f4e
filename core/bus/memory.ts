import assert from 'node:assert/strict';
import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../bounded-cache.ts';
import { gatewayNumberMax } from '../client-id.ts';
import type { Clock } from '../clock.ts';
import { HistoryRing, type HistoryBounds, type HistoryPage, type HistoryQuery } from '../history.ts';
import { limits } from '../limits.ts';
import type { Position, Publication } from '../publication.ts';
import { answerOf } from './answer.ts';
import { checkAppend } from './append-bounds.ts';
import {
  BusUnavailable,
  type AppendResult,
  type Bus,
  type BusState,
  type CallResult,
  type ChannelLog,
  type GatewayCalls,
  type GatewayReply,
  type GatewayRequest,
  type GatewayServer,
  type LogSubscriber,
  type RoomCounts,
} from './bus.ts';
import { withDeadline } from './deadline.ts';
import { newEpoch } from './epoch.ts';

const platformTimers: Pick<Clock, 'after'> = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export interface MemoryBusOptions {
  /** Random number in [0, 1), for the names of epochs. */
  readonly random?: () => number;
  /** Clock for the deadlines of calls; default: the platform's timers. */
  readonly clock?: Pick<Clock, 'after'>;
  /** Bound on channels without a subscriber whose position is kept. The least recently used is forgotten first. */
  readonly idleChannelsMax?: number;
}

/**
 * A bus inside one process. A batch is delivered before its `append` resolves, and member counts are exact. The bus is
 * always available until `close`.
 */
export function createMemoryBus(options: MemoryBusOptions = {}): Bus {
  const log = new MemoryLog(options.random ?? Math.random, options.idleChannelsMax ?? limits.roomsMax);
  const calls = new MemoryCalls(options.clock ?? platformTimers);
  let state: BusState = { up: true };
  const listeners: ((state: BusState) => void)[] = [];
  return {
    log,
    calls,
    state: () => state,
    onStateChange: (listener) => void listeners.push(listener),
    close: async () => {
      if (!state.up) return;
      log.close();
      calls.close();
      state = { up: false, reason: 'the bus is closed' };
      for (const listener of listeners) listener(state);
    },
  };
}

interface ChannelOrder {
  readonly epoch: string;
  offset: number;
  history: HistoryRing | undefined;
  subscriber: LogSubscriber | undefined;
}

class MemoryLog implements ChannelLog {
  readonly #random: () => number;
  readonly #subscribed = new Map<string, ChannelOrder>();
  /**
   * Channels without a subscriber, the least recently used first. A forgotten channel begins again with a new epoch, so
   * its new offsets can't be mistaken for the old ones.
   */
  readonly #idle: LRUCache<string, ChannelOrder>;
  #closed = false;

  constructor(random: () => number, idleChannelsMax: number) {
    this.#random = random;
    this.#idle = boundedCache(idleChannelsMax);
  }

  async append(channel: string, publications: readonly Publication[], keep?: HistoryBounds): Promise<AppendResult> {
    checkAppend(publications);
    this.#checkOpen();
    const order = this.#subscribed.get(channel) ?? this.#idleOrder(channel);
    const firstOffset = order.offset + 1;
    order.offset += publications.length;
    if (keep !== undefined) (order.history ??= new HistoryRing(limits.memoryHistoryBytesMax)).add(firstOffset, publications, keep.size);
    order.subscriber?.onBatch({ channel, epoch: order.epoch, firstOffset, publications });
    return { epoch: order.epoch, firstOffset, lastOffset: firstOffset + publications.length - 1 };
  }

  async history(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    this.#checkOpen();
    const order = this.#subscribed.get(channel) ?? this.#idleOrder(channel);
    const publications = order.history?.read(query, limits.historyBytesMax) ?? [];
    return { position: { epoch: order.epoch, offset: order.offset }, publications };
  }

  async subscribe(channel: string, subscriber: LogSubscriber): Promise<Position> {
    this.#checkOpen();
    assert(!this.#subscribed.has(channel), 'a process subscribes to a channel once');
    const order = this.#takeIdle(channel);
    order.subscriber = subscriber;
    this.#subscribed.set(channel, order);
    return { epoch: order.epoch, offset: order.offset };
  }

  unsubscribe(channel: string): void {
    const order = this.#subscribed.get(channel);
    if (order === undefined) return;
    order.subscriber = undefined;
    this.#subscribed.delete(channel);
    this.#idle.set(channel, order);
  }

  close(): void {
    this.#closed = true;
    this.#subscribed.clear();
    this.#idle.clear();
  }

  /** The order of an idle channel, which stays in the cache as the most recently used. */
  #idleOrder(channel: string): ChannelOrder {
    let order = this.#idle.get(channel);
    if (order === undefined)
      this.#idle.set(channel, (order = { epoch: newEpoch(this.#random), offset: 0, history: undefined, subscriber: undefined }));
    return order;
  }

  #takeIdle(channel: string): ChannelOrder {
    const order = this.#idle.get(channel);
    if (order === undefined) return { epoch: newEpoch(this.#random), offset: 0, history: undefined, subscriber: undefined };
    this.#idle.delete(channel);
    return order;
  }

  #checkOpen(): void {
    if (this.#closed) throw new BusUnavailable('the bus is closed');
  }
}

class MemoryCalls implements GatewayCalls {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #servers = new Map<number, GatewayServer>();
  #closed = false;

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  async serve(server: GatewayServer): Promise<number> {
    if (this.#closed) throw new BusUnavailable('the bus is closed');
    const number = this.#servers.size + 1;
    assert(number <= gatewayNumberMax);
    this.#servers.set(number, server);
    return number;
  }

  async call(gatewayNumber: number, request: GatewayRequest, deadlineMs: number): Promise<CallResult> {
    const server = this.#servers.get(gatewayNumber);
    return server === undefined ? { kind: 'unanswered' } : ask(server, { request, deadlineMs }, this.#clock);
  }

  async callAll(
    request: GatewayRequest,
    deadlineMs: number,
  ): Promise<{ readonly replies: readonly GatewayReply[]; readonly unanswered: readonly string[] }> {
    const replies: GatewayReply[] = [];
    const unanswered: string[] = [];
    await Promise.all(
      Array.from(this.#servers.values(), async (server) => {
        const result = await ask(server, { request, deadlineMs }, this.#clock);
        if (result.kind === 'reply') replies.push(result.reply);
        else unanswered.push(server.name);
      }),
    );
    return { replies, unanswered };
  }

  memberCounts(channel: string): RoomCounts {
    let ready = 0;
    let full = 0;
    for (const server of this.#servers.values()) {
      const counts = server.roomCounts(channel);
      ready += counts.ready;
      full += counts.full;
    }
    return { ready, full };
  }

  async countMembers(channel: string): Promise<RoomCounts | undefined> {
    return this.#closed ? undefined : this.memberCounts(channel);
  }

  close(): void {
    this.#closed = true;
    this.#servers.clear();
  }
}

async function ask(
  server: GatewayServer,
  { request, deadlineMs }: { readonly request: GatewayRequest; readonly deadlineMs: number },
  clock: Pick<Clock, 'after'>,
): Promise<CallResult> {
  const outcome = await withDeadline(answerOf(server, request, deadlineMs), deadlineMs, clock);
  return outcome.kind === 'value' ? { kind: 'reply', reply: outcome.value } : { kind: 'unanswered' };
}
