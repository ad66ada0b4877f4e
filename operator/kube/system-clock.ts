import type { Clock } from '../runtime/clock.ts';

/** The machine's clocks. Timers hold the process: who stops calls them off. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after: (ms, run) => {
    // Longer ones would end at once: the platform counts in 31 bits.
    const timer = setTimeout(run, Math.min(ms, 2_147_483_647));
    return () => clearTimeout(timer);
  },
};
