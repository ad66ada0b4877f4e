import type { Clock } from '../core/clock.ts';

/** The part of a clock that the client needs. */
export type ClientClock = Pick<Clock, 'monotonic' | 'after'>;

/** Longest wait of a timer of the platform, in milliseconds. It counts in 31 bits: a longer wait would end at once. */
const waitMsMax = 2 ** 31 - 1;

/** The clock of a browser or of Node. */
export const platformClock: ClientClock = {
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, waitMsMax));
    return () => clearTimeout(timer);
  },
};
