/** A tombstone of a channel: the publications at `offsets`, or all up to `upto`, were recalled. */
export interface Tombstone {
  /** Its own place. It recalls only what lies below it. */
  readonly offset: number;
  readonly offsets?: readonly number[];
  readonly upto?: number;
}

/** Whether one of some tombstones recalls an offset. */
export function recalledBy(tombstones: readonly Tombstone[]): (offset: number) => boolean {
  const upto = Math.max(0, ...tombstones.map((tombstone) => tombstone.upto ?? 0));
  const offsets = new Set(tombstones.flatMap((tombstone) => tombstone.offsets ?? []));
  return (offset) => offset <= upto || offsets.has(offset);
}

/**
 * Publications were recalled: take them off the screen. Those at `offsets`, or all up to `upto`. They come no more, and
 * what waited for its `delay` or for a loop is not delivered. Counts of sums that were told already are not taken back.
 */
export type Recall = { readonly channel: string; readonly epoch: string; /** Place of the recall itself. */ readonly offset: number } & (
  | { readonly offsets: readonly number[]; readonly upto?: undefined }
  | { readonly upto: number; readonly offsets?: undefined }
);
