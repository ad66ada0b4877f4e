/**
 * Priorities of publications. No `high` one is left out before a `normal` one, and no `normal` one before a `low` one.
 */
export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** The kind of a payload: it travels as it was published. */
export type PayloadKind = 'text' | 'binary';

/**
 * Merging of publications with the same key within one merge window. `Latest`: only the newest is sent. `Sum`: the
 * newest is sent with the sum of all counts (a thousand likes).
 */
export interface Conflation {
  readonly key: string;
  readonly mode: 'Latest' | 'Sum';
  /** The count that this publication adds; default 1. */
  readonly count: number;
}

/**
 * What a tombstone recalls: publications by their offsets, which lie below its own, or `all` that lie below its own.
 */
export type Recall = { readonly kind: 'offsets'; readonly offsets: readonly number[] } | { readonly kind: 'all' };

/** A publication of a backend or a client, before the bus gives it a place in the channel's order. */
export interface Publication {
  readonly kind: PayloadKind;
  /** The payload's bytes, UTF-8 for `text`. Opaque to every part of the platform. */
  readonly payload: Buffer;
  readonly priority: Priority;
  /** Time at which a publisher accepted it: Unix milliseconds by that machine's clock. */
  readonly acceptedAt: number;
  /** Time to live in milliseconds: an older publication is not sent. 0 = unlimited. */
  readonly ttlMs: number;
  readonly conflation: Conflation | undefined;
  /** Client id of the connection that published it; `undefined` for a backend. */
  readonly sender: number | undefined;
  /** W3C `traceparent` under which gateways go on with its trace; `undefined` unless the trace is sampled. */
  readonly traceparent: string | undefined;
  /** The user who wrote it, so that it can be recalled by user. Kept in histories alone, and shown to no client. */
  readonly user?: string;
  /** Present: it is a tombstone, and its payload is the bus's form of this (`core/recall.ts`). */
  readonly recall?: Recall;
  /** Present: it was recalled. Its place is left, and nothing of what it said. */
  readonly isRecalled?: true;
}

/** A publication with its place and its count after conflation by `Sum` (`undefined` = not summed). */
export interface PlacedPublication {
  readonly offset: number;
  readonly publication: Publication;
  readonly count: number | undefined;
  /** The offset and the count of each summed publication, one after the other, the oldest first. */
  readonly parts?: readonly number[];
}

/**
 * A place in one channel's order. Offsets of different epochs can't be compared.
 *
 * Before a new epoch's first publication, `epoch` is only the beginning of its name. The first publication's epoch
 * begins with it, and its offset follows `offset`.
 */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Whether an epoch names the order of a position. */
export function isOrderOf(position: Position, epoch: string): boolean {
  return epoch.startsWith(position.epoch);
}

/** Publications with consecutive offsets, as the channel log delivers them. */
export interface LogBatch {
  readonly channel: string;
  readonly epoch: string;
  /** Offset of `publications[0]`; the others follow without a hole. */
  readonly firstOffset: number;
  readonly publications: readonly Publication[];
}
