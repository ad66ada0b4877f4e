import type { GatewayCounts } from './actions.ts';
import { hasEnded, isAvailable, pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';

/** How long an ended pod keeps its place, in milliseconds, so that a pod that can't run is not recreated in a loop. */
export const endedPodDelayMs = 30_000;
/** How long a deleted gateway counts as leaving after its deletion or its last answer, in milliseconds. */
const lastWordsMs = 10_000;

/** A pool's pods, sorted by their role in the plan. */
export interface Crew {
  /** Pods that neither leave nor have left, ready or not. An ended pod that keeps its place counts. */
  readonly live: readonly ObservedGateway[];
  readonly draining: readonly ObservedGateway[];
  /**
   * Deleted pods that still run and move their clients by themselves. They count only for the document and for
   * `maxConcurrentPods`.
   */
  readonly leaving: readonly ObservedGateway[];
  /** Ended pods that are to be deleted. */
  readonly ended: readonly ObservedGateway[];
}

export function sortCrew({ gateways, now }: ObservedPool): Crew {
  const standing = gateways.filter(({ isTerminating }) => !isTerminating);
  const ended = standing.filter((gateway) => hasEnded(gateway) && now >= (gateway.endedAt ?? gateway.createdAt) + endedPodDelayMs);
  const others = standing.filter((gateway) => !ended.includes(gateway));
  return {
    live: others.filter(({ drain }) => drain === undefined),
    draining: others.filter(({ drain }) => drain !== undefined),
    leaving: gateways.filter(({ isTerminating, isRunning }) => isTerminating && isRunning),
    ended,
  };
}

/**
 * How long a deleted gateway that still runs counts against `maxConcurrentPods`: the end of that time, in Unix
 * milliseconds. So gateways leave one after another even if one takes long. A gateway that has been silent for a while
 * is not waited for: nobody may ever report that its node is gone. A new operator has asked nobody yet, so the
 * deletion's time counts too.
 */
export function endsBy(gateway: ObservedGateway): number {
  return Math.max(pollOf(gateway)?.at ?? 0, gateway.deletedAt ?? 0) + lastWordsMs;
}

export function countsOf(crew: Crew, updateRevision: string): GatewayCounts {
  return {
    replicas: crew.live.length + crew.draining.length,
    ready: crew.live.filter(isAvailable).length,
    updated: crew.live.filter(({ revision }) => revision === updateRevision).length,
    draining: crew.draining.length,
  };
}
