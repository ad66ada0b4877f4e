import { isInOrder, type EarlierEpoch, type HistoryPage, type KeptPublication } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import { isOrderOf, type LogBatch, type PlacedPublication, type Position, type Publication, type Recall } from '../../core/publication.ts';
import { eachRecalled, withoutContent } from '../../core/recall.ts';
import type { HeldBytes } from './hole.ts';

/**
 * How a room serves a client that has a position.
 *
 * - `current`: the client has missed nothing.
 * - `kept`: what it has missed is here.
 * - `read`: the history may have it.
 * - `lost`: some of it can't be had, or it is more than the policy gives.
 */
export type Reach = 'current' | 'kept' | 'read' | 'lost';

/** Most epochs that a room remembers as none of its order. */
const foreignMax = 8;

/**
 * The newest publications of a room, in order and without a hole, so that clients that come back need no read of the
 * bus. Bounded in number and in payload bytes. What came before the room was opened is read once, for all.
 */
export class RecentPublications {
  readonly #ofAll: HeldBytes;
  /** End of what the room has received. */
  #end: Position;
  #earlier: EarlierEpoch | undefined;
  #kept: KeptPublication[] = [];
  /** Publications before this index are forgotten. They are dropped together, so that each costs little. */
  #begin = 0;
  #bytes = 0;
  /** Positions below it are known to be out of reach; `undefined`: the history may reach further back. */
  #floor: number | undefined;
  /** Epochs that have nothing to do with the room's order, the newest first. */
  #foreign: readonly string[] = [];

  /** @param ofAll payload bytes kept by all rooms of the process */
  constructor(position: Position, ofAll: HeldBytes) {
    this.#end = position;
    this.#ofAll = ofAll;
  }

  /** Adds publications that the room has received, at most so many being kept. Those behind a hole begin anew. */
  add({ epoch, firstOffset, publications }: LogBatch, publicationsMax: number): void {
    if (!isOrderOf(this.#end, epoch) || firstOffset > this.#end.offset + 1) this.#restart({ epoch, offset: firstOffset - 1 });
    const known = this.#end.offset;
    this.#end = { epoch, offset: Math.max(known, firstOffset + publications.length - 1) };
    publications.forEach((publication, index) => {
      const offset = firstOffset + index;
      if (offset <= known) return;
      if (publication.recall !== undefined) this.#recall(offset, publication.recall);
      this.#keep(this.#kept, { offset, publication: withOwnBytes(publication) });
    });
    if (this.#ofAll.bytes > limits.recentOfAllBytesMax) this.#restart(this.#end);
    else this.#trim(publicationsMax);
  }

  /** The room goes on at this position. Behind a hole the publications begin anew. */
  at(position: Position): void {
    const isKnown = position.offset <= this.#end.offset;
    // The position may have only the beginning of an epoch whose name has come meanwhile.
    if (isKnown && isOrderOf(position, this.#end.epoch)) return;
    if (isKnown && isOrderOf(this.#end, position.epoch)) this.#end = { epoch: position.epoch, offset: this.#end.offset };
    else this.#restart(position);
  }

  /** The channel goes on in another epoch, and nothing is missing. */
  continued(epoch: string, earlier: EarlierEpoch): void {
    this.#end = { epoch, offset: this.#end.offset };
    this.#earlier = earlier;
    this.#foreign = [];
  }

  /** The offset before which the history is to be read. */
  get first(): number {
    return this.#kept[this.#begin]?.offset ?? this.#end.offset + 1;
  }

  /**
   * Takes the newest publications before `first`, as the history has them.
   * @returns whether the page is of the room's order. Otherwise the bus has gone on to another one, and the room will
   * learn of it.
   */
  read({ publications, ...page }: HistoryPage, publicationsMax: number): boolean {
    const isSame = isOrderOf(this.#end, page.position.epoch);
    if (!isInOrder({ ...page, publications: [] }, this.#end) && !isSame) return false;
    if (isSame && page.earlier !== undefined) this.#earlier = page.earlier;
    const { first } = this;
    const before: KeptPublication[] = [];
    for (const kept of publications) if (kept.offset < first) this.#keep(before, { ...kept, publication: withOwnBytes(kept.publication) });
    const joinsOn = before.length === 0 || before.at(-1)?.offset === first - 1;
    if (joinsOn) this.#kept = [...before, ...this.#kept.slice(this.#begin)];
    else for (const { publication } of before) this.#count(-publication.payload.length);
    if (joinsOn) this.#begin = 0;
    // A tombstone may have come while the page was under way. If it was trimmed meanwhile, the page does not join on.
    const tombstones = this.#kept.slice(this.#begin).filter(({ publication }) => publication.recall !== undefined);
    for (const { offset, publication } of tombstones) if (publication.recall !== undefined) this.#recall(offset, publication.recall);
    this.#trim(publicationsMax);
    this.#floor = this.first - 1;
    return isSame;
  }

  /**
   * How a client at this position is served.
   * @param cut the room's last cut. What lies behind it is still to come.
   * @param publicationsMax most publications that one client is given
   */
  reach(since: Position, cut: number, publicationsMax: number): Reach {
    const { epoch } = this.#end;
    const isSame = isOrderOf(since, epoch) || isOrderOf(this.#end, since.epoch);
    const earlier = this.#earlier;
    const isEarlier = earlier !== undefined && isOrderOf(since, earlier.epoch) && since.offset <= earlier.offset;
    // Unknown epochs may be newer ones, of which the room has not heard.
    if (!isSame && !isEarlier) return since.epoch === earlier?.epoch || this.#foreign.includes(since.epoch) ? 'lost' : 'read';
    if (since.offset >= cut) return 'current';
    if (cut - since.offset > publicationsMax) return 'lost';
    if (since.offset + 1 >= this.first) return 'kept';
    return this.#floor === undefined ? 'read' : 'lost';
  }

  /** A read for a client with this position has not helped: it is not repeated for others with the same epoch. */
  refused({ epoch }: Position): void {
    if (!this.#foreign.includes(epoch)) this.#foreign = [epoch, ...this.#foreign].slice(0, foreignMax);
  }

  /** Whether the history may have some of the newest publications up to a cut that are not here. */
  lacks(wanted: number, cut: number, publicationsMax: number): boolean {
    return this.#floor === undefined && cut + 1 - this.first < Math.min(wanted, publicationsMax, cut);
  }

  /** The kept publications `(after, upto]`. */
  between(after: number, upto: number): readonly KeptPublication[] {
    const from = Math.max(this.#begin, this.#begin + after + 1 - this.first);
    const to = Math.max(from, this.#begin + upto + 1 - this.first);
    return this.#kept.slice(from, to);
  }

  /** Forgets everything: the room is closed, or its policy has no history any more. */
  clear(): void {
    this.#count(-this.#bytes);
    this.#kept = [];
    this.#begin = 0;
  }

  #restart(position: Position): void {
    this.clear();
    this.#end = position;
    this.#earlier = undefined;
    this.#floor = undefined;
    this.#foreign = [];
  }

  /** Takes the content of what a tombstone recalls. */
  #recall(offset: number, recall: Recall): void {
    const { first } = this;
    eachRecalled({ offset, recall }, { after: first - 1, upto: this.#kept.at(-1)?.offset ?? 0 }, (each) => {
      const index = this.#begin + each - first;
      const kept = this.#kept[index];
      if (kept === undefined) return;
      const publication = withoutContent(kept.publication);
      this.#count(publication.payload.length - kept.publication.payload.length);
      this.#kept[index] = { offset: each, publication };
    });
  }

  #keep(list: KeptPublication[], kept: KeptPublication): void {
    list.push(kept);
    this.#count(kept.publication.payload.length);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#ofAll.bytes += bytes;
  }

  #trim(publicationsMax: number): void {
    // The open window lies behind the last cut: twice as many are kept as a client is given.
    while (this.#kept.length - this.#begin > 2 * publicationsMax || this.#bytes > limits.recentBytesMax) {
      const dropped = this.#kept[this.#begin++];
      this.#count(-(dropped?.publication.payload.length ?? 0));
      this.#floor = this.first - 1;
    }
    if (this.#begin < 64 || this.#begin * 2 < this.#kept.length) return;
    this.#kept = this.#kept.slice(this.#begin);
    this.#begin = 0;
  }
}

/** What a client that has missed these is sent: each one as it was published, but expired and recalled ones. */
export function catchUpOf(kept: readonly KeptPublication[], wall: number): readonly PlacedPublication[] {
  return kept.flatMap(({ offset, publication }) => {
    const { ttlMs, acceptedAt, conflation, isRecalled } = publication;
    if (isRecalled === true) return [];
    if (ttlMs > 0 && acceptedAt + ttlMs <= wall) return [];
    return [{ offset, publication, count: conflation?.mode === 'Sum' ? conflation.count : undefined }];
  });
}

/** A publication that does not keep the whole chunk in memory with which it came. */
function withOwnBytes(publication: Publication): Publication {
  const { payload } = publication;
  return payload.buffer.byteLength <= 2 * payload.length ? publication : { ...publication, payload: Buffer.from(payload) };
}

/**
 * Whether a client at `since` has missed nothing. Everything after `position` will be delivered. So a client that has
 * as much (or more, from a gateway that cut earlier) is complete.
 */
export function hasReached(since: Position, position: Position): boolean {
  return (isOrderOf(since, position.epoch) || isOrderOf(position, since.epoch)) && since.offset >= position.offset;
}
