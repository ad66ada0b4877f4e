import type { Position } from '../../core/publication.ts';
import { isOrderOf, type Span } from '../position.ts';

/** Most offsets that a follower which begins somewhere may be behind the head; further back it begins with a gap. */
export const joinBehindMax = 1_000;
/** Most offsets that a follower may be behind the head afterwards; further back is a gap. */
export const behindMax = 5_000;
/** Most payload bytes that wait until the head is reached; text counts by its UTF-16 units. */
export const heldBytesMax = 8_388_608;

/** Heads in a row that do not know the position's epoch: the last of them is believed. */
export const unknownHeadsMax = 4;
/** Heads in a row of an epoch that was left: the last of them is believed. Redis may go back to an earlier master. */
export const formerHeadsMax = 15;
/** Wait after a head that is taken for an older one, in milliseconds: as long as a cache may keep it. */
export const olderHeadWaitMs = 1_000;

/** A document of pull: a closed segment, a part of one, or the open end of a head. */
export interface PulledSpan extends Span {
  readonly publications: readonly { readonly data: string | Uint8Array }[];
}

/** The head of a channel (`docs/pull.md`). */
export interface Head<B extends PulledSpan> extends Position {
  readonly earlier?: Position | undefined;
  readonly segmentOffsets: number;
  readonly waitMs: number;
  readonly open: B;
}

/** An answer to the last question: a document, or the code of a refusal. */
export type PullAnswer<B extends PulledSpan> =
  | { readonly kind: 'head'; readonly head: Head<B> }
  | { readonly kind: 'segment'; readonly batch: B }
  | { readonly kind: 'refused'; readonly code: string };

/**
 * A step of the channel's order. `gap`: the span is not kept any more. `epoch`: the channel goes on in another epoch
 * without a loss. `leap`: it goes on at a position of another epoch, and what is missing is not known.
 */
export type Followed<B extends PulledSpan> =
  | { readonly kind: 'batch'; readonly batch: B }
  | ({ readonly kind: 'gap' } & Span)
  | { readonly kind: 'epoch'; readonly epoch: string; readonly before: Position }
  | { readonly kind: 'leap'; readonly to: Position };

export interface FollowerOptions<B extends PulledSpan> {
  /** Where to begin. */
  readonly position?: Position | undefined;
  /** Where to begin without a position: an offset of the first head. Default: at the open segment's beginning. */
  readonly begin?: ((head: Head<B>) => number) | undefined;
}

/**
 * A reader of one channel by pull: "Following a channel" of `docs/pull.md`. Pure: the caller asks for `path`, waits
 * where `waits` says so, and hands in the answers. Nothing of a segment is told before the head is reached, since the
 * head may recall it. Batches may begin below the position: whoever is told them knows what it has.
 */
export class Follower<B extends PulledSpan> {
  readonly #begin: (head: Head<B>) => number;
  readonly #former = new Set<string>();
  #position: Position | undefined;
  #waitMs = 1_000;
  /** The head that is being reached. */
  #head: Head<B> | undefined;
  /** Where the part of the segment ended that was taken last, if that was not the segment's end. */
  #part: number | undefined;
  #hasReached = false;
  /** Heads in a row that did not know the position's epoch. */
  #unknownHeads = 0;
  #held: Followed<B>[] = [];
  #heldBytes = 0;

  constructor({ position, begin = ({ open }): number => open.after }: FollowerOptions<B>) {
    this.#position = position;
    this.#begin = begin;
  }

  /** The position up to which everything was read. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Whether the head was reached at least once. */
  get hasReached(): boolean {
    return this.#hasReached;
  }

  /** How long to wait before asking for the head again, in milliseconds, as the gateway says. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** Whether to wait before the next question. */
  get waits(): boolean {
    return this.#head === undefined;
  }

  /** The document to ask for, relative to the channel's address. */
  get path(): string {
    const head = this.#head;
    if (head === undefined || this.#position === undefined) return 'head';
    const from = this.#part ?? this.#position.offset;
    const segment = `segments/${head.epoch}/${Math.floor(from / head.segmentOffsets)}`;
    return this.#part === undefined ? segment : `${segment}?after=${from}`;
  }

  /** Takes the answer to `path`. @returns what the channel's reader is told */
  take(answer: PullAnswer<B>): readonly Followed<B>[] {
    if (answer.kind === 'head') this.#takeHead(answer.head);
    else if (this.#head !== undefined) this.#takeSegment(answer, this.#head);
    if (!this.waits || !this.#hasReached) return [];
    const told = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return told;
  }

  #takeHead(head: Head<B>): void {
    const { epoch, earlier } = head;
    const position = this.#position ?? { epoch, offset: this.#begin(head) };
    if (this.#isOlder(head, position)) {
      this.#waitMs = olderHeadWaitMs;
      return;
    }
    this.#position = isOrderOf(position, epoch) ? { epoch, offset: position.offset } : this.#enter(head, position);
    if (earlier !== undefined) this.#former.add(earlier.epoch);
    if (head.offset < this.#position.offset) return;
    this.#waitMs = head.waitMs;
    this.#head = head;
    const most = this.#hasReached ? behindMax : joinBehindMax;
    if (head.offset - this.#position.offset > most && this.#position.offset < head.open.after) this.#skipTo(head.open.after);
    this.#step(head);
  }

  /**
   * Whether a head is taken for an older one, from a cache or another gateway: it is of an epoch that was left, or does
   * not know that of the position, or has only the beginning of its name. The position may come from a gateway that is
   * ahead. In the end an unknown epoch is believed, and later one that was left.
   */
  #isOlder({ epoch, earlier }: Head<B>, position: Position): boolean {
    const isKnown = isOrderOf(position, epoch) || (earlier !== undefined && isOrderOf(position, earlier.epoch));
    this.#unknownHeads = isKnown ? 0 : this.#unknownHeads + 1;
    const most = this.#former.has(epoch) ? formerHeadsMax : unknownHeadsMax;
    return !isKnown && (position.epoch.startsWith(epoch) || this.#unknownHeads < most);
  }

  /** Goes on in another epoch. */
  #enter({ epoch, offset, earlier }: Head<B>, position: Position): Position {
    this.#former.add(position.epoch);
    this.#former.delete(epoch);
    const isJoined = earlier !== undefined && isOrderOf(position, earlier.epoch);
    if (isJoined && position.offset <= earlier.offset) {
      this.#held.push({ kind: 'epoch', epoch, before: earlier });
      return { epoch, offset: position.offset };
    }
    // A failover has lost what lies above; or nothing is known of the relation of the two.
    const to = { epoch, offset: isJoined ? earlier.offset : offset };
    this.#held.push({ kind: 'leap', to });
    return to;
  }

  /** Takes what is in the head, if the position has come to it; else a segment is next. */
  #step(head: Head<B>): void {
    const offset = this.#position?.offset ?? 0;
    if (offset < head.open.after && this.#segmentEnd(offset, head) <= head.offset) return;
    if (offset < head.open.after) this.#skipTo(head.open.after);
    this.#takeBatch(head.open);
    this.#head = undefined;
    this.#hasReached = true;
  }

  #takeSegment(answer: PullAnswer<B>, head: Head<B>): void {
    this.#part = undefined;
    const offset = this.#position?.offset ?? 0;
    if (answer.kind === 'segment') {
      const { batch } = answer;
      this.#takeBatch(batch);
      if (batch.upto < this.#segmentEnd(batch.upto - 1, head)) {
        this.#part = batch.upto;
        return;
      }
    } else if (answer.kind === 'refused' && answer.code === 'gone') this.#skipTo(this.#segmentEnd(offset, head));
    else {
      this.#head = undefined;
      return;
    }
    this.#step(head);
  }

  #segmentEnd(offset: number, { segmentOffsets }: Head<B>): number {
    return (Math.floor(offset / segmentOffsets) + 1) * segmentOffsets;
  }

  #takeBatch(batch: B): void {
    const { epoch, offset } = this.#position ?? { epoch: batch.epoch, offset: batch.after };
    if (batch.upto <= offset) return;
    this.#heldBytes += batch.publications.reduce((sum, { data }) => sum + data.length, 0);
    if (this.#heldBytes > heldBytesMax && this.#held.length > 0) this.#forgetHeld(offset);
    this.#held.push({ kind: 'batch', batch });
    this.#position = { epoch, offset: batch.upto };
  }

  /** More waits for the head than may: all of it is a gap, up to where the batch that comes now begins. */
  #forgetHeld(upto: number): void {
    const epoch = this.#position?.epoch ?? '';
    const first = this.#held.find((step) => step.kind === 'batch' || step.kind === 'gap');
    const after = first?.kind === 'batch' ? first.batch.after : first?.kind === 'gap' ? first.after : upto;
    this.#held = [...this.#held.filter(({ kind }) => kind === 'epoch' || kind === 'leap'), { kind: 'gap', epoch, after, upto }];
    this.#heldBytes = 0;
  }

  #skipTo(upto: number): void {
    const { epoch, offset } = this.#position ?? { epoch: '', offset: 0 };
    this.#held.push({ kind: 'gap', epoch, after: offset, upto });
    this.#position = { epoch, offset: upto };
  }
}
