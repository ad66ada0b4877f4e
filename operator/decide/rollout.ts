/**
 * Replaces gateways of an older revision: surge first, then drain, so that the available gateways never fall below the
 * desired number.
 *
 * 1. `surgeOf`: the number of extra gateways while old ones exist.
 * 2. `retirable`: the old gateways that may leave now. An idle one leaves at once. An available one leaves when enough
 *    others are available. A broken one with connections leaves when the new revision has shown that it works.
 *
 * A new gateway may find no room: no free host port, no node that takes it, or a quota. Then old ones go first, as far
 * as `disruption.maxUnavailable` allows. On a memory bus there is no surge: the old gateway ends before the new one is
 * created.
 */
import { partIs } from '../../core/counted.ts';
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
  /** The revision that was complete last, where gateways can be made of it. */
  readonly keptRevision: string | undefined;
  /** Gateways that neither leave nor have left. */
  readonly live: readonly ObservedGateway[];
  /** Names of pods that can't be changed. They stay. */
  readonly refused: ReadonlySet<string>;
  /** Unix milliseconds. */
  readonly now: number;
  /** Whether a quota refuses another gateway while none is leaving. */
  readonly quotaRefuses: boolean;
}

/**
 * How long a new gateway looks for a node before an old one makes room for it, in milliseconds: a leaving gateway frees
 * its node in that time, and some autoscalers add one.
 */
const roomAfterMs = 60_000;

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
  const missing = missingMax(input, current);
  const floor = Math.max(0, desired - missing);
  // Without one that waits already, one starting gateway of the kept revision may make room.
  let placesToMake = current.length === 0 && missing > 0 ? 1 : 0;
  let available = live.filter(isAvailable).length;
  const chosen: ObservedGateway[] = [];
  for (const gateway of victimOrder(live, updateRevision)) {
    if (gateway.revision === updateRevision || input.refused.has(gateway.name)) continue;
    if (isAvailable(gateway)) {
      if (available - 1 < floor) continue;
      available -= 1;
    } else if (!isIdle(gateway)) {
      if (!hasShownToWork) continue;
    } else if (gateway.revision === input.keptRevision && !isProven(current)) {
      // It replaces a lost gateway, and would be made again.
      if (placesToMake === 0) continue;
      placesToMake -= 1;
    }
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
      message: `${partIs(old, live.length, 'gateway')} of an older revision; updateStrategy OnDelete replaces each when you delete it`,
    };
  if (old + leaving > 0) {
    const message = `${partIs(updated, desired, 'gateway')} of the new revision, ${available} of them ready; ${old} old ${old === 1 ? 'one is' : 'ones are'} left, ${leaving} draining`;
    return { state: updated > available && leaving === 0 ? 'waiting' : 'progressing', message };
  }
  if (live.length !== desired || available < desired)
    return {
      state: 'progressing',
      message: `${partIs(available, desired, 'gateway')} ready, ${live.length} ${live.length === 1 ? 'exists' : 'exist'}`,
    };
  return { state: 'complete', message: `${partIs(desired, desired, 'gateway')} ready and up to date` };
}

/**
 * How many more gateways of the update revision may be made now. Until the revision has shown that it works, no more of
 * them are on their way than a rollout needs. What is lost beyond that is replaced from the kept revision.
 * @returns Infinity where there is no other revision to make gateways of
 */
export function provableOf(input: RolloutInput): number {
  const { spec, desired, updateRevision, keptRevision, live } = input;
  if (keptRevision === undefined || keptRevision === updateRevision || spec.updateStrategy.type === 'OnDelete') return Infinity;
  const current = live.filter(({ revision }) => revision === updateRevision);
  if (isProven(current) || !joinsGateways(spec)) return Infinity;
  const unproven = current.filter((gateway) => !isAvailable(gateway)).length;
  return Math.max(0, surgeMax(spec, desired) + missingMax(input, current) - unproven);
}

/** Whether the update revision has shown that it works. */
function isProven(current: readonly ObservedGateway[]): boolean {
  return current.length > 0 && current.every(isAvailable);
}

/** How many gateways may be missing while old ones make room. */
function missingMax(input: RolloutInput, current: readonly ObservedGateway[]): number {
  const { spec, desired, now, quotaRefuses } = input;
  const allowed = podsOf(spec.disruption.maxUnavailable, desired, 'down');
  // Without a surge old ones go first in any case. A spec that allows neither surges.
  if (surgeMax(spec, desired) === 0) return Math.max(1, allowed);
  if (current.some(lacksPort)) return allowed;
  // One at a time: a template that no node ever takes costs one gateway.
  return quotaRefuses || current.some((gateway) => lacksNode(gateway, now)) ? Math.min(1, allowed) : 0;
}

/** Whether the scheduler found the host port taken on every node. */
function lacksPort({ obstacle }: ObservedGateway): boolean {
  return obstacle?.reason === 'Unschedulable' && obstacle.message.includes("didn't have free ports");
}

/** Whether the scheduler has found no node for long. */
function lacksNode({ obstacle, createdAt }: ObservedGateway, now: number): boolean {
  return obstacle?.reason === 'Unschedulable' && now - createdAt >= roomAfterMs;
}

/** Milliseconds until new gateways have looked for a node for long. */
export function reviewOf({ live, updateRevision, now }: RolloutInput): readonly number[] {
  const looking = live.filter(({ revision, obstacle }) => revision === updateRevision && obstacle?.reason === 'Unschedulable');
  return looking.map(({ createdAt }) => createdAt + roomAfterMs - now).filter((ms) => ms > 0);
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
