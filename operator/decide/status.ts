import { isDeepStrictEqual } from 'node:util';
import type { PoolPlan } from './actions.ts';
import { nextConditions, timeText, type Condition, type ConditionDraft } from './conditions.ts';
import type { BarrageChannel, BarrageChannelStatus } from '../api/barrage-channel.ts';
import type { GatewayPool, GatewayPoolStatus } from '../api/gateway-pool.ts';
import { unreadableConditions } from './pool-conditions.ts';
import { selectorText } from '../desired/labels.ts';

/** `same`: what is stored says it all, and nothing is to be written. */
export type StatusDecision<Status> = { readonly kind: 'same' } | { readonly kind: 'write'; readonly status: Status };

export interface PoolStatusInput {
  readonly pool: GatewayPool;
  readonly plan: PoolPlan;
  readonly updateRevision: string;
  /** Epoch of the document that lies in the ConfigMap; 0 before the first. */
  readonly epoch: number;
  readonly conditions: readonly ConditionDraft[];
  readonly now: number;
}

export function poolStatus({ pool, plan, updateRevision, epoch, conditions, now }: PoolStatusInput): StatusDecision<GatewayPoolStatus> {
  const stored: GatewayPoolStatus = pool.status ?? {};
  const { generation } = pool.metadata;
  const isComplete = plan.rollout.state === 'complete';
  const currentRevision = isComplete ? updateRevision : stored.currentRevision;
  const scaled = stored.desiredReplicas !== undefined && stored.desiredReplicas !== plan.scaling.desired;
  const lastScaleTime = scaled ? timeText(now) : stored.lastScaleTime;
  return decide(stored, {
    observedGeneration: generation,
    selector: selectorText(pool),
    replicas: plan.counts.replicas,
    desiredReplicas: plan.scaling.desired,
    readyReplicas: plan.counts.ready,
    updatedReplicas: plan.counts.updated,
    drainingReplicas: plan.counts.draining,
    ...(currentRevision === undefined ? {} : { currentRevision }),
    updateRevision,
    placementEpoch: epoch,
    ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
    conditions: nextConditions(storedConditions(stored), conditions, { now, generation }),
  });
}

/**
 * How long a status that tells of progress only waits after the one before, in milliseconds: gateways that come up one
 * after another are a few writes then.
 */
export const progressPaceMs = 1_000;

/**
 * Whether a status counts differently and says nothing else: no condition has become another, and nobody waits for it.
 */
export function isProgress(stored: GatewayPoolStatus, status: GatewayPoolStatus): boolean {
  const said = ({ observedGeneration, desiredReplicas, updateRevision, conditions }: GatewayPoolStatus): unknown => [
    observedGeneration,
    desiredReplicas,
    updateRevision,
    (conditions ?? []).map(({ type, status: is, reason }) => [type, is, reason]),
  ];
  const known = new Set((status.conditions ?? []).map(({ type }) => type));
  const ours = { ...stored, conditions: storedConditions(stored).filter(({ type }) => known.has(type)) };
  return isDeepStrictEqual(said(ours as GatewayPoolStatus), said(status));
}

/** The status of a pool whose spec can't be read: but for its conditions what it was. */
export function unreadablePoolStatus(pool: GatewayPool, faults: readonly string[], now: number): StatusDecision<GatewayPoolStatus> {
  const stored: GatewayPoolStatus = pool.status ?? {};
  const { generation } = pool.metadata;
  const known = storedConditions(stored);
  const conditions = nextConditions(known, unreadableConditions(known, faults), { now, generation });
  return decide(stored, { ...stored, observedGeneration: generation, conditions });
}

export function channelStatus(
  channel: BarrageChannel,
  conditions: readonly ConditionDraft[],
  now: number,
): StatusDecision<BarrageChannelStatus> {
  const { generation } = channel.metadata;
  const stored: BarrageChannelStatus = channel.status ?? {};
  return decide(stored, {
    observedGeneration: generation,
    conditions: nextConditions(storedConditions(stored), conditions, { now, generation }),
  });
}

/** Conditions of types that are not ours are somebody else's: they stay, and nothing is written because of them. */
function decide<Status extends { readonly conditions?: readonly Condition[] }>(stored: Status, status: Status): StatusDecision<Status> {
  const ours = (status.conditions ?? []).map(({ type }) => storedConditions(stored).find((condition) => condition.type === type));
  return isDeepStrictEqual({ ...stored, conditions: ours }, status) ? { kind: 'same' } : { kind: 'write', status };
}

/** Whatever an older version has left in their place. */
export function storedConditions({ conditions }: { readonly conditions?: unknown }): readonly Condition[] {
  return Array.isArray(conditions) ? conditions.filter((each): each is Condition => typeof each === 'object' && each !== null) : [];
}
