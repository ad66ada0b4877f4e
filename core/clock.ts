/**
 * The time of a process, handed in as one thing, so that a test or a simulation controls all of it. Each timer returns
 * a function that cancels it.
 */
export interface Clock {
  /** Milliseconds that never go back, from an arbitrary zero. For windows, budgets, rates, idle times and deadlines. */
  monotonic(): number;
  /**
   * Whole milliseconds since the Unix epoch, by the machine's clock, which may jump forward and back. For times that
   * another machine judges (the age of a publication), and for people.
   */
  wall(): number;
  /** Runs `callback` once, after `ms` milliseconds. */
  after(ms: number, callback: () => void): () => void;
  /** Runs `callback` every `ms` milliseconds. */
  every(ms: number, callback: () => void): () => void;
  /** Runs `callback` once, after pending input and output. */
  soon(callback: () => void): () => void;
}
