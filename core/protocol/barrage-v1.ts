/**
 * The messages of the WebSocket subprotocol `barrage.v1`, shared by gateways and clients. Browsers import this file, so
 * it is free of Node. `docs/protocol.md` describes the messages in words and freezes them as byte vectors.
 */
export const subprotocol = 'barrage.v1';

/**
 * Beginning of a second subprotocol that the SDK offers after `barrage.v1`, followed by the SDK's version. No gateway
 * chooses it: it only tells the version.
 */
export const sdkProtocolPrefix = 'barrage-sdk.';

/**
 * The commands of a client. A command has an `id` of the client's choice (0 … 2^53−1). It gets exactly one reply, which
 * repeats the `id`.
 */
export type Command =
  | { readonly id: number; readonly op: 'auth'; readonly token: string }
  | {
      readonly id: number;
      readonly op: 'subscribe';
      readonly channel: string;
      readonly density?: number | undefined;
      readonly since?: WirePosition | undefined;
      /** Newest publications that a late joiner wants, where the channel has a history. Not together with `since`. */
      readonly rewind?: number | undefined;
    }
  | { readonly id: number; readonly op: 'unsubscribe'; readonly channel: string }
  /** Publications a second from now on; absent = all that the policy allows. */
  | { readonly id: number; readonly op: 'density'; readonly channel: string; readonly density?: number | undefined }
  | {
      readonly id: number;
      readonly op: 'publish';
      readonly channel: string;
      /** The payload; base64 when `kind` is `binary`. */
      readonly data: string;
      readonly kind?: 'text' | 'binary' | undefined;
      readonly ttlMs?: number | undefined;
      readonly conflateKey?: string | undefined;
      readonly conflate?: 'Latest' | 'Sum' | undefined;
      readonly count?: number | undefined;
      /** Publications of one author with the same key are published once. */
      readonly idempotencyKey?: string | undefined;
      /** W3C `traceparent` of a trace that the publication belongs to. */
      readonly traceparent?: string | undefined;
    }
  | { readonly id: number; readonly op: 'counts'; readonly channel: string }
  | { readonly id: number; readonly op: 'ping' };

export interface WirePosition {
  readonly epoch: string;
  readonly offset: number;
}

/** Bounds of full-jitter back-off: a random wait in [0, min(capMs, baseMs × 2^attempt)). Attempts count from 0. */
export interface WireBackoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** The gateway's first message, sent once: rules for this client's behaviour. */
export interface Hello {
  readonly type: 'hello';
  readonly client: string;
  /** The gateway's time, in Unix milliseconds. Absent from gateways of an older version, as in the result of `ping`. */
  readonly now?: number;
  /** Silence after which the client sends a `ping`, in milliseconds. */
  readonly pingIntervalMs: number;
  /**
   * Further wait, in milliseconds. A client without a message for `pingIntervalMs` plus this wait gives the connection
   * up.
   */
  readonly pongTimeoutMs: number;
  /** Back-off before reconnecting when this connection ends. */
  readonly backoff: WireBackoff;
  readonly limits: { readonly frameBytesMax: number; readonly subscriptionsMax: number; readonly commandsPerSecondMax: number };
  /** Of an event stream only: the secret with which its client sends commands. */
  readonly stream?: string;
}

/** The last message of an event stream, in place of a WebSocket's close frame. */
export interface StreamClose {
  readonly type: 'close';
  readonly code: number;
  readonly reason: string;
}

export interface SubscribeResult extends WirePosition {
  /**
   * Present only when `since` was given: whether nothing is missed between `since` and this position. What was missed
   * comes as batches after it.
   */
  readonly recovered?: boolean;
  /** Bound on publications a second for this subscription; absent without a bound. */
  readonly density?: number;
}

/** Codes of errors. `retry` in an error says whether the same command may succeed later. */
export type ErrorCode =
  | 'bad_request'
  | 'unknown_op'
  | 'not_authenticated'
  | 'forbidden'
  | 'not_subscribed'
  | 'already_subscribed'
  | 'limit_exceeded'
  | 'too_many_requests'
  | 'payload_too_large'
  | 'unavailable';

export interface CommandError {
  readonly code: ErrorCode;
  /** The fault and its remedy, in words. */
  readonly message: string;
  readonly retry: boolean;
}

export type Reply = { readonly type: 'reply'; readonly id: number } & (
  | { readonly result: Readonly<Record<string, unknown>> }
  | { readonly error: CommandError }
);

/** One publication of a batch. */
export interface BatchItem {
  readonly offset: number;
  /** Absent in a binary batch, whose payloads follow the header, and beside `recall`. */
  readonly data?: string;
  /**
   * A tombstone: publications below this offset were recalled, those at `offsets` or all up to `upto`. A client takes
   * them off its screen. They come no more. Never left out.
   */
  readonly recall?: { readonly offsets: readonly number[] } | { readonly upto: number };
  /** Publications that a `Sum` publication stands for; absent = 1 publication that was not summed. */
  readonly count?: number;
  /**
   * The counts that make up `count`, the newest first. Between two counts stands the distance in offsets to the next
   * older one. Present while this client may already have some of them.
   */
  readonly parts?: readonly number[];
  /** Kind and length in bytes of this item's payload, in a binary batch only. */
  readonly kind?: 'text' | 'binary';
  readonly size?: number;
}

/**
 * One frame of publications. It accounts for the offsets `(after, upto]` of its epoch. `items` holds some of them;
 * `leftOut` counts those left out on purpose (sampled, conflated, expired). Only an `after` that differs from the
 * client's position is a gap.
 */
export interface Batch {
  readonly type: 'batch';
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly leftOut: number;
  /**
   * Time at which the first item was accepted, in Unix milliseconds by its publisher's clock. A summed or conflated
   * item has the time of its newest publication. Absent without items, and from gateways of an older version.
   */
  readonly at?: number;
  /** For each further item, milliseconds from the item before it, maybe below 0; absent = all were accepted at `at`. */
  readonly dt?: readonly number[];
  readonly items: readonly BatchItem[];
}

/** Offsets `(after, upto]` that this client misses and should have received. */
export interface Gap {
  readonly type: 'gap';
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly reason: 'slow' | 'bus';
}

/**
 * The channel goes on in `epoch`, and nothing is missing: the offsets up to `before.offset` of the epoch before mean
 * the same publications. A client at such an offset is at the same offset of `epoch` from now on.
 */
export interface EpochChange {
  readonly type: 'epoch';
  readonly channel: string;
  readonly epoch: string;
  readonly before: WirePosition;
}

/** A move: another gateway will serve this client better. The client moves after a random part of `afterMs`. */
export interface Reconnect {
  readonly type: 'reconnect';
  /** The new address; absent = the client keeps its address. */
  readonly url?: string;
  readonly afterMs: number;
  /** `websocket`, `sse` or `pull`: what to come back with; absent = as now. A client that can't stays as it is. */
  readonly transport?: string;
}

/** New back-off bounds in place of those in the hello: the number of connections at the gateway changed. */
export interface BackoffChange extends WireBackoff {
  readonly type: 'backoff';
}

/**
 * The gateway ended a subscription, or began one (for a backend's call, or for the query of an event stream), without a
 * command of the client. Where the query of a stream is refused, only `unsubscribed` comes.
 */
export interface Unsubscribed {
  readonly type: 'unsubscribed';
  readonly channel: string;
  readonly message: string;
}
export interface Subscribed extends SubscribeResult {
  readonly type: 'subscribed';
  readonly channel: string;
}

/** A payload for this connection alone (`mesh.send`). Binary payloads are base64. */
export interface Direct {
  readonly type: 'direct';
  readonly kind: 'text' | 'binary';
  readonly data: string;
}

export type ServerMessage = Hello | Reply | Batch | Gap | EpochChange | Reconnect | BackoffChange | Unsubscribed | Subscribed | Direct;

/**
 * A binary frame holds one batch with at least one binary publication. First comes the header's length (unsigned 32
 * bits, big endian). Then comes the header: a batch as JSON in UTF-8, whose items have `kind` and `size`. The payloads
 * of the items follow in order, with nothing between.
 */
export const binaryHeaderLengthBytes = 4;
