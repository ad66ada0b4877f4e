import assert from 'node:assert/strict';
import { LRUCache } from 'lru-cache';
import { boundedCache } from '../bounded-cache.ts';
import { gatewayNumberMax } from '../client-id.ts';
import type { Clock } from '../clock.ts';
import type { AppendKeys } from '../idempotency-key.ts';
import { HistoryRing, type HistoryBounds, type HistoryPage, type HistoryQuery } from '../history.ts';
import { limits } from '../limits.ts';
import type { Position, Publication, Recall } from '../publication.ts';
import { answerOf } from './answer.ts';
import { checkAppend } from './append-bounds.ts';
import {
  BusUnavailable,
  KeysRefused,
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
import { placeOf, resultOf } from './append-result.ts';
import { RememberedKeys } from './remembered-keys.ts';

const platformTimers: Pick<Clock, 'after' | 'monotonic'> = {
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export interface MemoryBusOptions {
  /** Random number in [0, 1), for the names of epochs. */
  readonly random?: () => number;
  /** Clock for the deadlines of calls and the windows of idempotency keys; default: the platform's timers. */
  readonly clock?: Pick<Clock, 'after' | 'monotonic'>;
  /** Bound on channels without a subscriber whose position is kept. The least recently used is forgotten first. */
  readonly idleChannelsMax?: number;
  /** Payload bytes of all histories; default: `limits.memoryHistoriesBytesMax`. */
  readonly historiesBytesMax?: number;
  /** Bound on remembered idempotency keys. */
  readonly keysMax?: number;
}

/**
 * A bus inside one process. A batch is delivered before its `append` resolves, and member counts are exact. The bus is
 * always available until `close`.
 */
export function createMemoryBus(options: MemoryBusOptions = {}): Bus {
  const { random = Math.random, clock = platformTimers, idleChannelsMax = limits.roomsMax, keysMax = limits.memoryKeysMax } = options;
  const { historiesBytesMax = limits.memoryHistoriesBytesMax } = options;
  const log = new MemoryLog({ random, clock, idleChannelsMax, keysMax, historiesBytesMax });
  const calls = new MemoryCalls(clock);
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

interface Parcel {
  readonly channel: string;
  readonly publications: readonly Publication[];
  readonly keep: HistoryBounds | undefined;
}

interface ChannelOrder {
  readonly epoch: string;
  offset: number;
  /** Offset of the newest tombstone. */
  recalledAt: number | undefined;
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
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #remembered: RememberedKeys;
  /** The histories of all channels by their orders, the least recently used first: their bytes are bounded together. */
  readonly #histories: LRUCache<ChannelOrder, HistoryRing>;
  #closed = false;

  constructor({ random, clock, idleChannelsMax, keysMax, historiesBytesMax }: Required<MemoryBusOptions>) {
    this.#random = random;
    this.#idle = boundedCache(idleChannelsMax);
    this.#clock = clock;
    this.#remembered = new RememberedKeys(keysMax);
    this.#histories = new LRUCache({ maxSize: historiesBytesMax, sizeCalculation: ({ bytes }) => bytes + 1 });
  }

  async append(channel: string, publications: readonly Publication[], keep?: HistoryBounds, keys?: AppendKeys): Promise<AppendResult> {
    checkAppend(publications, keys);
    this.#checkOpen();
    return keys === undefined ? this.#add(channel, publications, keep) : this.#addOnce({ channel, publications, keep }, keys);
  }

  /** Adds the publications whose keys are not remembered. */
  #addOnce({ channel, publications, keep }: Parcel, { windowSeconds, keysMax, keys }: AppendKeys): AppendResult {
    const now = this.#clock.monotonic();
    const nameOf = (id: string): string => `${channel} ${id}`;
    const known = new Map<number, Position>();
    const reused: number[] = [];
    for (const [index, key] of keys.entries()) {
      const remembered = key === undefined ? undefined : this.#remembered.find(nameOf(key.id), now);
      if (remembered === undefined) continue;
      known.set(index, remembered.place);
      if (remembered.content !== key?.content) reused.push(index);
    }
    if (reused.length > 0) throw new KeysRefused('reused', reused);
    const newKeys = keys.flatMap((key, index) => (key === undefined || known.has(index) ? [] : [{ key, index }]));
    if (newKeys.length > 0 && newKeys.length > this.#remembered.room(now, keysMax)) throw new KeysRefused('full');
    const fresh = publications.filter((_, index) => !known.has(index));
    const added = fresh.length === 0 ? undefined : this.#add(channel, fresh, keep);
    const result = resultOf(added, known);
    for (const { key, index } of newKeys)
      this.#remembered.add(
        nameOf(key.id),
        { content: key.content, place: placeOf(result, index) },
        { now, windowMs: windowSeconds * 1000 },
      );
    return result;
  }

  #add(channel: string, publications: readonly Publication[], keep: HistoryBounds | undefined): AppendResult {
    const order = this.#subscribed.get(channel) ?? this.#idleOrder(channel);
    const firstOffset = order.offset + 1;
    order.offset += publications.length;
    const [{ recall }] = publications as readonly [Publication];
    if (recall !== undefined) this.#recall(order, firstOffset, recall);
    if (keep !== undefined) this.#keep(order, (ring) => ring.add(firstOffset, publications, keep.size));
    order.subscriber?.onBatch({ channel, epoch: order.epoch, firstOffset, publications });
    return { epoch: order.epoch, firstOffset, lastOffset: firstOffset + publications.length - 1 };
  }

  /** What is kept loses its content, also where the policy keeps nothing any more. */
  #recall(order: ChannelOrder, offset: number, recall: Recall): void {
    order.recalledAt = offset;
    if (this.#histories.has(order)) this.#keep(order, (ring) => ring.recall(offset, recall));
  }

  #keep(order: ChannelOrder, add: (ring: HistoryRing) => void): void {
    const ring = this.#histories.get(order) ?? new HistoryRing(limits.memoryHistoryBytesMax);
    // An entry's size is taken when the entry is made.
    this.#histories.delete(order);
    add(ring);
    this.#histories.set(order, ring);
  }

  async history(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    this.#checkOpen();
    const order = this.#subscribed.get(channel) ?? this.#idle.get(channel);
    // Reading leaves no order, for which another would have to be forgotten. Every epoch begins with no letters.
    if (order === undefined) return { position: { epoch: '', offset: 0 }, publications: [] };
    const publications = this.#histories.get(order)?.read(query, limits.historyBytesMax) ?? [];
    const { recalledAt } = order;
    return { position: { epoch: order.epoch, offset: order.offset }, ...(recalledAt === undefined ? {} : { recalledAt }), publications };
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
    this.#histories.clear();
  }

  /** The order of an idle channel, which stays in the cache as the most recently used. */
  #idleOrder(channel: string): ChannelOrder {
    let order = this.#idle.get(channel);
    if (order === undefined) this.#idle.set(channel, (order = this.#newOrder()));
    return order;
  }

  #newOrder(): ChannelOrder {
    return { epoch: newEpoch(this.#random), offset: 0, recalledAt: undefined, subscriber: undefined };
  }

  #takeIdle(channel: string): ChannelOrder {
    const order = this.#idle.get(channel);
    if (order === undefined) return this.#newOrder();
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
