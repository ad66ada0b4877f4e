/**
 * The time of a process, handed in as one thing: a test or a simulation owns all of it. Each timer returns how to call
 * it off.
 */
export interface Clock {
  /** Milliseconds that never go back; the zero means nothing. For windows, budgets, rates, idle times and deadlines. */
  monotonic(): number;
  /**
   * Whole milliseconds since the Unix epoch, by the machine's clock, which may be set forward and back at any time.
   * For what is stamped on one machine and judged on another (the age of a publication), and for what people read.
   */
  wall(): number;
  /** Runs `callback` once, after `ms` milliseconds. */
  after(ms: number, callback: () => void): () => void;
  /** Runs `callback` every `ms` milliseconds. */
  every(ms: number, callback: () => void): () => void;
  /** Runs `callback` once, after the input and output that is at hand. */
  soon(callback: () => void): () => void;
}
