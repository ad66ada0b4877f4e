interface Due {
  readonly key: string;
  readonly at: number;
}

/** Keys with one time each, earliest first. An earlier time replaces a key's time; a later one is ignored. */
export class DueHeap {
  /** The times in force. A heap entry with another time is void, and is skipped when it comes up. */
  readonly #times = new Map<string, number>();
  readonly #heap: Due[] = [];

  set(key: string, at: number): void {
    const present = this.#times.get(key);
    if (present !== undefined && present <= at) return;
    this.#times.set(key, at);
    this.#heap.push({ key, at });
    this.#rise(this.#heap.length - 1);
  }

  /** The earliest time; `undefined` without keys. */
  earliest(): number | undefined {
    this.#dropVoid();
    return this.#heap[0]?.at;
  }

  /** Takes the earliest key whose time has come. */
  take(now: number): string | undefined {
    this.#dropVoid();
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#removeFirst();
    this.#times.delete(first.key);
    return first.key;
  }

  #dropVoid(): void {
    for (let first = this.#heap[0]; first !== undefined && this.#times.get(first.key) !== first.at; first = this.#heap[0])
      this.#removeFirst();
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= this.#at(index)) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(index) <= this.#at(smaller)) return;
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Infinity;
  }

  #swap(one: number, other: number): void {
    const kept = this.#heap[one] as Due;
    this.#heap[one] = this.#heap[other] as Due;
    this.#heap[other] = kept;
  }
}
