/** How a flush that is over went, summed over the classes of its room. */
export interface DoneFlush {
  /** The span `(after, upto]` of offsets. */
  readonly after: number;
  readonly upto: number;
  /** By the monotonic clock, in milliseconds. */
  readonly doneAt: number;
  readonly delivered: number;
  readonly slow: number;
  readonly disconnected: number;
}

/** Most flushes that are over and remembered by a gateway, all rooms together. */
export const doneFlushesMax = 16_384;

const columns = ['key', 'after', 'upto', 'doneAt', 'delivered', 'slow', 'disconnected'] as const;
const width = columns.length;

/**
 * The last flushes of all rooms that are over, as numbers in a ring: nothing is allocated for a flush, and what is
 * remembered takes the same memory for one room as for 10,000. What can't be said in these numbers is kept beside them.
 */
export class DoneFlushes<Details> {
  readonly #capacity: number;
  readonly #numbers: Float64Array;
  readonly #details: (Details | undefined)[];
  #added = 0;
  #keys = 0;

  constructor(capacity = doneFlushesMax) {
    this.#capacity = capacity;
    this.#numbers = new Float64Array(capacity * width).fill(-1);
    this.#details = Array.from({ length: capacity });
  }

  /** A number for one order of one room: offsets of different epochs can't be compared. */
  newKey(): number {
    return this.#keys++;
  }

  /** @param details where some of the flush is still on its way, or was left out for a class */
  add(key: number, flush: DoneFlush, details: Details | undefined): void {
    const place = this.#added++ % this.#capacity;
    const at = place * width;
    this.#numbers[at] = key;
    this.#numbers[at + 1] = flush.after;
    this.#numbers[at + 2] = flush.upto;
    this.#numbers[at + 3] = flush.doneAt;
    this.#numbers[at + 4] = flush.delivered;
    this.#numbers[at + 5] = flush.slow;
    this.#numbers[at + 6] = flush.disconnected;
    this.#details[place] = details;
  }

  /** The flush with this offset, the newest first. */
  find(key: number, offset: number): { readonly flush: DoneFlush; readonly details: Details | undefined } | undefined {
    const oldest = Math.max(0, this.#added - this.#capacity);
    for (let number = this.#added - 1; number >= oldest; number--) {
      const place = number % this.#capacity;
      const at = place * width;
      const [after, upto] = [this.#numbers[at + 1] ?? 0, this.#numbers[at + 2] ?? 0];
      if (this.#numbers[at] !== key || offset <= after || offset > upto) continue;
      const flush = {
        after,
        upto,
        doneAt: this.#numbers[at + 3] ?? 0,
        delivered: this.#numbers[at + 4] ?? 0,
        slow: this.#numbers[at + 5] ?? 0,
        disconnected: this.#numbers[at + 6] ?? 0,
      };
      return { flush, details: this.#details[place] };
    }
    return undefined;
  }
}
