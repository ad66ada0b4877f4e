import type { RememberedKey } from '../idempotency-key.ts';

/** Most keys that are forgotten in one call: more than one append can bring, and a millisecond's work. */
const forgottenAtOnceMax = 1000;

interface Kept extends RememberedKey {
  readonly until: number;
}

/** Keys with one window: in the order in which they end. */
interface Queue {
  ids: { readonly id: string; readonly until: number }[];
  /** Those before this index are forgotten. They are dropped together, so that each costs little. */
  begin: number;
}

/** The idempotency keys that a bus in memory remembers, each for its window. Times are monotonic milliseconds. */
export class RememberedKeys {
  readonly #kept = new Map<string, Kept>();
  /** By window, in milliseconds. */
  readonly #queues = new Map<number, Queue>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  find(id: string, now: number): RememberedKey | undefined {
    const kept = this.#kept.get(id);
    return kept === undefined || kept.until <= now ? undefined : kept;
  }

  /** The number of keys for which there is room. @param max a lower bound than the table's own */
  room(now: number, max = this.#max): number {
    this.#forget(now);
    return Math.min(max, this.#max) - this.#kept.size;
  }

  /** Remembers a key that `find` does not know. */
  add(id: string, remembered: RememberedKey, { now, windowMs }: { readonly now: number; readonly windowMs: number }): void {
    const until = now + windowMs;
    this.#kept.set(id, { content: remembered.content, place: remembered.place, until });
    const queue = this.#queues.get(windowMs);
    if (queue === undefined) this.#queues.set(windowMs, { ids: [{ id, until }], begin: 0 });
    else queue.ids.push({ id, until });
  }

  #forget(now: number): void {
    let left = forgottenAtOnceMax;
    for (const [windowMs, queue] of this.#queues) {
      for (let next = queue.ids[queue.begin]; next !== undefined && next.until <= now && left > 0; next = queue.ids[queue.begin]) {
        queue.begin++;
        left--;
        // The same key may have come again since: then it ends later.
        if (this.#kept.get(next.id)?.until === next.until) this.#kept.delete(next.id);
      }
      if (queue.begin === queue.ids.length) this.#queues.delete(windowMs);
      else if (queue.begin > queue.ids.length / 2) {
        queue.ids = queue.ids.slice(queue.begin);
        queue.begin = 0;
      }
    }
  }
}
