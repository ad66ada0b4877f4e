import { withoutCredentials } from '../../core/credentials.ts';
import type { GatewayPoolStatusCondition } from '../api/gateway-pool-status.ts';

/** `metav1.Condition`, as in both kinds. */
export type Condition = GatewayPoolStatusCondition;

/** A condition's present state. Its transition time follows from a comparison with the stored one. */
export interface ConditionDraft {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, never empty. */
  readonly reason: string;
  /** For people. It holds no figures that move with the load: each change is a write. */
  readonly message: string;
}

/** Bound of a message. */
const messageCharactersMax = 2000;

/**
 * The conditions to store: every draft, in order, with the time of its last flip. Stored types without a draft are left
 * out: the apply removes ours and keeps those of other managers.
 * @param now Unix milliseconds
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
      message: withoutCredentials(draft.message).slice(0, messageCharactersMax),
    };
  });
}

/** RFC 3339 with whole seconds, as the API server keeps times. */
export function timeText(now: number): string {
  return new Date(now).toISOString().replace(/\.[0-9]{3}Z$/, 'Z');
}

/** The stored conditions. An older version may have left any value there. */
export function storedConditions({ conditions }: { readonly conditions?: unknown }): readonly Condition[] {
  return Array.isArray(conditions) ? conditions.filter((each): each is Condition => typeof each === 'object' && each !== null) : [];
}
