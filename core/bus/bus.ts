import type { HistoryBounds, HistoryPage, HistoryQuery } from '../history.ts';
import type { AppendKeys } from '../idempotency-key.ts';
import type { LogBatch, Position, Publication } from '../publication.ts';

/**
 * The bus has two lanes with different promises.
 *
 * Channel log
 * - `append` gives the publications of a batch the next offsets of their channel, consecutive and without a hole, or
 *   fails as a whole.
 * - A batch whose `append` failed with `BusUnavailable` was not appended, unless the error's `mayBeDone` says that
 *   nobody knows. The caller may repeat it; in the second case that may append it twice,
 *   unless it has an idempotency key.
 * - A publication with an idempotency key is appended once within the key's window, whoever repeats it. The key is
 *   remembered in the same step that gives the offset. The repetition is answered with the first one's place.
 * - A subscriber receives every later batch of the channel once, in the order of the offsets, while the bus connection
 *   holds.
 * - Batches that were appended during an interruption may be missing. `onResubscribed` then gives the log's position
 *   after the new subscription was in force.
 * - A missing batch shows as a hole between offsets. It is never hidden, and batches never change places.
 * - A process receives no batch of a channel that it is not subscribed to.
 * - With a history, a batch is kept in the same step that gives its offsets. At least the newest `size` publications
 *   are kept, for `ttlSeconds` after the last one. An append without a history leaves a hole in what is kept.
 *
 * Gateway calls
 * - At most once: a request reaches a gateway once or not at all. The caller learns which by the reply or by the
 *   deadline.
 * - No order is promised, neither between calls nor between a call and the channel log.
 */
export interface Bus {
  readonly log: ChannelLog;
  readonly calls: GatewayCalls;
  /** Whether the bus can be used now, in words for `/readyz` and as the metric `barrage_bus_up`. */
  state(): BusState;
  onStateChange(listener: (state: BusState) => void): void;
  close(): Promise<void>;
}

export type BusState = { readonly up: true } | { readonly up: false; readonly reason: string };

/**
 * Why the bus did not carry out a command. `away`: it can't be reached, or is changing masters. `late`: it did not
 * answer in time. `full`: too many publications of this process wait for it. `memory`: it has no memory left.
 * `refused`: it answered with another error, which people must look at.
 */
export type BusTrouble = 'away' | 'late' | 'full' | 'memory' | 'refused';

/** What is known of a command that failed. */
export interface BusTroubleDetails extends ErrorOptions {
  /** Default: `away`. */
  readonly trouble?: BusTrouble;
  /** The command was sent, and nothing tells whether it was carried out. Default: it was not. */
  readonly mayBeDone?: boolean;
  /** First word of the server's error, such as `NOPERM`; absent if it did not answer. */
  readonly answer?: string | undefined;
}

/**
 * The bus can't be reached, is late, or lacks the memory or the right to carry out a command. The request itself may be
 * fine, so repeating it can succeed.
 */
export class BusUnavailable extends Error {
  override readonly name = 'BusUnavailable';
  readonly code = 'bus_unavailable';
  readonly trouble: BusTrouble;
  /** Whether the command may have been carried out: repeating it may do it twice. */
  readonly mayBeDone: boolean;
  readonly answer: string | undefined;

  constructor(message: string, { trouble = 'away', mayBeDone = false, answer, ...options }: BusTroubleDetails = {}) {
    super(message, options);
    this.trouble = trouble;
    this.mayBeDone = mayBeDone;
    this.answer = answer;
  }
}

/**
 * An append was refused for its idempotency keys. Nothing of it was appended.
 *
 * - `reused`: a key was used with another content. `indexes` are the publications with such keys.
 * - `full`: as many keys are remembered as may be. Repeating it succeeds once older keys have ended.
 */
export class KeysRefused extends Error {
  override readonly name = 'KeysRefused';
  readonly reason: 'reused' | 'full';
  readonly indexes: readonly number[];

  constructor(reason: 'reused' | 'full', indexes: readonly number[] = []) {
    super(reason === 'full' ? 'too many idempotency keys are remembered' : 'an idempotency key was used with another content');
    this.reason = reason;
    this.indexes = indexes;
  }
}

/** The offsets are consecutive. They are those of the publications that were not `known`. */
export interface AppendResult {
  readonly epoch: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
  /**
   * Earlier places of publications whose keys were remembered, by index; absent where there was none. Where all were
   * known, nothing was appended, and the fields above are the first one's place.
   */
  readonly known?: ReadonlyMap<number, Position>;
  /** The batch that it went with; absent without a sampled publication in it, and on a bus without batches. */
  readonly batch?: AppendBatch;
}

/** One round trip of a batch to a remote bus. */
export interface AppendBatch {
  readonly publications: number;
  /** Payload bytes. */
  readonly bytes: number;
  /** Monotonic milliseconds. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

export interface LogSubscriber {
  /** Receives a batch of the channel. Must not throw, and must not call the bus synchronously. */
  onBatch(batch: LogBatch): void;
  /**
   * Called after an interruption, once the subscription is in force again. `position` is the log's end at that time.
   */
  onResubscribed(position: Position): void;
}

export interface ChannelLog {
  /**
   * Appends 1 to `limits.appendPublicationsMax` publications to one channel, with at most `limits.appendBytesMax`
   * payload bytes.
   * @param keep what the channel's history keeps, these publications included; absent: they are not kept
   * @param keys idempotency keys of the publications; absent: none has one
   * @throws BusUnavailable; KeysRefused; RangeError beyond those bounds, which is the caller's mistake
   */
  append(channel: string, publications: readonly Publication[], keep?: HistoryBounds, keys?: AppendKeys): Promise<AppendResult>;
  /**
   * Reads kept publications of a channel, and the end of its log at that moment. A page has at most `limit`
   * publications and `limits.historyBytesMax` payload bytes, but at least one where there is one.
   * @throws BusUnavailable
   */
  history(channel: string, query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Subscribes this process to a channel, with at most one subscriber per process and channel. Resolves when the
   * subscription is in force. The subscriber receives every batch after the resolved position, and no earlier one.
   * Batches may arrive before the promise resolves.
   * @throws BusUnavailable, also when `unsubscribe` came before the subscription was in force
   */
  subscribe(channel: string, subscriber: LogSubscriber): Promise<Position>;
  /**
   * A position that no client has, while a client's position proves nothing here: batches of several buses came, and
   * another gateway may have had them in another order. Otherwise undefined; a single bus does not have this.
   */
  doubtfulPosition?(channel: string): Position | undefined;
  /**
   * Ends a subscription: no batch is delivered after this returns. Never fails; the bus hears of it as soon as it can.
   */
  unsubscribe(channel: string): void;
}

/** One gateway as the other processes see it. Numbers are leased: no two live gateways of one bus share one. */
export interface GatewayRecord {
  readonly number: number;
  /** Host or pod name with port, for people to read. */
  readonly name: string;
}

/** Members of one room, from its gateway's last report. */
export interface RoomCounts {
  /** Members whose queue is below its bound. */
  readonly ready: number;
  /** Members whose queue is at its bound. */
  readonly full: number;
}

/** Requests to a gateway. They hold data only: they cross processes as JSON. */
export type GatewayRequest =
  | { readonly method: 'send'; readonly client: number; readonly kind: 'text' | 'binary'; /** base64 */ readonly payload: string }
  | { readonly method: 'call'; readonly client: number; readonly call: ConnectionCall }
  /** Commands for an event stream, as JSON, for whoever knows its secret. */
  | { readonly method: 'stream'; readonly client: number; readonly secret: string; readonly commands: readonly string[] }
  | { readonly method: 'delivered'; readonly channel: string; readonly epoch: string; readonly offset: number };

/** A backend's operation on one connection, as in CONNMIX's `conn.call`. */
export type ConnectionCall =
  | { readonly kind: 'subscribe'; readonly channels: readonly string[] }
  | { readonly kind: 'unsubscribe'; readonly channels: readonly string[] }
  | { readonly kind: 'set-context'; readonly context: Readonly<Record<string, unknown>> }
  | { readonly kind: 'set-context-value'; readonly key: string; readonly value: unknown }
  /** Ours: the client is asked to come back over another transport. */
  | { readonly kind: 'reconnect'; readonly transport: 'websocket' | 'sse' | 'pull' }
  /** Ours: the connection is ended for good, with a reason for the client. */
  | { readonly kind: 'close'; readonly reason: string };

export type GatewayReply =
  | { readonly kind: 'done' }
  /** The client is not connected here any more, or its request was refused. */
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
   * The members of every room on this gateway, for the publishers' counts. A remote bus calls this at least once a
   * second.
   */
  rooms(): Iterable<readonly [channel: string, counts: RoomCounts]>;
  /** The members of one room on this gateway, now. */
  roomCounts(channel: string): RoomCounts;
}

export interface GatewayCalls {
  /**
   * Makes this process a gateway that others can call. Resolves with its leased number.
   * @throws BusUnavailable
   */
  serve(server: GatewayServer): Promise<number>;
  /** Calls one gateway by number. Resolves with `unanswered` when the gateway is unknown or misses the deadline. */
  call(gatewayNumber: number, request: GatewayRequest, deadlineMs: number): Promise<CallResult>;
  /** Calls every known gateway. The result names the gateways that missed the deadline. */
  callAll(
    request: GatewayRequest,
    deadlineMs: number,
  ): Promise<{ readonly replies: readonly GatewayReply[]; readonly unanswered: readonly string[] }>;
  /**
   * Members of a channel in the whole pool. Counts are exact when all gateways are in this process; else they come from
   * each gateway's last report. A report is 1 s old, or older when more rooms changed than one report may hold. A
   * gateway that is silent for 3 s is not counted.
   */
  memberCounts(channel: string): RoomCounts;
  /**
   * Members of a channel in the whole pool, once every gateway has reported. `undefined` when a gateway does not report
   * within a second, or the bus is down.
   */
  countMembers(channel: string): Promise<RoomCounts | undefined>;
}
