import type { LogBatch, Position, Publication } from '../publication.ts';

/**
 * The bus has two lanes with different promises.
 *
 * Channel log
 * - `append` gives every publication of a batch the next offsets of its channel, consecutive and without a hole, or
 *   fails as a whole. When it fails with `BusUnavailable` the batch may still have been appended: the caller does not
 *   know, and may repeat it.
 * - A subscriber is handed every later batch of the channel once, in the order of the offsets, as long as the bus
 *   connection holds. When it breaks, what was appended meanwhile may be missing: `onResubscribed` then gives the
 *   position that the log had after the new subscription was in force. A missing batch shows as a hole between offsets;
 *   it is never hidden and never out of order.
 * - Nobody receives a batch of a channel that it is not subscribed to.
 *
 * Gateway calls
 * - At most once: a request reaches a gateway once or not at all. The caller learns which by the reply or by the
 *   deadline.
 * - No order is promised, neither between calls nor between a call and the channel log.
 */
export interface Bus {
  readonly log: ChannelLog;
  readonly calls: GatewayCalls;
  /** Whether the bus can be used now, in words for `/readyz` and the metric `barrage_bus_up`. */
  state(): BusState;
  onStateChange(listener: (state: BusState) => void): void;
  close(): Promise<void>;
}

export type BusState = { readonly up: true } | { readonly up: false; readonly reason: string };

/**
 * The bus can't be reached, did not answer in time, or has no room or right to do it. Worth repeating: it says nothing
 * about the request.
 */
export class BusUnavailable extends Error {
  override readonly name = 'BusUnavailable';
  readonly code = 'bus_unavailable';
}

export interface AppendResult {
  readonly epoch: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface LogSubscriber {
  /** A batch of the channel. Must not throw, and must not call the bus synchronously. */
  onBatch(batch: LogBatch): void;
  /** The subscription was interrupted and is in force again; `position` is the log's end after that. */
  onResubscribed(position: Position): void;
}

export interface ChannelLog {
  /**
   * Appends 1 to `limits.appendPublicationsMax` publications to one channel, of `limits.appendBytesMax` payload bytes
   * at most.
   * @throws BusUnavailable; RangeError beyond those bounds, which is the caller's mistake
   */
  append(channel: string, publications: readonly Publication[]): Promise<AppendResult>;
  /**
   * Subscribes this process to a channel: at most one subscriber a process and channel. Resolves when the subscription
   * is in force, with the position after which every batch is delivered; batches may be delivered before it resolves,
   * all of them after that position.
   * @throws BusUnavailable, also where `unsubscribe` came before it was in force
   */
  subscribe(channel: string, subscriber: LogSubscriber): Promise<Position>;
  /** No batch is delivered after this returns. Never fails: the bus is told when it can be. */
  unsubscribe(channel: string): void;
}

/** One gateway as the others see it. Numbers are leased: no two live gateways of one bus share one. */
export interface GatewayRecord {
  readonly number: number;
  /** A name for people: host or pod name, and port. */
  readonly name: string;
}

/** Members of one room, as its gateway last reported them. */
export interface RoomCounts {
  /** Members that have room in their queue. */
  readonly ready: number;
  /** Members whose queue is at its bound. */
  readonly full: number;
}

/** Requests that a gateway answers. Data only: it crosses processes as JSON. */
export type GatewayRequest =
  | { readonly method: 'send'; readonly client: number; readonly kind: 'text' | 'binary'; /** base64 */ readonly payload: string }
  | { readonly method: 'call'; readonly client: number; readonly call: ConnectionCall }
  | { readonly method: 'delivered'; readonly channel: string; readonly epoch: string; readonly offset: number };

/** CONNMIX's `conn.call`: what a backend may do to one connection. */
export type ConnectionCall =
  | { readonly kind: 'subscribe'; readonly channels: readonly string[] }
  | { readonly kind: 'unsubscribe'; readonly channels: readonly string[] }
  | { readonly kind: 'set-context'; readonly context: Readonly<Record<string, unknown>> }
  | { readonly kind: 'set-context-value'; readonly key: string; readonly value: unknown };

export type GatewayReply =
  | { readonly kind: 'done' }
  /** That client is not (or no longer) connected here, or what was asked of it was refused. */
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'delivered';
      readonly delivered: number;
      readonly dropped: Readonly<Record<string, number>>;
      readonly pending: number;
    };

export type CallResult = { readonly kind: 'reply'; readonly reply: GatewayReply } | { readonly kind: 'unanswered' };

export interface GatewayServer {
  readonly name: string;
  answer(request: GatewayRequest, deadlineMs: number): Promise<GatewayReply>;
  /**
   * The members of every room here, for the publishers' counts; called by the bus, at least once a second where it is
   * remote.
   */
  rooms(): Iterable<readonly [channel: string, counts: RoomCounts]>;
  /** The members of one room here, now. */
  roomCounts(channel: string): RoomCounts;
}

export interface GatewayCalls {
  /**
   * Makes this process a gateway that others can call. Resolves with its leased number.
   * @throws BusUnavailable
   */
  serve(server: GatewayServer): Promise<number>;
  /** Calls one gateway by number; `unanswered` where there is none, or no answer within the deadline. */
  call(gatewayNumber: number, request: GatewayRequest, deadlineMs: number): Promise<CallResult>;
  /** Calls every known gateway; names those that did not answer within the deadline. */
  callAll(
    request: GatewayRequest,
    deadlineMs: number,
  ): Promise<{ readonly replies: readonly GatewayReply[]; readonly unanswered: readonly string[] }>;
  /**
   * Members of a channel in the whole pool: exact where the gateways are in this process, else from each gateway's last
   * report (1 s old, older where more changes than a gateway may report; a gateway that has been silent for 3 s is not
   * counted).
   */
  memberCounts(channel: string): RoomCounts;
  /**
   * The same, as soon as every gateway has reported; `undefined` where one has not within a second, or the bus is away.
   */
  countMembers(channel: string): Promise<RoomCounts | undefined>;
}
