/** A payload: text, bytes (a binary publication), or an object or list, which is sent as its JSON text. */
export type PublishData = string | Uint8Array | object;

/** A signal that ends a call. Every `AbortSignal` is one; the types need no library of browsers' or Node's for it. */
export interface CallSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface BarrageBackendOptions {
  /** Address of the publish API, such as `http://barrage-publisher:6789`; a path of a proxy may stand behind it. */
  readonly url: string | { readonly href: string };
  /** One of the publisher's `BARRAGE_API_KEYS`. A publisher on loopback needs none. */
  readonly apiKey?: string | undefined;
  /** Longest time of a call with all its repetitions, in milliseconds: 1 to 600,000; default 30,000. */
  readonly timeoutMs?: number;
  /** Longest time of one request, in milliseconds: 1 to 600,000; default 15,000. A `wait` comes on top of it. */
  readonly requestTimeoutMs?: number;
  /** Most requests under way at one time: 1 to 1,000; default 64. Further calls wait for their turn. */
  readonly requestsMax?: number;
}

/** What any call takes. */
export interface CallOptions {
  /** Ends the call: it is rejected with the signal's reason. What was sent already may be carried out all the same. */
  readonly signal?: CallSignal | undefined;
  /** In place of the client's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** W3C `traceparent` of the trace that the call belongs to. */
  readonly traceparent?: string;
}

/** What a call takes that may be repeated. */
export interface RepeatableOptions extends CallOptions {
  /**
   * The call's own text: repeated with the same one, it is done once. 1 to 128 visible ASCII characters without spaces;
   * default: a new UUID. `null` sends none: then a call whose answer was lost is not repeated.
   */
  readonly idempotencyKey?: string | null;
}

/** How a publication is published. Limits and defaults are those of the publish API. */
export interface PublicationOptions {
  /** Under load `low` is left out first, `high` last. */
  readonly priority?: 'high' | 'normal' | 'low';
  /** Milliseconds after which it is not sent any more; 0: no end. */
  readonly ttlMs?: number;
  /** Of the publications with one key and priority in one merge window, clients get one. */
  readonly conflateKey?: string;
  /** `Latest`: the newest one. `Sum`: the newest one, with the counts of all added up. */
  readonly conflate?: 'Latest' | 'Sum';
  /** The count that a `Sum` publication adds. */
  readonly count?: number;
  /** The user who wrote it, for a recall by user. Clients are not told. */
  readonly user?: string;
}

export interface PublishOptions extends PublicationOptions, RepeatableOptions {
  /** `delivered`: the call ends when the gateways have sent it. */
  readonly wait?: 'delivered';
  /** Longest wait for them, in milliseconds. */
  readonly waitMs?: number;
}

/** One publication of a batch, for a channel or for several. */
export type BatchPublication = PublicationOptions & {
  readonly data: PublishData;
  /** Its own key, in place of the request's. */
  readonly idempotencyKey?: string;
} & ({ readonly channel: string } | { readonly channels: readonly string[] });

/** A place in a channel's order. Offsets of one epoch rise by one for each publication. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** An accepted publication. */
export interface Published extends Position {
  /** It was published before, with the same idempotency key: by an earlier call, or by a request of this one. */
  readonly replayed: boolean;
  /** Clients in the channel whose queue has room, by the gateways' last reports. */
  readonly ready: number;
  /** Clients in the channel whose queue is at its bound. */
  readonly full: number;
}

/** An accepted publication, and what became of it. */
export interface Delivered extends Position {
  readonly replayed: boolean;
  /** Clients that it was sent to. */
  readonly sent: number;
  /** Clients that it was not sent to. */
  readonly notSent: number;
  /** The same by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Clients that still have it in their queue. */
  readonly pending: number;
  /** Names of the gateways that did not answer in time: their clients are in no sum. */
  readonly unanswered: readonly string[];
}

/** What became of one publication in one channel. */
export type ChannelOutcome<Failure> = {
  /** Place of the publication in the call. */
  readonly index: number;
  readonly channel: string;
} & ({ readonly published: Published; readonly error?: undefined } | { readonly published?: undefined; readonly error: Failure });

export interface HistoryOptions extends CallOptions {
  /** Most publications: 1 to 1,000; default 100. */
  readonly limit?: number;
  /** An offset: publications after it, the oldest first. Absent: the newest ones. */
  readonly since?: number;
  /** The epoch that `since` is of. */
  readonly epoch?: string;
  /** The newest first; with `since`, those before it. */
  readonly reverse?: boolean;
}

/** A publication that a channel keeps, or a recall in its place. Fields with the default are absent. */
export interface KeptPublication extends PublicationOptions {
  readonly offset: number;
  /** Unix milliseconds. */
  readonly acceptedAt: number;
  /** Absent in a recall. */
  readonly data?: string | Uint8Array;
  /** The client that published it. */
  readonly client?: string;
  /** What this recall takes back: publications at these offsets, or all up to one. */
  readonly recall?: { readonly offsets: readonly number[] } | { readonly upto: number };
}

export interface History {
  /** The end of the channel's order. */
  readonly epoch: string;
  readonly offset: number;
  readonly publications: readonly KeptPublication[];
  /** Only with `since`. `whole`: everything is here. `more`: go on at `next`. `lost`: some are not kept any more. */
  readonly reach?: 'whole' | 'more' | 'lost';
  /** The `since` to go on at. */
  readonly next?: number;
}

/** What is taken back: publications at offsets of an epoch, or all that the history keeps of a user. */
export type RecallWhat = { readonly epoch: string; readonly offsets: readonly number[] } | { readonly user: string };

export interface Recalled extends Position {
  /** Publications that the recall names. */
  readonly recalled: number;
  readonly replayed: boolean;
}

export interface Cleared extends Position {
  readonly replayed: boolean;
}

/** A client's id, as its `hello` told it. */
export type ClientId = string | number;

/** The transports of clients. */
export type TransportName = 'websocket' | 'sse' | 'pull';
