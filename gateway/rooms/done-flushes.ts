/** Result of a finished flush, summed over the classes of its room. */
export interface DoneFlush {
  /** The span `(after, upto]` of offsets. */
  readonly after: number;
  readonly upto: number;
  /** End of the flush by the monotonic clock, in milliseconds. */
  readonly doneAt: number;
  readonly delivered: number;
  readonly slow: number;
  readonly disconnected: number;
}

/** Most finished flushes that a gateway remembers, for all rooms together. */
export const doneFlushesMax = 16_384;

const columns = ['key', 'after', 'upto', 'doneAt', 'delivered', 'slow', 'disconnected'] as const;
const width = columns.length;

/**
 * The last finished flushes of all rooms, as numbers in a ring. A flush allocates nothing, and one room takes as much
 * memory as 10,000. Details that don't fit these numbers are kept beside them.
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

  /** A number for one epoch of one room: offsets of different epochs can't be compared. */
  newKey(): number {
    return this.#keys++;
  }

  /** @param details present when some of the flush is still under way, or was left out for a class */
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

  /** The newest flush with this offset. */
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
