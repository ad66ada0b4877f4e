import { LRUCache } from 'lru-cache';
import { BusUnavailable } from '../../core/bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import type { HistoryBounds } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import { headDocument, segmentDocument } from './documents.ts';
import { encodeDocument, sizeOf, type EncodedDocument } from './encoded-document.ts';
import { headSeconds } from './headers.ts';
import { TooManyReads, type HistoryReads } from './history-reads.ts';
import { refusals, type Refusal } from './refusals.ts';
import {
  fromBeginning,
  keptUntil,
  lacksOldest,
  oldestOf,
  openAfter,
  openPart,
  orderOf,
  segmentOffsets,
  standingOf,
  type Order,
  type SegmentPart,
} from './segments.ts';

/** What answers a request. `oldestAt`: when its oldest publication was accepted, in Unix milliseconds. */
export type Answer =
  | { readonly kind: 'document'; readonly document: EncodedDocument; readonly oldestAt: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** An answer that later askers share until a time of the monotonic clock. */
interface Held {
  readonly answer: Answer;
  readonly until: number;
  /** Of a head: the order that it tells. */
  readonly order?: Order;
  /** Of a head: whether the channel was found to have publications. */
  readonly isKnown?: boolean;
  /** Offset of the newest tombstone when it was read; absent: there was none, or it was not read. */
  readonly recalledAt?: number | undefined;
}

/** Memory of an answer besides its document, in bytes: the keys, the refusal, the entry of the cache. */
const entryBytes = 1_024;
const forEver = Number.POSITIVE_INFINITY;
/** Time for which a head, also one that failed, is the answer to everybody, in milliseconds. */
const headMs = headSeconds * 1000;

export interface PullDocumentsOptions {
  readonly reads: HistoryReads;
  readonly clock: Pick<Clock, 'monotonic' | 'wall'>;
  readonly onEncoded: (document: 'head' | 'segment') => void;
  readonly cacheBytesMax: number;
  /** Most payload bytes of an answer of the bus; default: `limits.historyBytesMax`. */
  readonly answerBytesMax?: number;
  /** Default: `encodeDocument`. */
  readonly encode?: (text: string) => Promise<EncodedDocument>;
}

/**
 * Heads and segments, each read and encoded once for all who ask. Each channel's head is read at most once a second. A
 * segment is kept encoded while there is room, and until a head tells of a tombstone that is newer; a refusal is kept
 * for as long as caches may keep it.
 */
export class PullDocuments {
  readonly #options: PullDocumentsOptions;
  readonly #held: LRUCache<string, Held>;
  readonly #flights = new Map<string, Promise<Held>>();

  constructor(options: PullDocumentsOptions) {
    this.#options = options;
    this.#held = new LRUCache({
      maxSize: options.cacheBytesMax,
      sizeCalculation: ({ answer }) => entryBytes + (answer.kind === 'document' ? sizeOf(answer.document) : 0),
    });
  }

  /** Bytes of the answers that are held. */
  get bytes(): number {
    return this.#held.calculatedSize;
  }

  async head(channel: string, history: HistoryBounds): Promise<Answer> {
    return (await this.#headOf(channel, history)).answer;
  }

  /** A part of a segment. It is refused where the history does not keep all of it, although it may still be held. */
  async segment(channel: string, part: SegmentPart, history: HistoryBounds): Promise<Answer> {
    const key = `segment ${channel} ${part.epoch} ${part.number} ${part.after}`;
    const { recalledAt = 0 } = await this.#headOf(channel, history);
    const held = this.#held.peek(key);
    if (held?.answer.kind === 'document' && (held.recalledAt ?? 0) < recalledAt) this.#held.delete(key);
    const { answer } = await this.#share(key, () => this.#readSegment(channel, part, history));
    if (answer.kind === 'refused') return answer;
    const isKept = answer.oldestAt + history.ttlSeconds * 1000 >= this.#options.clock.wall();
    return isKept ? answer : { kind: 'refused', refusal: refusals.lost() };
  }

  #headOf(channel: string, history: HistoryBounds): Promise<Held> {
    return this.#share(headKey(channel), () => this.#readHead(channel, history));
  }

  async #share(key: string, make: () => Promise<Held>): Promise<Held> {
    const held = this.#held.get(key);
    if (held !== undefined && this.#options.clock.monotonic() < held.until) return held;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#fly(key, make);
      this.#flights.set(key, flight);
    }
    return flight;
  }

  async #fly(key: string, make: () => Promise<Held>): Promise<Held> {
    const startedAt = this.#options.clock.monotonic();
    try {
      const held = await make();
      this.#held.set(key, held);
      return held;
    } catch (error) {
      // What there are too many of may be fewer in a moment; a bus that fails is left alone for a second.
      if (error instanceof TooManyReads) return this.#refusal(refusals.crowded(), startedAt);
      if (!(error instanceof BusUnavailable)) throw error;
      const held = { ...this.#refusal(refusals.bus(), startedAt + headMs), isKnown: this.#held.peek(key)?.isKnown === true };
      this.#held.set(key, held);
      return held;
    } finally {
      this.#flights.delete(key);
    }
  }

  async #readHead(channel: string, history: HistoryBounds): Promise<Held> {
    const { reads, clock, answerBytesMax = limits.historyBytesMax } = this.#options;
    const startedAt = clock.monotonic();
    const of = this.#held.peek(headKey(channel))?.isKnown === true ? 'known' : 'unknown';
    const page = await reads.read(channel, { kind: 'newest', limit: segmentOffsets }, of);
    const order = orderOf(page);
    const newest = page.publications;
    const oldest = lacksOldest(order, newest, answerBytesMax)
      ? (await reads.read(channel, { kind: 'after', offset: openAfter(order.offset), limit: segmentOffsets }, 'known')).publications
      : undefined;
    const now = clock.wall();
    const kept = openPart(order, { newest, oldest }, { history, now });
    const quietMs = now - (newest.at(-1)?.publication.acceptedAt ?? Number.NEGATIVE_INFINITY);
    const document = await this.#encode('head', headDocument({ channel, order, kept }, quietMs));
    return {
      answer: { kind: 'document', document, oldestAt: now },
      until: startedAt + headMs,
      order,
      isKnown: order.offset > 0,
      recalledAt: page.recalledAt,
    };
  }

  async #readSegment(channel: string, part: SegmentPart, history: HistoryBounds): Promise<Held> {
    const { reads, clock } = this.#options;
    const head = await this.#headOf(channel, history);
    const { order } = head;
    if (order === undefined) return head;
    const expected = standingOf(order, part);
    if (expected.kind !== 'closed' && expected.kind !== 'ahead') return this.#standingRefusal(expected.kind);
    const page = await reads.read(channel, { kind: 'after', offset: part.after, limit: segmentOffsets }, 'known');
    const standing = standingOf(orderOf(page), part);
    if (standing.kind !== 'closed') return this.#standingRefusal(standing.kind);
    const kept = fromBeginning(page.publications, standing.span);
    if (kept === undefined || keptUntil(kept, history) < clock.wall()) return this.#refusal(refusals.lost());
    const document = await this.#encode('segment', segmentDocument({ channel, epoch: part.epoch, after: part.after, kept }));
    return { answer: { kind: 'document', document, oldestAt: oldestOf(kept) }, until: forEver, recalledAt: page.recalledAt };
  }

  #standingRefusal(kind: 'open' | 'ahead' | 'ended' | 'unknown'): Held {
    if (kind === 'ended') return this.#refusal(refusals.ended());
    return this.#refusal(kind === 'unknown' ? refusals.unknownEpoch() : refusals.open());
  }

  #refusal(refusal: Refusal, until?: number): Held {
    const lasts = this.#options.clock.monotonic() + (refusal.maxAgeSeconds ?? 0) * 1000;
    return { answer: { kind: 'refused', refusal }, until: until ?? lasts };
  }

  #encode(kind: 'head' | 'segment', text: string): Promise<EncodedDocument> {
    const { onEncoded, encode = encodeDocument } = this.#options;
    onEncoded(kind);
    return encode(text);
  }
}

function headKey(channel: string): string {
  return `head ${channel}`;
}
