import type { Clock } from '../../core/clock.ts';

/** What the wall clock shows at first, in Unix milliseconds. */
const startedAt = 1_800_000_000_000;

interface Due {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that moves only by `advance`, by a test that sets `time`, or by a callback that takes its time; never back.
 * Timers fire in the order of their time, then of their making.
 */
export class FakeClock implements Clock {
  /** Milliseconds of the monotonic clock. */
  time = 0;
  /** How far the machine's wall clock, which may be set to anything, is ahead. */
  wallAheadMs = 0;
  #order = 0;
  readonly #due = new Set<Due>();

  monotonic(): number {
    return this.time;
  }

  wall(): number {
    return startedAt + this.time + this.wallAheadMs;
  }

  after(ms: number, callback: () => void): () => void {
    return this.#add(this.time + ms, callback);
  }

  every(ms: number, callback: () => void): () => void {
    let cancel = (): void => {};
    const again = (): void => {
      cancel = this.#add(this.time + ms, () => {
        again();
        callback();
      });
    };
    again();
    return () => cancel();
  }

  soon(callback: () => void): () => void {
    return this.#add(this.time, callback);
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#due.size;
  }

  /** Fires everything that is due within the next milliseconds, and lets promises settle before each and at the end. */
  async advance(ms: number, settle: () => Promise<void> = settleMicrotasks): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      await settle();
      let next: Due | undefined;
      for (const due of this.#due) {
        if (due.at <= until && (next === undefined || due.at < next.at || (due.at === next.at && due.order < next.order))) next = due;
      }
      if (next === undefined) break;
      this.#due.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = Math.max(this.time, until);
    await settle();
  }

  #add(at: number, callback: () => void): () => void {
    const due = { at, order: this.#order++, callback };
    this.#due.add(due);
    return () => this.#due.delete(due);
  }
}

/** Lets pending promises run; the data plane's chains are shorter than this. */
async function settleMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}

/** Lets everything that can go on without time passing go on. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
