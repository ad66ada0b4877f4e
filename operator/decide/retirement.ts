import { counted } from '../../core/counted.ts';
import { podsOf } from '../desired/amount.ts';
import { reference, removal, type PoolAction } from './actions.ts';
import { endsBy, type Crew } from './crew.ts';
import { drainDeadline, drainState } from './drain.ts';
import { isAvailable, isIdle, isServable, owesFirstAnswer, pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';
import { joinsGateways, retirable, type RolloutInput } from './rollout.ts';

/** Bound of deletions of idle pods in one plan. */
const removalsMax = 64;

/** What becomes of the gateways that are to leave. */
export interface Retirement {
  /** Deletions without a drain. */
  readonly removals: readonly PoolAction[];
  readonly marks: readonly PoolAction[];
  /** Gateways that are not live any more after these actions. */
  readonly gone: ReadonlySet<ObservedGateway>;
  /** Of these, the ones that drain. */
  readonly marked: readonly ObservedGateway[];
}

/**
 * Retires surplus gateways, then old ones. Idle gateways are deleted at once. The others drain, at most
 * `maxConcurrentPods` at a time.
 */
export function retire(rollout: RolloutInput, crew: Crew, observed: ObservedPool, surplus: ReadonlySet<ObservedGateway>): Retirement {
  const { pool, now } = observed;
  // A share of the existing gateways, not of the desired number, which may be 0.
  const concurrent = Math.max(1, podsOf(pool.spec.drain.maxConcurrentPods, crew.live.length + crew.draining.length, 'up'));
  // A drained pod that nobody may delete holds no place.
  const draining = crew.draining.filter((gateway) => {
    const { state } = drainState(gateway, pool.spec.drain, now);
    return !(rollout.refused.has(gateway.name) && (state === 'empty' || state === 'overdue'));
  });
  let places = concurrent - draining.length - crew.leaving.filter((gateway) => endsBy(gateway) > now).length;
  // The order of leaving is by load: it waits until every serving gateway has had its time to tell it.
  const isUnheard = crew.live.some((gateway) => isServable(gateway) && gateway.serving === 'True' && owesFirstAnswer(gateway, now));
  const removals: PoolAction[] = [];
  const marks: PoolAction[] = [];
  const gone = new Set<ObservedGateway>();
  const marked: ObservedGateway[] = [];
  const old = retirable(rollout, surplus).map((gateway) => ({ gateway, why: 'replaced' as const }));
  const leaving = [...[...surplus].map((gateway) => ({ gateway, why: 'surplus' as const })), ...old];
  for (const { gateway, why } of leaving) {
    if (!isAvailable(gateway) && isIdle(gateway)) {
      if (removals.length >= removalsMax) continue;
      const words = why === 'surplus' ? 'is not needed' : 'is of an older revision';
      removals.push(removal(gateway, 'PodRemoved', `${gateway.name} serves nobody and ${words}`));
    } else if (why === 'replaced' && !joinsGateways(pool.spec)) {
      // No other gateway could take its clients.
      removals.push(
        removal(gateway, 'PodReplaced', `${gateway.name} is of an older revision; on a memory bus the next one is created when it is gone`),
      );
    } else {
      if (places <= 0 || isUnheard) continue;
      places -= 1;
      marked.push(gateway);
      marks.push(mark(observed, gateway, why, now));
    }
    gone.add(gateway);
  }
  return { removals, marks, gone, marked };
}

function mark(observed: ObservedPool, gateway: ObservedGateway, why: 'surplus' | 'replaced', now: number): PoolAction {
  const connections = pollOf(gateway)?.connections;
  const load = connections === undefined ? 'an unknown number of connections' : counted(connections, 'connection');
  const difference = observed.updateDifference === undefined ? '' : `: ${observed.updateDifference}`;
  const message =
    why === 'surplus'
      ? `${gateway.name} leaves with ${load}: it is not needed any more`
      : `${gateway.name} leaves with ${load}: it is of revision ${gateway.revision || '(none)'}, not ${observed.updateRevision}${difference}`;
  return {
    kind: 'mark-draining',
    pod: reference(gateway),
    startedAt: now,
    deadlineAt: drainDeadline(now, observed.pool.spec.drain),
    event: { type: 'Normal', reason: why === 'surplus' ? 'ScaleDownStarted' : 'PodDrainStarted', message },
  };
}
