/**
 * Decides what the log tells of a rollout: its beginning, each quarter of the replaced gateways, and its end. A quarter
 * is told once, so a gateway that comes and goes writes nothing.
 */
import type { RolloutState } from './rollout.ts';
import { hasEnded, isAvailable, type ObservedPool } from './observed.ts';

/** A rollout under way. */
export interface RolloutMemory {
  readonly revision: string;
  /** When it began, or was found, in milliseconds of the monotonic clock. */
  readonly since: number;
  /** Quarters of the desired gateways that were replaced at most: 0 to 4. */
  readonly quarters: number;
}

export interface RolloutProgress {
  /** `resumed`: it began under an earlier operator, or while none ran. */
  readonly kind: 'began' | 'resumed' | 'progressed' | 'ended';
  readonly revision: string;
  /** Ready gateways of the new revision. */
  readonly replaced: number;
  /** Gateways of older revisions that are left. */
  readonly old: number;
  readonly desired: number;
  readonly seconds: number;
}

/**
 * @param before `undefined` after a start of the operator, `none` without a rollout
 * @returns the memory for the next call, and what has happened since the last one
 */
export function rolloutProgress(
  before: RolloutMemory | 'none' | undefined,
  { gateways, updateRevision: revision, monotonic: now }: Pick<ObservedPool, 'gateways' | 'updateRevision' | 'monotonic'>,
  { state, desired }: { readonly state: RolloutState['state']; readonly desired: number },
): { readonly memory: RolloutMemory | 'none'; readonly progress: RolloutProgress | undefined } {
  const standing = gateways.filter((gateway) => !gateway.isTerminating && !hasEnded(gateway));
  const old = standing.filter((gateway) => gateway.revision !== revision).length;
  const replaced = standing.filter((gateway) => gateway.revision === revision && isAvailable(gateway)).length;
  const known = before === 'none' || before?.revision !== revision ? undefined : before;
  const since = known?.since ?? now;
  const told = (kind: RolloutProgress['kind']): RolloutProgress => ({
    kind,
    revision,
    replaced,
    old,
    desired,
    seconds: Math.round((now - since) / 1000),
  });
  if (known === undefined && old === 0) {
    // A template that was taken back ends its rollout with the old revision.
    const isOver = typeof before === 'object';
    return { memory: 'none', progress: isOver ? told('ended') : undefined };
  }
  if (known === undefined) return { memory: { revision, since, quarters: 0 }, progress: told(before === undefined ? 'resumed' : 'began') };
  if (old === 0 && state === 'complete') return { memory: 'none', progress: told('ended') };
  const quarters = Math.min(3, Math.floor((4 * replaced) / Math.max(1, desired)));
  if (quarters <= known.quarters) return { memory: known, progress: undefined };
  return { memory: { ...known, quarters }, progress: told('progressed') };
}
