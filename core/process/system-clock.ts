import type { Clock } from '../clock.ts';

/** Longest wait of a timer of the platform, in milliseconds: it counts in 31 bits, and a longer wait would end at once. */
const waitMsMax = 2_147_483_647;

/** The machine's clocks. A timer keeps the process alive until it is called off. */
export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, waitMsMax));
    return () => clearTimeout(timer);
  },
  every(ms, callback) {
    const timer = setInterval(callback, Math.min(ms, waitMsMax));
    return () => clearInterval(timer);
  },
  soon(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
};
