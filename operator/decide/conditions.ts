import type { GatewayPoolStatusCondition } from '../api/gateway-pool.ts';

/** `metav1.Condition`, as both kinds have it. */
export type Condition = GatewayPoolStatusCondition;

/** What is so now; when it became so is found by comparison with what is stored. */
export interface ConditionDraft {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, never empty. */
  readonly reason: string;
  /** In words for people; without figures that change all the time, since each change is a write. */
  readonly message: string;
}

/** Of a message, at most. */
const messageCharactersMax = 2000;

/**
 * The conditions to store: every draft, in its order, with the time of its last flip. Conditions of types that nobody
 * drafts are not among them: an apply takes back those that were ours, and leaves those of others.
 * @param now milliseconds since 1970
 */
export function nextConditions(
  stored: readonly Condition[],
  drafts: readonly ConditionDraft[],
  { now, generation }: { readonly now: number; readonly generation: number },
): readonly Condition[] {
  return drafts.map((draft) => {
    const before = stored.find(({ type }) => type === draft.type);
    const flips = before?.status !== draft.status;
    return {
      type: draft.type,
      status: draft.status,
      observedGeneration: generation,
      lastTransitionTime: flips ? timeText(now) : before.lastTransitionTime,
      reason: draft.reason,
      message: draft.message.slice(0, messageCharactersMax),
    };
  });
}

/** RFC 3339 with whole seconds, as the API server keeps times. */
export function timeText(now: number): string {
  return new Date(now).toISOString().replace(/\.[0-9]{3}Z$/, 'Z');
}
