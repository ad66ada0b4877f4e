import type { Timers } from '../../gateway/timers.ts';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when told to, by `advance` or by a callback that takes its time, and never back; timers fire in the order of their time, then of their making. */
export class FakeClock {
  now = 1_800_000_000_000;
  /** What the machines' own clocks, which may be set to anything, are ahead of it. */
  wallAheadMs = 0;
  #order = 0;
  readonly #due = new Set<Due>();
  readonly timers: Timers = {
    after: (milliseconds, callback) => this.#add(this.now + milliseconds, callback),
    every: (milliseconds, callback) => {
      let cancel = (): void => {};
      const again = (): void => {
        cancel = this.#add(this.now + milliseconds, () => {
          again();
          callback();
        });
      };
      again();
      return () => cancel();
    },
    soon: (callback) => this.#add(this.now, callback),
  };

  /** The machines' own clocks: milliseconds since the Unix epoch. */
  get wall(): number {
    return this.now + this.wallAheadMs;
  }

  /** Fires everything that is due within the next milliseconds, letting promises settle after each. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.now + milliseconds;
    for (;;) {
      await settle();
      let next: Due | undefined;
      for (const due of this.#due) {
        if (due.at <= until && (next === undefined || due.at < next.at || (due.at === next.at && due.order < next.order))) next = due;
      }
      if (next === undefined) break;
      this.#due.delete(next);
      this.now = Math.max(this.now, next.at);
      next.callback();
    }
    this.now = Math.max(this.now, until);
  }

  #add(at: number, callback: () => void): () => void {
    const due = { at, order: this.#order++, callback };
    this.#due.add(due);
    return () => this.#due.delete(due);
  }
}

/** Lets pending promises run; the product's chains are shorter than this. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}
