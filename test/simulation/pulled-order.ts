import type { PullAnswer, PulledBatch, PulledHead } from '../support/poller.ts';

interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * What a poller goes through. `position`: it had none, and begins here. `epoch`: the channel goes on in another one, as
 * far as that of `before` without a loss.
 */
export type PulledStep =
  | { readonly kind: 'position'; readonly position: Place }
  | { readonly kind: 'batch'; readonly batch: PulledBatch }
  | { readonly kind: 'gap'; readonly from: Place; readonly to: Place }
  | { readonly kind: 'epoch'; readonly epoch: string; readonly before: Place };

/** Heads that do not know the position's epoch, each after its wait, before it is given up. */
const unknownHeadsMax = 4;

/** Where a reader by pull is, and what it asks for next: "Following a channel" in `docs/pull.md`. */
export class PulledOrder {
  position: Place | undefined;
  waitMs = 1_000;
  readonly #channel: string;
  readonly #onStep: (step: PulledStep) => void;
  readonly #former = new Set<string>();
  /** Heads in a row that did not know the position's epoch. */
  #unknownHeads = 0;
  #head: PulledHead | undefined;
  /** Where the part of the segment ended that was taken last, if that was not the segment's end. */
  #part: number | undefined;

  constructor(options: {
    readonly channel: string;
    /** Where to begin; absent: at the head. */
    readonly position: Place | undefined;
    readonly onStep: (step: PulledStep) => void;
  }) {
    this.#channel = options.channel;
    this.#onStep = options.onStep;
    this.position = options.position;
  }

  /** What to ask for now: a segment, or after its wait the head. */
  get path(): string {
    const base = `/v1/channels/${encodeURIComponent(this.#channel)}`;
    const head = this.#head;
    if (head === undefined || this.position === undefined) return `${base}/head`;
    const from = this.#part ?? this.position.offset;
    const segment = `${base}/segments/${head.epoch}/${Math.floor(from / head.segmentOffsets)}`;
    return this.#part === undefined ? segment : `${segment}?after=${from}`;
  }

  /** Whether it waits before it asks again. */
  get waits(): boolean {
    return this.#head === undefined;
  }

  take(answer: PullAnswer): void {
    if (this.#head !== undefined) this.#takeSegment(answer);
    else if (answer.status === 200) this.#takeHead(answer.document as PulledHead);
  }

  #takeHead(head: PulledHead): void {
    const { epoch, earlier } = head;
    const position = this.position ?? { epoch, offset: head.open.after };
    if (this.position === undefined) this.#onStep({ kind: 'position', position });
    if (this.#former.has(epoch) || this.#isDoubtful(head, position)) return;
    if (position.epoch !== epoch && !epoch.startsWith(position.epoch)) {
      const goesOn =
        earlier !== undefined && earlier.epoch.startsWith(position.epoch) ? Math.min(position.offset, earlier.offset) : undefined;
      this.#former.add(position.epoch);
      this.position = { epoch, offset: goesOn ?? head.offset };
      if (goesOn === position.offset && earlier !== undefined) this.#onStep({ kind: 'epoch', epoch, before: earlier });
      else this.#onStep({ kind: 'gap', from: position, to: this.position });
    } else this.position = { epoch, offset: position.offset };
    if (earlier !== undefined) this.#former.add(earlier.epoch);
    if (head.offset < this.position.offset) return;
    this.waitMs = head.waitMs;
    this.#head = head;
    this.#step(head);
  }

  /**
   * Whether a head may be older than the position, which came from elsewhere: a channel's first publication had not
   * given the epoch its whole name, or the head does not know the epoch. Another epoch is believed in the end.
   */
  #isDoubtful({ epoch, earlier }: PulledHead, position: Place): boolean {
    const isKnown = epoch.startsWith(position.epoch) || earlier?.epoch.startsWith(position.epoch) === true;
    this.#unknownHeads = isKnown ? 0 : this.#unknownHeads + 1;
    return !isKnown && (position.epoch.startsWith(epoch) || this.#unknownHeads < unknownHeadsMax);
  }

  /** Takes what is in the head, if the position has come to it; else a segment is next. */
  #step(head: PulledHead): void {
    const { offset } = this.position ?? { offset: 0 };
    const end = (Math.floor(offset / head.segmentOffsets) + 1) * head.segmentOffsets;
    if (offset < head.open.after && end <= head.offset) return;
    if (offset < head.open.after) this.#skipTo(head.open.after);
    this.#takeItems(head.open);
    this.#head = undefined;
  }

  #takeSegment({ status, document }: PullAnswer): void {
    const head = this.#head;
    if (head === undefined || this.position === undefined) return;
    this.#part = undefined;
    if (status === 200) {
      const batch = document as PulledBatch;
      this.#takeItems(batch);
      const end = (Math.floor((batch.upto - 1) / head.segmentOffsets) + 1) * head.segmentOffsets;
      if (batch.upto < end) {
        this.#part = batch.upto;
        return;
      }
    } else if ((document as { readonly error?: { readonly code?: string } }).error?.code === 'gone')
      this.#skipTo((Math.floor(this.position.offset / head.segmentOffsets) + 1) * head.segmentOffsets);
    else {
      this.#head = undefined;
      return;
    }
    this.#step(head);
  }

  #takeItems(batch: PulledBatch): void {
    const { upto } = batch;
    const { epoch, offset } = this.position ?? { epoch: '', offset: 0 };
    if (upto > offset) this.#onStep({ kind: 'batch', batch });
    this.position = { epoch, offset: Math.max(offset, upto) };
  }

  #skipTo(upto: number): void {
    const { epoch, offset } = this.position ?? { epoch: '', offset: 0 };
    this.position = { epoch, offset: upto };
    this.#onStep({ kind: 'gap', from: { epoch, offset }, to: this.position });
  }
}
