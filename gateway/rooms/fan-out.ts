import type { Delivery } from './delivery.ts';
import type { Member } from './members.ts';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';

/** All that the fan-out knows of a room: it adds the time that writing to its members took. */
export interface FannedOut {
  /** Milliseconds. */
  spentMs: number;
}

/** The frames of one cut, one for each class that gets something. */
export interface Flush {
  readonly room: FannedOut;
  readonly deliveries: readonly Delivery<Member>[];
  /** All members were served, queued or passed over. */
  onDone(): void;
}

export interface FanOutOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>;
  readonly onSlice: (milliseconds: number) => void;
}

/** Half of what a slice may take, so that one long write at its end does not carry it over the bound. */
const sliceMs = limits.fanOutSliceMsMax / 2;
/** Members that one room is given before the next has its turn and the clock is read. */
const quantum = 64;

/**
 * Writes flushes to their members in slices, so that the event loop stays responsive. Rooms take turns, a quantum of
 * members each, so a room of 50,000 does not hold up a room of five; the flushes of one room are first in, first out.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  readonly #flushes = new Map<FannedOut, Flush[]>();
  #isScheduled = false;

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
    this.#options.clock.soon(() => {
      this.#isScheduled = false;
      this.#slice();
      if (this.#flushes.size > 0) this.#schedule();
    });
  }

  #slice(): void {
    const startedAt = this.#options.clock.monotonic();
    let at = startedAt;
    // A room that was served goes to the back: the next one is always that whose turn is longest ago.
    for (const [room, queue] of this.#flushes) {
      const flush = queue[0];
      const isDone = flush === undefined || writeQuantum(flush);
      if (isDone) queue.shift();
      this.#flushes.delete(room);
      if (queue.length > 0) this.#flushes.set(room, queue);
      const now = this.#options.clock.monotonic();
      room.spentMs += now - at;
      at = now;
      if (isDone) {
        flush?.onDone();
        // Telling who waits for it is no cost of the flush that comes next.
        at = this.#options.clock.monotonic();
      }
      if (at - startedAt >= sliceMs) break;
    }
    this.#options.onSlice(at - startedAt);
  }
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
