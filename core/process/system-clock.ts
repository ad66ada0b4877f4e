import type { Clock } from '../clock.ts';

/** Longest wait of a platform timer, in milliseconds. It counts in 31 bits, and a longer wait would end at once. */
export const waitMsMax = 2_147_483_647;

/**
 * The machine's clocks. A timer keeps the process alive until it is cancelled. A wait may have any length: a long one
 * is split into parts.
 */
export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after: (ms, callback) => afterInParts(ms, callback, platformTimer),
  every(ms, callback) {
    let cancel = (): void => {};
    if (ms <= waitMsMax) {
      const timer = setInterval(callback, ms);
      return () => clearInterval(timer);
    }
    const again = (): void => {
      cancel = systemClock.after(ms, () => {
        again();
        callback();
      });
    };
    again();
    return () => cancel();
  },
  soon(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
};

/** Runs `callback` after at most `waitMsMax`; returns a function that cancels it. */
type Timer = (ms: number, callback: () => void) => () => void;

function platformTimer(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

/** `Clock.after` for a wait of any length on a timer that takes only `waitMsMax`. An infinite wait never ends. */
export function afterInParts(ms: number, callback: () => void, timer: Timer): () => void {
  if (!(ms > waitMsMax)) return timer(ms, callback);
  let cancel = timer(waitMsMax, () => {
    cancel = afterInParts(ms - waitMsMax, callback, timer);
  });
  return () => cancel();
}
