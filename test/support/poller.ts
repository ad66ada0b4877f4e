import { Cursor } from '../../client/cursor.ts';
import { Follower, type Followed } from '../../client/transport/follower.ts';

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

type Span = PulledBatch & { readonly publications: readonly PulledItem[] };

/** A client that only polls, without a socket. Its rules are those of the SDK (`docs/pull.md`, Following a channel). */
export class Poller {
  readonly gaps: { readonly after: number; readonly upto: number }[] = [];
  readonly #options: PollerOptions;
  readonly #follower: Follower<Span>;
  readonly #cursor = new Cursor<Span>();

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#follower = new Follower({ position: options.position });
    if (options.position !== undefined) this.#cursor.subscribed(options.position, true);
  }

  /** Where it reads on. */
  get position(): { readonly epoch: string; readonly offset: number } | undefined {
    return this.#follower.position;
  }

  get waitMs(): number {
    return this.#follower.waitMs;
  }

  /** What to ask for now: a segment, or after its wait the head. */
  get path(): string {
    return `/v1/channels/${encodeURIComponent(this.#options.channel)}/${this.#follower.path}`;
  }

  /** Whether it waits before it asks again. */
  get waits(): boolean {
    return this.#follower.waits;
  }

  take({ status, document }: PullAnswer): void {
    const asksHead = this.#follower.path === 'head';
    if (status !== 200) {
      const { code = '' } = (document as { readonly error?: { readonly code?: string } }).error ?? {};
      return this.#tell(this.#follower.take({ kind: 'refused', code }));
    }
    if (!asksHead) return this.#tell(this.#follower.take({ kind: 'segment', batch: spanOf(document as PulledBatch) }));
    const head = document as PulledHead;
    this.#tell(this.#follower.take({ kind: 'head', head: { ...head, open: spanOf(head.open) } }));
  }

  #tell(steps: readonly Followed<Span>[]): void {
    for (const step of steps) {
      if (step.kind === 'epoch') this.#cursor.continued(step.epoch, step.before);
      else if (step.kind === 'leap') this.#note(this.#cursor.skip(step.to));
      else if (step.kind === 'gap') this.#note(this.#cursor.gap({ ...step, reason: 'bus' }));
      else this.#note(this.#cursor.batch(step.batch));
    }
  }

  #note(tolds: ReturnType<Cursor<Span>['batch']>): void {
    for (const told of tolds) {
      if (told.kind === 'batch') {
        for (const item of told.batch.items) if (item.offset > told.deliverAfter) this.#options.onItem(item);
      } else this.gaps.push({ after: told.from?.epoch === told.to.epoch ? told.from.offset : Number.NaN, upto: told.to.offset });
    }
  }
}

function spanOf(batch: PulledBatch): Span {
  // A tombstone has no data.
  return { ...batch, publications: batch.items.filter(({ data }) => data !== undefined) };
}
