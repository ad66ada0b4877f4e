export interface PulledItem {
  readonly offset: number;
  readonly data: string;
}

/** A document of pull, as `docs/pull.md` has it. */
export interface PulledBatch {
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly items: readonly PulledItem[];
}

export interface PulledHead {
  readonly epoch: string;
  readonly offset: number;
  readonly earlier?: { readonly epoch: string; readonly offset: number };
  readonly segmentOffsets: number;
  readonly waitMs: number;
  readonly open: PulledBatch;
}

/** What a cache or gateway answered. */
export interface PullAnswer {
  readonly status: number;
  /** The JSON of the body. */
  readonly document: unknown;
}

export interface PollerOptions {
  readonly channel: string;
  /** Where to begin; absent: at the head. */
  readonly position?: { readonly epoch: string; readonly offset: number };
  readonly onItem: (item: PulledItem) => void;
}

/** A client that only polls: the steps of "Following a channel" in `docs/pull.md`, without a socket or a clock. */
export class Poller {
  readonly gaps: { readonly after: number; readonly upto: number }[] = [];
  position: { readonly epoch: string; readonly offset: number } | undefined;
  waitMs = 1_000;
  readonly #options: PollerOptions;
  readonly #former = new Set<string>();
  #head: PulledHead | undefined;
  /** Where the part of the segment ended that was taken last, if that was not the segment's end. */
  #part: number | undefined;

  constructor(options: PollerOptions) {
    this.#options = options;
    this.position = options.position;
  }

  /** What to ask for now: a segment, or after its wait the head. */
  get path(): string {
    const base = `/v1/channels/${encodeURIComponent(this.#options.channel)}`;
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
    if (this.#former.has(epoch)) return;
    if (position.epoch !== epoch && !epoch.startsWith(position.epoch)) {
      const goesOn = earlier?.epoch === position.epoch ? Math.min(position.offset, earlier.offset) : undefined;
      this.#former.add(position.epoch);
      if (goesOn === undefined) this.gaps.push({ after: Number.NaN, upto: head.offset });
      this.position = { epoch, offset: goesOn ?? head.offset };
    } else this.position = { epoch, offset: position.offset };
    if (earlier !== undefined) this.#former.add(earlier.epoch);
    if (head.offset < this.position.offset) return;
    this.waitMs = head.waitMs;
    this.#head = head;
    this.#step(head);
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

  #takeItems({ items, upto }: PulledBatch): void {
    const { epoch, offset } = this.position ?? { epoch: '', offset: 0 };
    for (const item of items) if (item.offset > offset) this.#options.onItem(item);
    this.position = { epoch, offset: Math.max(offset, upto) };
  }

  #skipTo(upto: number): void {
    const { epoch, offset } = this.position ?? { epoch: '', offset: 0 };
    this.gaps.push({ after: offset, upto });
    this.position = { epoch, offset: upto };
  }
}
