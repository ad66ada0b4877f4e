/**
 * Decides how many gateways the API server may evict: the credit counts the gateways that carry clients.
 *
 * - More gateways than desired may carry clients, as in a scale-down or a rollout. A credit below the desired number
 *   alone would let all of these go at once.
 * - A deleted or evicted gateway still moves its clients. While more than desired serve, or the operator replaces any,
 *   it uses up the credit until it is empty. Otherwise each eviction would lower the number by which the API server
 *   judges the next one.
 * - Readiness falls with the bus, for all gateways at the same time. A gateway that serves keeps its clients through
 *   that, so an unready pod is evicted only where enough others are ready (`IfHealthyBudget`). The stored budget must
 *   say so before the outage: no operator may be there when it begins. While no gateway serves, nobody has clients, and
 *   broken pods hold up no node (`AlwaysAllow`).
 * - The budget falls only as gateways stop being ready in the API server's own account. A marked gateway is still ready
 *   for a moment, and would count as one more that may go. The other way round needs no wait: the API server evicts
 *   nobody before it has seen the newest budget, and the budget rises before a gateway may become ready.
 */
import { isServable, pollOf, type ObservedGateway, type StoredBudget } from './observed.ts';
import { podsOf } from '../desired/amount.ts';

export interface EvictionBudget {
  /** Whole number of gateways; never negative. */
  readonly minAvailable: number;
  /** `unhealthyPodEvictionPolicy` of policy/v1. */
  readonly unhealthyPods: 'IfHealthyBudget' | 'AlwaysAllow';
}

/** @param crew.live gateways that neither leave nor have left, and are not known to be dead */
export function evictionBudget(
  maxUnavailable: number | string,
  desired: number,
  crew: {
    readonly live: readonly ObservedGateway[];
    /** Deleted gateways that still run and are waited for. */
    readonly leaving: readonly ObservedGateway[];
    /** Whether the operator itself takes gateways away, as in a rollout. */
    readonly isMoving: boolean;
    /** Uids of gateways that this plan lets serve. */
    readonly beginning: ReadonlySet<string>;
    /** Gateways that are ready and not deleted, marked ones too. */
    readonly ready: number;
  },
  stored: StoredBudget | undefined,
): EvictionBudget {
  const serving = crew.live.filter(
    (gateway) => isServable(gateway) && (gateway.serving === 'True' || crew.beginning.has(gateway.uid)),
  ).length;
  const leaving = crew.leaving.filter((gateway) => pollOf(gateway)?.connections !== 0).length;
  const credit = podsOf(maxUnavailable, Math.max(desired, serving), 'up');
  const isMoving = serving > desired || crew.isMoving;
  const used = isMoving ? Math.min(leaving, credit) : 0;
  const carriers = isMoving ? Math.max(desired, serving + used) : desired;
  const counted = Math.max(crew.ready, stored?.currentHealthy ?? 0);
  const held = Math.min(stored?.minAvailable ?? 0, counted - (credit - used));
  return {
    minAvailable: Math.max(0, carriers - credit, held),
    unhealthyPods: serving + leaving > 0 ? 'IfHealthyBudget' : 'AlwaysAllow',
  };
}
