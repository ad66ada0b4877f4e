/**
 * The messages of the WebSocket subprotocol `barrage.v1`: shared by gateways and clients, free of Node, so that a
 * browser can import it. `docs/protocol.md` describes it in words and freezes it as byte vectors.
 */
export const subprotocol = 'barrage.v1';

/**
 * What a client sends. Every command has an `id` of its choice (0 … 2^53−1) and gets exactly one reply that repeats it.
 */
export type Command =
  | { readonly id: number; readonly op: 'auth'; readonly token: string }
  | {
      readonly id: number;
      readonly op: 'subscribe';
      readonly channel: string;
      readonly density?: number | undefined;
      readonly since?: WirePosition | undefined;
    }
  | { readonly id: number; readonly op: 'unsubscribe'; readonly channel: string }
  /** Publications a second from now on; absent = all that the policy gives. */
  | { readonly id: number; readonly op: 'density'; readonly channel: string; readonly density?: number | undefined }
  | {
      readonly id: number;
      readonly op: 'publish';
      readonly channel: string;
      /** The payload; base64 where `kind` is `binary`. */
      readonly data: string;
      readonly kind?: 'text' | 'binary' | undefined;
      readonly ttlMs?: number | undefined;
      readonly conflateKey?: string | undefined;
      readonly conflate?: 'Latest' | 'Sum' | undefined;
      readonly count?: number | undefined;
    }
  | { readonly id: number; readonly op: 'counts'; readonly channel: string }
  | { readonly id: number; readonly op: 'ping' };

export interface WirePosition {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * Bounds of full-jitter back-off: wait a random time in [0, min(capMs, baseMs × 2^attempt)), where attempts count from
 * 0.
 */
export interface WireBackoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Sent once, first, by the gateway: how this client is to behave. */
export interface Hello {
  readonly type: 'hello';
  readonly client: string;
  /** The client sends a `ping` when it has been silent for this long. */
  readonly pingIntervalMs: number;
  /** The client gives the connection up when nothing arrived for `pingIntervalMs` plus this. */
  readonly pongTimeoutMs: number;
  /** How to come back when this connection ends. */
  readonly backoff: WireBackoff;
  readonly limits: { readonly frameBytesMax: number; readonly subscriptionsMax: number; readonly commandsPerSecondMax: number };
}

export interface SubscribeResult extends WirePosition {
  /** Only where `since` was given: whether nothing was missed between it and this position. */
  readonly recovered?: boolean;
  /** Publications a second this subscription is given at most; absent where there is no bound. */
  readonly density?: number;
}

/** Codes of errors; `retry` says whether the same command may succeed later. */
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
  /** What is wrong and what to do, in words. */
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
  /** Absent in a binary batch, where the payload follows the header. */
  readonly data?: string;
  /** What a `Sum` publication stands for; absent = 1 publication that was not summed. */
  readonly count?: number;
  /**
   * What `count` is made of, while this client may still have a part of it already: the counts of the publications that
   * it stands for, the newest first, and between two counts how many offsets further back the next one lies.
   */
  readonly parts?: readonly number[];
  /** In a binary batch only: kind and length in bytes of this item's payload. */
  readonly kind?: 'text' | 'binary';
  readonly size?: number;
}

/**
 * One frame of publications. It accounts for the offsets `(after, upto]` of its epoch: those in `items`, and `leftOut`
 * that were left out on purpose (sampled, conflated, expired). Only `after` different from the client's position is a
 * gap.
 */
export interface Batch {
  readonly type: 'batch';
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly leftOut: number;
  readonly items: readonly BatchItem[];
}

/** Offsets `(after, upto]` that this client does not get, though it should have. */
export interface Gap {
  readonly type: 'gap';
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly reason: 'slow' | 'bus';
}

/** A move: another gateway will serve this client better. The client goes there after a random part of `afterMs`. */
export interface Reconnect {
  readonly type: 'reconnect';
  /** Absent: the address that the client already has. */
  readonly url?: string;
  readonly afterMs: number;
}

/** The bounds of the hello have changed, as the gateway's crowd did: these take their place. */
export interface BackoffChange extends WireBackoff {
  readonly type: 'backoff';
}

/** The gateway ended (or began, by a backend's call) a subscription that the client did not ask to change. */
export interface Unsubscribed {
  readonly type: 'unsubscribed';
  readonly channel: string;
  readonly message: string;
}
export interface Subscribed extends SubscribeResult {
  readonly type: 'subscribed';
  readonly channel: string;
}

/** A payload sent to this connection alone (`mesh.send`); binary ones are base64. */
export interface Direct {
  readonly type: 'direct';
  readonly kind: 'text' | 'binary';
  readonly data: string;
}

export type ServerMessage = Hello | Reply | Batch | Gap | Reconnect | BackoffChange | Unsubscribed | Subscribed | Direct;

/**
 * A binary frame holds one batch that has a binary publication in it: length of the header (unsigned 32 bits, big
 * endian), the header (a batch as JSON, UTF-8, its items with `kind` and `size`), then the payloads of the items, in
 * order, with nothing between.
 */
export const binaryHeaderLengthBytes = 4;
