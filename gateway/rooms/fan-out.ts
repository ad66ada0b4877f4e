import type { Delivery } from './delivery.ts';
import type { Member } from './members.ts';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';

/** The fan-out's view of a room: it adds the time spent on writing to its members. */
export interface FannedOut {
  /** Milliseconds. */
  spentMs: number;
}

/** First and last write of a flush, by the monotonic clock in milliseconds. */
export interface WriteMarks {
  firstAt: number | undefined;
  lastAt: number;
}

/** The frames of one cut, one for each class that is sent something. */
export interface Flush {
  readonly room: FannedOut;
  readonly deliveries: readonly Delivery<Member>[];
  /** Filled in by the fan-out; `undefined`: nobody wants to know. */
  readonly marks?: WriteMarks | undefined;
  /** Called when all members were served, queued or passed over. */
  onDone(): void;
}

export interface FanOutOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>;
  readonly onSlice: (milliseconds: number) => void;
}

/** Half of a slice's bound, so that a long last write does not exceed the bound. */
const sliceMs = limits.fanOutSliceMsMax / 2;
/** Members of one room served before the next room's turn and the next look at the clock. */
const quantum = 64;

/**
 * Writes flushes to their members in slices, so that the event loop stays responsive. Rooms take turns of `quantum`
 * members, so a room of 50,000 does not hold up a room of five. The flushes of one room are first in, first out.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  readonly #flushes = new Map<FannedOut, Flush[]>();
  #isScheduled = false;
  readonly #onTurn = (): void => {
    this.#isScheduled = false;
    this.#slice();
    if (this.#flushes.size > 0) this.#schedule();
  };

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#flushes.size === 0;
  }

  add(flush: Flush): void {
    const queue = this.#flushes.get(flush.room);
    if (queue === undefined) this.#flushes.set(flush.room, [flush]);
    else queue.push(flush);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.clock.soon(this.#onTurn);
  }

  #slice(): void {
    const startedAt = this.#options.clock.monotonic();
    let at = startedAt;
    // A served room goes to the back, so the next room is the one that has waited longest.
    for (const [room, queue] of this.#flushes) {
      const flush = queue[0];
      const isDone = flush === undefined || writeQuantum(flush);
      if (isDone) queue.shift();
      this.#flushes.delete(room);
      if (queue.length > 0) this.#flushes.set(room, queue);
      const now = this.#options.clock.monotonic();
      room.spentMs += Math.min(now - at, limits.flushStepMsMax);
      if (flush?.marks !== undefined) mark(flush.marks, at, now);
      at = now;
      if (isDone) {
        flush?.onDone();
        // The time of `onDone` is no cost of the next flush.
        at = this.#options.clock.monotonic();
      }
      if (at - startedAt >= sliceMs) break;
    }
    this.#options.onSlice(at - startedAt);
  }
}

function mark(marks: WriteMarks, from: number, to: number): void {
  marks.firstAt ??= from;
  marks.lastAt = to;
}

/** Writes to at most a quantum of members; `true` when the flush is done. */
function writeQuantum({ deliveries }: Flush): boolean {
  for (const delivery of deliveries) {
    const { members } = delivery;
    if (delivery.next >= members.length) continue;
    const end = Math.min(members.length, delivery.next + quantum);
    let handed = 0;
    let gone = 0;
    for (let index = delivery.next; index < end; index++) {
      const member = members[index];
      if (member === undefined || !member.active) gone++;
      else if (member.connection.sendBatch(delivery, member)) handed++;
    }
    delivery.next = end;
    if (handed > 0) delivery.handed(handed);
    if (gone > 0) delivery.dropped('disconnected', gone);
    if (end < members.length) return false;
    delivery.finish();
  }
  return deliveries.every(({ next, members }) => next >= members.length);
}
