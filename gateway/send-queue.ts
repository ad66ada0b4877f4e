import type { ChannelPolicy } from '../core/policy.ts';

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
  readonly upto: number;
}

export type Waiting<Owner, B extends WaitingBatch<Owner>> = B | WaitingControl | WaitingGap<Owner>;

/**
 * A full queue is emptied to this part of its bound: a reader who can't keep up gets one long gap instead of many short ones, and dropping costs
 * a constant time per batch instead of a walk through the queue.
 */
const keptAfterDrop = 0.75;

/** `queued`; or `disconnect`: by policy, this client reads too slowly. `dropped` are batches that are not sent any more, oldest first. */
export type OfferResult<B> = { readonly kind: 'queued' | 'disconnect'; readonly dropped: readonly B[] };

/**
 * What waits for one connection whose socket takes no more, in order and bounded in bytes, not in frames: what runs out on a gateway is memory.
 * Exists only while the socket is blocked, so an idle connection pays nothing for it.
 */
export class SendQueue<Owner, B extends WaitingBatch<Owner>> {
  #waiting: Waiting<Owner, B>[] = [];
  #batchBytes = 0;
  #controlBytes = 0;

  /** Bytes of everything that waits here. */
  get bytes(): number {
    return this.#batchBytes + this.#controlBytes;
  }

  get controlBytes(): number {
    return this.#controlBytes;
  }

  offerControl(frame: Buffer): void {
    this.#waiting.push({ kind: 'control', frame });
    this.#controlBytes += frame.length;
  }

  /**
   * Takes a batch while it fits under the policy's bound; `socketBytes` (what the socket itself holds) counts too. Where it does not fit, `DropOldest` gives up
   * the oldest batches of the same subscription, and the new one if even that is not enough; `Disconnect` gives up the connection.
   */
  offer(batch: B, policy: SlowConsumerPolicy, socketBytes: number): OfferResult<B> {
    const bound = policy.queueBytesMax - socketBytes;
    if (this.bytes + batch.frame.length <= bound) {
      this.#push(batch);
      return { kind: 'queued', dropped: [] };
    }
    if (policy.policy === 'Disconnect') return { kind: 'disconnect', dropped: [batch] };
    const dropped = this.#dropOldest(batch.owner, this.bytes + batch.frame.length - Math.floor(bound * keptAfterDrop));
    if (this.bytes + batch.frame.length <= bound) {
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
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.kind === 'control' || waiting.owner !== owner) return true;
      if (waiting.kind === 'batch') {
        removed.push(waiting);
        this.#batchBytes -= waiting.frame.length;
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
    return all;
  }

  /** Puts back, at the front, what the socket did not take after all. */
  putBack(waiting: readonly Waiting<Owner, B>[]): void {
    this.#waiting = [...waiting, ...this.#waiting];
    for (const one of waiting) {
      if (one.kind === 'batch') this.#batchBytes += one.frame.length;
      else if (one.kind === 'control') this.#controlBytes += one.frame.length;
    }
  }

  #push(batch: B): void {
    this.#waiting.push(batch);
    this.#batchBytes += batch.frame.length;
  }

  #dropOldest(owner: Owner, bytes: number): B[] {
    const dropped: B[] = [];
    let freed = 0;
    const kept: Waiting<Owner, B>[] = [];
    /** Where the owner's gap stands that what is dropped next joins on to: nothing else of this owner is kept behind it. */
    let gapAt = -1;
    for (const waiting of this.#waiting) {
      if (waiting.kind === 'control' || waiting.owner !== owner) {
        kept.push(waiting);
      } else if (waiting.kind === 'batch' && freed >= bytes) {
        kept.push(waiting);
        gapAt = -1;
      } else {
        if (waiting.kind === 'batch') {
          dropped.push(waiting);
          freed += waiting.frame.length;
        }
        // Neighbouring spans become one gap, whatever of other channels lies between: gaps take no more room than what they stand for.
        const gap = kept[gapAt];
        if (gap?.kind === 'gap' && gap.epoch === waiting.epoch) kept[gapAt] = { ...gap, upto: waiting.upto };
        else gapAt = kept.push({ kind: 'gap', owner, epoch: waiting.epoch, after: waiting.after, upto: waiting.upto }) - 1;
      }
    }
    this.#waiting = kept;
    this.#batchBytes -= freed;
    return dropped;
  }

  #extendGap({ owner, epoch, after, upto }: B): void {
    const at = this.#waiting.findLastIndex((waiting) => waiting.kind !== 'control' && waiting.owner === owner);
    const last = this.#waiting[at];
    if (last?.kind === 'gap' && last.epoch === epoch) this.#waiting[at] = { ...last, upto };
    else this.#waiting.push({ kind: 'gap', owner, epoch, after, upto });
  }
}
