import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { Density } from '../encoding/encoding.ts';

/** Publications a second of each density. */
const rates: Readonly<Record<Density, number>> = { full: Infinity, dense50: 50, dense20: 20, dense5: 5 };

/** The least density that a client may ask for, in publications a second. */
export const densityMin = rates.dense5;

/**
 * The largest density within the rate that a client asks for, in publications a second. `undefined` = all that the
 * policy allows.
 */
export function densityFor(asked: number | undefined, policy: ChannelPolicy): Density {
  if (asked === undefined || asked >= (policy.budget.publicationsPerSecond ?? Infinity)) return 'full';
  if (asked >= rates.dense50) return 'dense50';
  return asked >= rates.dense20 ? 'dense20' : 'dense5';
}

/** Most publications a second of a density under a policy; `undefined` = no bound. */
export function rateOf(density: Density, policy: ChannelPolicy): number | undefined {
  const rate = Math.min(rates[density], policy.budget.publicationsPerSecond ?? Infinity);
  return rate === Infinity ? undefined : rate;
}

/** Burst of a budget: one second's worth. A budget protects readers, and an idle reader can read a burst. */
export function burstOf(ratePerSecond: number): number {
  return ratePerSecond === Infinity ? 0 : Math.max(1, ratePerSecond);
}
