/**
 * Replaces gateways of an older revision: surge first, then drain, so that the available gateways never fall below the
 * desired number.
 *
 * 1. `surgeOf`: the number of extra gateways while old ones exist.
 * 2. `retirable`: the old gateways that may leave now. An idle one leaves at once. An available one leaves when enough
 *    others are available. A broken one with connections leaves when the new revision has shown that it works.
 *
 * With host ports a new gateway may wait for an old one to leave its node. Then old ones go first, as many as
 * `maxUnavailable` allows. On a memory bus there is no surge: the old gateway ends before the new one is created.
 */
import { isAvailable, isIdle, type ObservedGateway } from './observed.ts';
import { victimOrder } from './victims.ts';
import type { GatewayPoolSpec } from '../api/gateway-pool.ts';
import { podsOf } from '../desired/amount.ts';

export interface RolloutState {
  readonly state: 'complete' | 'progressing' | 'waiting' | 'on-delete';
  /** With numbers, for the condition Progressing. */
  readonly message: string;
}

export interface RolloutInput {
  readonly spec: Pick<GatewayPoolSpec, 'updateStrategy' | 'disruption' | 'bus'>;
  readonly desired: number;
  readonly updateRevision: string;
  /** Gateways that neither leave nor have left. */
  readonly live: readonly ObservedGateway[];
}

/** Extra gateways above the desired number: at least one where no other rule lets a rollout proceed. */
export function surgeOf({ spec, desired, updateRevision, live }: RolloutInput): number {
  if (spec.updateStrategy.type === 'OnDelete') return 0;
  const old = live.filter(({ revision }) => revision !== updateRevision).length;
  return Math.min(surgeMax(spec, desired), old, desired);
}

/**
 * Old gateways that may leave now, in order. The caller bounds how many leave at once.
 * @param leaving gateways that leave already
 */
export function retirable(input: RolloutInput, leaving: ReadonlySet<ObservedGateway>): readonly ObservedGateway[] {
  const { spec, desired, updateRevision } = input;
  if (spec.updateStrategy.type === 'OnDelete') return [];
  const live = input.live.filter((gateway) => !leaving.has(gateway));
  const current = live.filter(({ revision }) => revision === updateRevision);
  const surges = surgeMax(spec, desired) > 0;
  const hasShownToWork = current.every(isAvailable) && (!surges || current.length > 0);
  const floor =
    surges && !current.some(lacksPort)
      ? desired
      : Math.max(0, desired - Math.max(1, podsOf(spec.disruption.maxUnavailable, desired, 'down')));
  let available = live.filter(isAvailable).length;
  const chosen: ObservedGateway[] = [];
  for (const gateway of victimOrder(live, updateRevision)) {
    if (gateway.revision === updateRevision) continue;
    if (isAvailable(gateway)) {
      if (available - 1 < floor) continue;
      available -= 1;
    } else if (!isIdle(gateway) && !hasShownToWork) continue;
    chosen.push(gateway);
  }
  return chosen;
}

export function rolloutState(input: RolloutInput, draining: readonly ObservedGateway[]): RolloutState {
  const { live, updateRevision, desired, spec } = input;
  const old = live.filter(({ revision }) => revision !== updateRevision).length;
  const updated = live.length - old;
  const available = live.filter((gateway) => gateway.revision === updateRevision && isAvailable(gateway)).length;
  const leaving = draining.filter(({ revision }) => revision !== updateRevision).length;
  if (old > 0 && spec.updateStrategy.type === 'OnDelete')
    return {
      state: 'on-delete',
      message: `${old} of ${live.length} gateways are of an older revision; updateStrategy OnDelete replaces each when you delete it`,
    };
  if (old + leaving > 0) {
    const message = `${updated} of ${desired} gateways are of the new revision, ${available} of them ready; ${old} old ${old === 1 ? 'one is' : 'ones are'} left, ${leaving} draining`;
    return { state: updated > available && leaving === 0 ? 'waiting' : 'progressing', message };
  }
  if (live.length !== desired || available < desired)
    return { state: 'progressing', message: `${available} of ${desired} gateways are ready, ${live.length} exist` };
  return { state: 'complete', message: `${desired} of ${desired} gateways are ready and up to date` };
}

/** Whether the scheduler found the host port taken on every node. */
function lacksPort({ obstacle }: ObservedGateway): boolean {
  return obstacle?.reason === 'Unschedulable' && obstacle.message.includes("didn't have free ports");
}

/**
 * Whether the bus joins several gateways. A memory bus does not: clients of one gateway would miss the publications of
 * another.
 */
export function joinsGateways({ bus }: Pick<GatewayPoolSpec, 'bus'>): boolean {
  return bus.type !== 'Memory';
}

function surgeMax(spec: RolloutInput['spec'], desired: number): number {
  if (!joinsGateways(spec)) return 0;
  const { updateStrategy, disruption } = spec;
  const surge = podsOf(updateStrategy.maxSurge, desired, 'up');
  return surge === 0 && podsOf(disruption.maxUnavailable, desired, 'down') === 0 ? 1 : surge;
}
