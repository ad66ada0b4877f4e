import type { ClientClock } from '../../client/client-clock.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
  cancel: () => void;
}

/** The real clock of a client, with a button that skips time: timers that fall into it fire at once. */
export class SkippingClock implements ClientClock {
  readonly #timers = new Set<Timer>();
  #skippedMs = 0;

  monotonic(): number {
    return performance.now() + this.#skippedMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer: Timer = {
      at: this.monotonic() + ms,
      run: () => {
        this.#timers.delete(timer);
        callback();
      },
      cancel: () => {},
    };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  skip(ms: number): void {
    this.#skippedMs += ms;
    for (const timer of this.#timers) {
      timer.cancel();
      this.#arm(timer);
    }
  }

  #arm(timer: Timer): void {
    const handle = setTimeout(timer.run, Math.min(2 ** 31 - 1, Math.max(0, timer.at - this.monotonic())));
    timer.cancel = (): void => clearTimeout(handle);
  }
}
