/**
 * Remembers which channels changed with which of a pool's policies. So a gateway with older policies is known to have
 * all channels but the changed ones, and one edit changes one status.
 */
import type { PoolPolicies } from './policies.ts';

/** Policies of a pool in the order in which the operator made them, numbered from 1. */
export interface PolicyHistory {
  /** Number of the present policies. */
  readonly present: number;
  /** Number of the policies with this hash, the latest where they came back. The oldest first. */
  readonly numbers: ReadonlyMap<string, number>;
  /** By uid of an accepted channel: its generation, and the number of the first policies that hold it as it is. */
  readonly since: ReadonlyMap<string, ChannelEntry>;
}

interface ChannelEntry {
  readonly generation: number;
  readonly number: number;
}

/** Bound of the remembered hashes. A pod with older policies counts as one whose policies are not known. */
const hashesMax = 64;

/** @param before `undefined` after a start of the operator */
export function nextHistory(before: PolicyHistory | undefined, { hash, verdicts }: Pick<PoolPolicies, 'hash' | 'verdicts'>): PolicyHistory {
  const known = before?.numbers ?? new Map<string, number>();
  const isSame = before !== undefined && known.get(hash) === before.present;
  const present = isSame ? before.present : (before?.present ?? 0) + 1;
  const since = new Map<string, ChannelEntry>();
  for (const { accepted, channel } of verdicts) {
    if (!accepted) continue;
    const { uid, generation } = channel.metadata;
    const entry = before?.since.get(uid);
    since.set(uid, entry?.generation === generation ? entry : { generation, number: present });
  }
  if (isSame) return { present, numbers: known, since };
  const others = [...known].filter(([each]) => each !== hash).slice(1 - hashesMax);
  return { present, numbers: new Map([...others, [hash, present]]), since };
}

/** What the pods that serve have of a pool's policies. */
export interface PolicySpread {
  /** Number of the oldest known policies that a pod has; `Infinity` without such a pod. */
  readonly oldest: number;
  /** Whether a pod has policies that this history does not know, or has not answered yet. */
  readonly hasUnknown: boolean;
}

/** @param hashes `policiesHash` of each pod that serves; `undefined` where it has not answered */
export function spreadOf({ numbers }: PolicyHistory, hashes: readonly (string | undefined)[]): PolicySpread {
  const known = hashes.map((hash) => (hash === undefined ? undefined : numbers.get(hash)));
  return {
    oldest: known.reduce<number>((least, number) => Math.min(least, number ?? Infinity), Infinity),
    hasUnknown: known.includes(undefined),
  };
}
