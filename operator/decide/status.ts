import { isDeepStrictEqual } from 'node:util';
import type { PoolPlan } from './actions.ts';
import { nextConditions, storedConditions, timeText, type Condition, type ConditionDraft } from './conditions.ts';
import type { BarrageChannel } from '../api/barrage-channel.ts';
import type { BarrageChannelStatus } from '../api/barrage-channel-status.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { GatewayPoolStatus } from '../api/gateway-pool-status.ts';
import { unreadableConditions } from './pool-conditions.ts';
import { selectorText } from '../desired/labels.ts';

/** `same`: the stored status is right, and nothing is written. */
export type StatusDecision<Status> = { readonly kind: 'same' } | { readonly kind: 'write'; readonly status: Status };

export interface PoolStatusInput {
  readonly pool: GatewayPool;
  readonly plan: PoolPlan;
  readonly updateRevision: string;
  /** Epoch of the newest pool document; 0 before the first. */
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
 * Least time between two statuses that differ in progress only, in milliseconds. Several gateways that become ready
 * together make a few writes.
 */
export const progressPaceMs = 1_000;

/** Whether a status differs in counts only, with no condition changed. Nobody waits for such a status. */
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

/** The status of a pool with an unreadable spec: new conditions, everything else as stored. */
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

/** Conditions of foreign types stay, and cause no write. */
function decide<Status extends { readonly conditions?: readonly Condition[] }>(stored: Status, status: Status): StatusDecision<Status> {
  const ours = (status.conditions ?? []).map(({ type }) => storedConditions(stored).find((condition) => condition.type === type));
  return isDeepStrictEqual({ ...stored, conditions: ours }, status) ? { kind: 'same' } : { kind: 'write', status };
}
