/** The time of a process, passed in so that a simulation can bring its own. Each returns how to cancel. */
export interface Timers {
  readonly after: (milliseconds: number, callback: () => void) => () => void;
  readonly every: (milliseconds: number, callback: () => void) => () => void;
  /** After the input and output that is at hand. */
  readonly soon: (callback: () => void) => () => void;
}

export const systemTimers: Timers = {
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
  every(milliseconds, callback) {
    const timer = setInterval(callback, milliseconds);
    return () => clearInterval(timer);
  },
  soon(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
};
