import { storedConditions, type ConditionDraft } from './conditions.ts';
import type { PoolConditionType } from './pool-conditions.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/**
 * Least time between two flips of a condition that follows the load, in milliseconds. The load moves around a threshold
 * all the time, and each flip is a write.
 */
export const leastMs: Partial<Readonly<Record<PoolConditionType, number>>> = { ScalingLimited: 60_000, PlacementBalanced: 60_000 };

/** The drafts to store. `reviewAfterMs`: when a flip that was held back must be judged again, in milliseconds. */
export interface SteadyConditions {
  readonly conditions: readonly ConditionDraft[];
  readonly reviewAfterMs: number | undefined;
}

/**
 * Holds back flips that come too soon. A change of the spec counts at once, and so does a stored time in the future:
 * another operator's clock may differ.
 * @param now Unix milliseconds
 */
export function steadyConditions({ metadata, status }: GatewayPool, drafts: readonly ConditionDraft[], now: number): SteadyConditions {
  const stored = storedConditions(status ?? {});
  let reviewAfterMs: number | undefined;
  const conditions = drafts.map((draft): ConditionDraft => {
    const before = stored.find(({ type }) => type === draft.type);
    const least = leastMs[draft.type as PoolConditionType];
    if (before === undefined || least === undefined || before.status === draft.status) return draft;
    const ageMs = now - Date.parse(before.lastTransitionTime);
    const isDue = !(ageMs >= 0 && ageMs < least);
    if (isDue || before.observedGeneration !== metadata.generation || !isStatus(before.status)) return draft;
    reviewAfterMs = Math.min(reviewAfterMs ?? Infinity, least - ageMs);
    return { type: draft.type, status: before.status, reason: before.reason, message: before.message };
  });
  return { conditions, reviewAfterMs };
}

function isStatus(text: string): text is ConditionDraft['status'] {
  return text === 'True' || text === 'False' || text === 'Unknown';
}
