import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { Message } from '../encoding/encoding.ts';

type SlowConsumerPolicy = ChannelPolicy['slowConsumer'];

/** One batch that waits for a connection: bytes shared with all other members, and the span that they account for. */
export interface WaitingBatch<Owner> {
  readonly kind: 'batch';
  readonly frame: Buffer;
  /** The batch's subscription (room and member). */
  readonly owner: Owner;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
}

/** A reply or notice: never dropped. */
interface WaitingControl {
  readonly kind: 'control';
  readonly frame: Buffer;
  /** What the frame says, where it is encoded anew when it is written; then the frame only counts. */
  readonly message: Message | undefined;
}

/** The span of dropped batches, in their place: the client is told that it does not get it. */
interface WaitingGap<Owner> {
  readonly kind: 'gap';
  readonly owner: Owner;
  readonly epoch: string;
  readonly after: number;
  /** Grows while more batches are dropped behind the gap. */
  upto: number;
}

/** The queue's record of one subscription. */
interface Waits<Owner, B extends WaitingBatch<Owner>> {
  batches: number;
  /** The subscription's last entry in the queue. A gap there takes in the next dropped batch. */
  last: B | WaitingGap<Owner> | undefined;
}

export type Waiting<Owner, B extends WaitingBatch<Owner>> = B | WaitingControl | WaitingGap<Owner>;

/**
 * The part of its bound to which a full queue is emptied. So a reader that can't keep up gets one long gap instead of
 * many short ones. And dropping costs a constant time per batch, instead of a walk through the queue.
 */
const keptAfterDrop = 0.75;

/**
 * Memory of a waiting entry besides its frame, in bytes. It counts towards the bound: otherwise a reader of small
 * frames would cost many times its cap.
 */
export const waitingOverheadBytes = 100;

/**
 * `disconnect`: by policy, because this client reads too slowly. `dropped` are batches that are not sent any more,
 * oldest first.
 */
export type OfferResult<B> = { readonly kind: 'queued' | 'disconnect'; readonly dropped: readonly B[] };

/**
 * The queue of one connection whose socket takes no more. It is in order, and bounded in bytes, not in frames: a
 * gateway runs out of memory. Each entry counts as its frame and `waitingOverheadBytes`. The queue exists only while
 * the socket is blocked, so an idle connection pays nothing for it.
 */
export class SendQueue<Owner, B extends WaitingBatch<Owner>> {
  #waiting: Waiting<Owner, B>[] = [];
  #batchBytes = 0;
  #controlBytes = 0;
  readonly #owners = new Map<Owner, Waits<Owner, B>>();

  /** Bytes of all waiting entries. */
  get bytes(): number {
    return this.#batchBytes + this.#controlBytes;
  }

  get controlBytes(): number {
    return this.#controlBytes;
  }

  offerControl(frame: Buffer, message?: Message): void {
    this.#waiting.push({ kind: 'control', frame, message });
    this.#controlBytes += frame.length + waitingOverheadBytes;
  }

  /**
   * Takes a batch while it fits under the policy's bound; `socketBytes` (held by the socket itself) counts too. When it
   * does not fit, `DropOldest` gives up the oldest batches of the same subscription, and the new one if that is not
   * enough. `Disconnect` gives up the connection.
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

  /** Removes all entries of an ended subscription, and returns its batches. */
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

  /** Hands over all entries, in order, and leaves the queue empty. */
  takeAll(): readonly Waiting<Owner, B>[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#batchBytes = 0;
    this.#controlBytes = 0;
    this.#owners.clear();
    return all;
  }

  /** Puts back, at the front, the entries that the socket did not take after all. */
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

  /** Counts an entry that is now its owner's last. */
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
    // Other owners fill the queue: a walk through it would find nothing to drop.
    if (waits === undefined || waits.batches === 0) return dropped;
    let freed = 0;
    const kept: Waiting<Owner, B>[] = [];
    /** The owner's gap that takes in the next dropped batch: no entry of this owner is kept behind it. */
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
        // Neighbouring spans become one gap, whatever entries of other channels lie between. So gaps take no more room
        // than the batches that they replace.
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
