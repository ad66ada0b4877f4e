interface Event {
  readonly at: number;
  readonly order: number;
  readonly happen: () => void;
}

/**
 * Events in the order of their time, then of their making: a binary heap, for crowds of tens of thousands. Time is in
 * milliseconds.
 */
export class Timeline {
  readonly #heap: Event[] = [];
  #order = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  /** `happen` is called after `ms` milliseconds. */
  after(ms: number, happen: () => void): void {
    const event = { at: this.#now + ms, order: this.#order++, happen };
    const heap = this.#heap;
    let place = heap.length;
    for (let above = (place - 1) >> 1; place > 0 && isBefore(event, heap[above]); above = (place - 1) >> 1) {
      heap[place] = heap[above] as Event;
      place = above;
    }
    heap[place] = event;
  }

  /** Lets everything happen, also what is made meanwhile. */
  run(): void {
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      this.#now = next.at;
      next.happen();
    }
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below])) below++;
      if (below >= heap.length || !isBefore(heap[below] as Event, last)) break;
      heap[place] = heap[below] as Event;
      place = below;
    }
    heap[place] = last;
    return first;
  }
}

function isBefore(one: Event, other: Event | undefined): boolean {
  return other !== undefined && (one.at < other.at || (one.at === other.at && one.order < other.order));
}
