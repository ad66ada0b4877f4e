import { isOrderOf, type Position, type Publication, type Recall } from './publication.ts';
import { eachRecalled, withoutContent } from './recall.ts';

/** What a channel keeps of its publications: its policy's `history`. */
export interface HistoryBounds {
  /** Publications that are kept at least, the newest ones. */
  readonly size: number;
  /** Time for which a publication is kept, in seconds. */
  readonly ttlSeconds: number;
}

/** A kept publication with its place. */
export interface KeptPublication {
  readonly offset: number;
  readonly publication: Publication;
}

/**
 * A question for kept publications.
 *
 * - `after`: those after this offset, the oldest first.
 * - `newest`: the newest ones, or the newest before an offset, in the order of their offsets.
 */
export type HistoryQuery =
  | { readonly kind: 'after'; readonly offset: number; readonly limit: number }
  | { readonly kind: 'newest'; readonly before?: number | undefined; readonly limit: number };

/** The place of an earlier epoch's end: its offsets up to this one mean the same publications as today's. */
export interface EarlierEpoch {
  readonly epoch: string;
  readonly offset: number;
}

/** What a bus has kept of a channel, at one moment. */
export interface HistoryPage {
  /** End of the channel's log at that moment. */
  readonly position: Position;
  /** The epoch before a failover; absent where there was none. */
  readonly earlier?: EarlierEpoch;
  /** Offset of the newest tombstone of the order; absent where there was none. */
  readonly recalledAt?: number;
  /** In the order of their offsets, which have no hole. What was recalled is there without its content. */
  readonly publications: readonly KeptPublication[];
}

/**
 * Whether a page has every publication after a position, up to its own.
 *
 * - `whole`: it has.
 * - `more`: it has the first of them, and its limit held back the others.
 * - `lost`: some are not kept any more, or the position is of another order.
 */
export function reachOf(page: HistoryPage, from: Position): 'whole' | 'more' | 'lost' {
  const { position, publications } = page;
  if (!isInOrder(page, from)) return 'lost';
  if (from.offset === position.offset) return 'whole';
  const [first] = publications;
  if (first === undefined || first.offset !== from.offset + 1) return 'lost';
  return publications.at(-1)?.offset === position.offset ? 'whole' : 'more';
}

/**
 * Whether a position means the same publications as in a page's order: it is of the page's epoch, or of the epoch
 * before and not after what a failover lost.
 */
export function isInOrder({ position, earlier }: HistoryPage, from: Position): boolean {
  const isSame = isOrderOf(from, position.epoch) || isOrderOf(position, from.epoch);
  const isEarlier = earlier !== undefined && isOrderOf(from, earlier.epoch) && from.offset <= earlier.offset;
  return (isSame || isEarlier) && from.offset <= position.offset;
}

/** Leaves out publications that are older than the policy keeps them. @param now Unix time in milliseconds */
export function withoutExpired(
  publications: readonly KeptPublication[],
  { ttlSeconds }: HistoryBounds,
  now: number,
): readonly KeptPublication[] {
  const oldest = now - ttlSeconds * 1000;
  return publications.filter(({ publication }) => publication.acceptedAt >= oldest);
}

/**
 * Takes the content of the publications that were recalled.
 * @param cleared offset up to which everything was recalled
 */
export function withoutRecalled(
  publications: readonly KeptPublication[],
  { cleared, offsets }: { readonly cleared: number; readonly offsets: ReadonlySet<number> },
): readonly KeptPublication[] {
  if (cleared === 0 && offsets.size === 0) return publications;
  return publications.map((kept) => {
    const { offset, publication } = kept;
    return offset <= cleared || offsets.has(offset) ? { offset, publication: withoutContent(publication) } : kept;
  });
}

/** A batch as the bus kept it. */
export interface KeptBatch {
  readonly firstOffset: number;
  readonly publications: readonly Publication[];
}

/**
 * The answer to a question, from batches in the order of their offsets. Where some of them are not kept, it ends before
 * the hole, and one for the newest begins after the last hole.
 * @param bytesMax most payload bytes; the first publication may have more
 */
export function answerFrom(batches: readonly KeptBatch[], query: HistoryQuery, bytesMax: number): readonly KeptPublication[] {
  const before = query.kind === 'newest' ? (query.before ?? Number.POSITIVE_INFINITY) : 0;
  const kept = batches.flatMap(({ firstOffset, publications }) =>
    publications.map((publication, index) => ({ offset: firstOffset + index, publication })),
  );
  const wanted =
    query.kind === 'after' ? kept.filter(({ offset }) => offset > query.offset) : kept.filter(({ offset }) => offset < before).toReversed();
  const found: KeptPublication[] = [];
  let bytes = 0;
  for (const each of wanted) {
    const previous = found.at(-1)?.offset;
    bytes += each.publication.payload.length;
    if (found.length >= query.limit || (previous !== undefined && (bytes > bytesMax || Math.abs(each.offset - previous) !== 1))) break;
    found.push(each);
  }
  return query.kind === 'after' ? found : found.toReversed();
}

/** The newest publications of a channel in memory, with at most some bytes of payload. */
export class HistoryRing {
  #kept: KeptPublication[] = [];
  /** Publications before this index are forgotten. Those are dropped together, so that each costs little. */
  #begin = 0;
  #bytes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Payload bytes that it keeps. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds publications, and forgets what is beyond the size or the bytes, or before a hole. */
  add(firstOffset: number, publications: readonly Publication[], size: number): void {
    if (this.#kept.at(-1)?.offset !== firstOffset - 1) this.#clear();
    for (const { payload } of publications) this.#bytes += payload.length;
    publications.forEach((publication, index) => this.#kept.push({ offset: firstOffset + index, publication }));
    while (this.#kept.length - this.#begin > size || (this.#bytes > this.#bytesMax && this.#begin < this.#kept.length))
      this.#bytes -= this.#kept[this.#begin++]?.publication.payload.length ?? 0;
    if (this.#begin <= size && this.#begin < this.#kept.length) return;
    this.#kept = this.#kept.slice(this.#begin);
    this.#begin = 0;
  }

  /** Takes the content of what a tombstone recalls. */
  recall(offset: number, recall: Recall): void {
    const first = this.#kept[this.#begin]?.offset ?? 0;
    const last = this.#kept.at(-1)?.offset ?? 0;
    eachRecalled({ offset, recall }, { after: first - 1, upto: last }, (each) => {
      const index = this.#begin + each - first;
      const kept = this.#kept[index]!;
      const publication = withoutContent(kept.publication);
      this.#bytes -= kept.publication.payload.length - publication.payload.length;
      this.#kept[index] = { offset: each, publication };
    });
  }

  #clear(): void {
    this.#kept = [];
    this.#begin = 0;
    this.#bytes = 0;
  }

  read(query: HistoryQuery, bytesMax: number): readonly KeptPublication[] {
    const first = this.#kept[this.#begin]?.offset ?? 0;
    const at = (offset: number): number => Math.min(this.#kept.length, Math.max(this.#begin, this.#begin + offset - first));
    const to = query.kind === 'newest' && query.before !== undefined ? at(query.before) : this.#kept.length;
    const from = query.kind === 'newest' ? Math.max(this.#begin, to - query.limit) : at(query.offset + 1);
    const batches = this.#kept
      .slice(from, Math.min(to, from + query.limit))
      .map(({ offset, publication }) => ({ firstOffset: offset, publications: [publication] }));
    return answerFrom(batches, query, bytesMax);
  }
}
