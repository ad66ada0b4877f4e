/** Which publications are left out last: `high` never before `normal`, `normal` never before `low`. */
export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** How a text or binary payload travels: as it was published. */
export type PayloadKind = 'text' | 'binary';

/**
 * How publications with one key within one merge window become one.
 * `Latest`: only the newest is sent. `Sum`: the newest is sent with the counts of all added up (a thousand likes).
 */
export interface Conflation {
  readonly key: string;
  readonly mode: 'Latest' | 'Sum';
  /** What this publication adds; 1 unless said otherwise. */
  readonly count: number;
}

/** What a backend or a client publishes to a channel, before the bus gives it a place in the channel's order. */
export interface Publication {
  readonly kind: PayloadKind;
  /** The payload's bytes, UTF-8 for `text`. Opaque to every part of the platform. */
  readonly payload: Buffer;
  readonly priority: Priority;
  /** When a publisher accepted it: milliseconds since the Unix epoch, by that machine's clock. */
  readonly acceptedAt: number;
  /** After this many milliseconds it is no longer worth sending; 0 = for ever. */
  readonly ttlMs: number;
  readonly conflation: Conflation | undefined;
  /** Client id of the connection that published it; `undefined` for a backend. */
  readonly sender: number | undefined;
  /** W3C `traceparent` of the request, if it had one. */
  readonly traceparent: string | undefined;
}

/** A publication with its place, and what it stands for after conflation by `Sum` (`undefined` = not summed). */
export interface PlacedPublication {
  readonly offset: number;
  readonly publication: Publication;
  readonly count: number | undefined;
  /** Of a sum of several publications: the offset and the count of each, one after the other, the oldest first. */
  readonly parts?: readonly number[];
}

/**
 * A place in one channel's order. Offsets of different epochs can't be compared.
 *
 * Where the next publication opens an epoch, `epoch` is only the beginning of its name: the publication's epoch begins
 * with it, and goes on behind `offset`.
 */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Whether an epoch is the order of a position. */
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
