import { isDeepStrictEqual } from 'node:util';
import type { PoolPlan } from './actions.ts';
import { nextConditions, timeText, type ConditionDraft } from './conditions.ts';
import type { BarrageChannel, BarrageChannelStatus } from '../api/barrage-channel.ts';
import type { GatewayPool, GatewayPoolStatus } from '../api/gateway-pool.ts';
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
  const stored = pool.status ?? {};
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
    conditions: nextConditions(stored.conditions ?? [], conditions, { now, generation }),
  });
}

export function channelStatus(
  channel: BarrageChannel,
  conditions: readonly ConditionDraft[],
  now: number,
): StatusDecision<BarrageChannelStatus> {
  const { generation } = channel.metadata;
  const stored = channel.status ?? {};
  return decide(stored, {
    observedGeneration: generation,
    conditions: nextConditions(stored.conditions ?? [], conditions, { now, generation }),
  });
}

function decide<Status extends object>(stored: object, status: Status): StatusDecision<Status> {
  return isDeepStrictEqual(stored, status) ? { kind: 'same' } : { kind: 'write', status };
}
