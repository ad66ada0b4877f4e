/** Places for so many at one time; further ones wait, the first first. */
export class Turns {
  readonly #max: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Runs when there is a place.
   * @throws the signal's reason, where it came before a place
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#taken < this.#max) this.#taken++;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  /** Resolves with a place that somebody leaves. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(begin);
        reject(signal.reason);
      };
      const begin = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave);
      this.#waiting.add(begin);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
