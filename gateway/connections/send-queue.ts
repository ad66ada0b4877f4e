import type { ChannelPolicy } from '../../core/policy/policy.ts';

type SlowConsumerPolicy = ChannelPolicy['slowConsumer'];

/** One batch that waits for a connection: bytes shared with all other members, and what they account for. */
export interface WaitingBatch<Owner> {
  readonly kind: 'batch';
  readonly frame: Buffer;
  /** The subscription (room and member) that it is for. */
  readonly owner: Owner;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
}

/** A reply or notice: never dropped. */
interface WaitingControl {
  readonly kind: 'control';
  readonly frame: Buffer;
}

/** In the place of batches that were dropped: the span that the client is told it does not get. */
interface WaitingGap<Owner> {
  readonly kind: 'gap';
  readonly owner: Owner;
  readonly epoch: string;
  readonly after: number;
  /** Grows while more is dropped behind it. */
  upto: number;
}

/** What the queue knows of one subscription. */
interface Waits<Owner, B extends WaitingBatch<Owner>> {
  batches: number;
  /** What waits last for it: a gap there takes in what is dropped next. */
  last: B | WaitingGap<Owner> | undefined;
}

export type Waiting<Owner, B extends WaitingBatch<Owner>> = B | WaitingControl | WaitingGap<Owner>;

/**
 * A full queue is emptied to this part of its bound: a reader who can't keep up gets one long gap instead of many short ones, and dropping costs
 * a constant time per batch instead of a walk through the queue.
 */
const keptAfterDrop = 0.75;

/** Memory that what waits takes besides its frame, in bytes: it counts towards the bound, else a reader of small frames would cost many times its cap. */
export const waitingOverheadBytes = 100;

/** `queued`; or `disconnect`: by policy, this client reads too slowly. `dropped` are batches that are not sent any more, oldest first. */
export type OfferResult<B> = { readonly kind: 'queued' | 'disconnect'; readonly dropped: readonly B[] };

/**
 * What waits for one connection whose socket takes no more, in order and bounded in bytes, not in frames: what runs out on a gateway is memory. Each counts as its frame
 * and `waitingOverheadBytes`.
 * Exists only while the socket is blocked, so an idle connection pays nothing for it.
 */
export class SendQueue<Owner, B extends WaitingBatch<Owner>> {
  #waiting: Waiting<Owner, B>[] = [];
  #batchBytes = 0;
  #controlBytes = 0;
  readonly #owners = new Map<Owner, Waits<Owner, B>>();

  /** Bytes of everything that waits here. */
  get bytes(): number {
    return this.#batchBytes + this.#controlBytes;
  }

  get controlBytes(): number {
    return this.#controlBytes;
  }

  offerControl(frame: Buffer): void {
    this.#waiting.push({ kind: 'control', frame });
    this.#controlBytes += frame.length + waitingOverheadBytes;
  }

  /**
   * Takes a batch while it fits under the policy's bound; `socketBytes` (what the socket itself holds) counts too. Where it does not fit, `DropOldest` gives up
   * the oldest batches of the same subscription, and the new one if even that is not enough; `Disconnect` gives up the connection.
   */
  offer(batch: B, policy: SlowConsumerPolicy, socketBytes: number): OfferResult<B> {
    const bound = policy.queueBytesMax - socketBytes;
    const bytes = batch.frame.length + waitingOverheadBytes;
    if (this.bytes + bytes <= bound) {
      this.#push(batch);
      return { kind: 'queued', dropped: [] };
    }
    if (policy.policy === 'Disconnect') return { kind: 'disconnect', dropped: [batch] };
    const dropped = this.#dropOldest(batch.owner, this.bytes + bytes - Math.floor(bound * keptAfterDrop));
    if (this.bytes + bytes <= bound) {
      this.#push(batch);
    } else {
      dropped.push(batch);
      this.#extendGap(batch);
    }
    return { kind: 'queued', dropped };
  }

  /** Takes everything of one subscription out: it ended. */
  removeOwner(owner: Owner): readonly B[] {
    const removed: B[] = [];
    if (!this.#owners.delete(owner)) return removed;
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.kind === 'control' || waiting.owner !== owner) return true;
      if (waiting.kind === 'batch') {
        removed.push(waiting);
        this.#batchBytes -= waiting.frame.length + waitingOverheadBytes;
      }
      return false;
    });
    return removed;
  }

  /** Hands over everything, in order, and leaves the queue empty. */
  takeAll(): readonly Waiting<Owner, B>[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#batchBytes = 0;
    this.#controlBytes = 0;
    this.#owners.clear();
    return all;
  }

  /** Puts back, at the front, what the socket did not take after all. */
  putBack(waiting: readonly Waiting<Owner, B>[]): void {
    const all = [...waiting, ...this.takeAll()];
    this.#waiting = all;
    for (const one of all) {
      if (one.kind === 'control') this.#controlBytes += one.frame.length + waitingOverheadBytes;
      else this.#count(one);
    }
  }

  #push(batch: B): void {
    this.#waiting.push(batch);
    this.#count(batch);
  }

  /** Takes into the books what stands behind everything else of its owner. */
  #count(waiting: B | WaitingGap<Owner>): void {
    let waits = this.#owners.get(waiting.owner);
    if (waits === undefined) this.#owners.set(waiting.owner, (waits = { batches: 0, last: undefined }));
    waits.last = waiting;
    if (waiting.kind !== 'batch') return;
    waits.batches++;
    this.#batchBytes += waiting.frame.length + waitingOverheadBytes;
  }

  #dropOldest(owner: Owner, bytes: number): B[] {
    const dropped: B[] = [];
    const waits = this.#owners.get(owner);
    // Others fill the queue: a walk through it would find nothing to drop.
    if (waits === undefined || waits.batches === 0) return dropped;
    let freed = 0;
    const kept: Waiting<Owner, B>[] = [];
    /** The owner's gap that what is dropped next joins on to: nothing else of this owner is kept behind it. */
    let gap: WaitingGap<Owner> | undefined;
    for (const waiting of this.#waiting) {
      if (waiting.kind === 'control' || waiting.owner !== owner) {
        kept.push(waiting);
      } else if (waiting.kind === 'batch' && freed >= bytes) {
        kept.push(waiting);
        waits.last = waiting;
        gap = undefined;
      } else {
        if (waiting.kind === 'batch') {
          dropped.push(waiting);
          freed += waiting.frame.length + waitingOverheadBytes;
        }
        // Neighbouring spans become one gap, whatever of other channels lies between: gaps take no more room than what they stand for.
        if (gap?.epoch === waiting.epoch) {
          gap.upto = waiting.upto;
        } else {
          gap = { kind: 'gap', owner, epoch: waiting.epoch, after: waiting.after, upto: waiting.upto };
          waits.last = gap;
          kept.push(gap);
        }
      }
    }
    this.#waiting = kept;
    this.#batchBytes -= freed;
    waits.batches -= dropped.length;
    return dropped;
  }

  #extendGap({ owner, epoch, after, upto }: B): void {
    const last = this.#owners.get(owner)?.last;
    if (last?.kind === 'gap' && last.epoch === epoch) {
      last.upto = upto;
      return;
    }
    const gap: WaitingGap<Owner> = { kind: 'gap', owner, epoch, after, upto };
    this.#waiting.push(gap);
    this.#count(gap);
  }
}
