/**
 * The conditions of a pool. Every type is always present. Messages hold no figures that move with the load, so a
 * converged pool writes nothing.
 *
 * True is good for Ready, Available, MetricsAvailable, PlacementBalanced, PodSecurity, TemplateApplied, DrainTimely,
 * BusSeparate and PoliciesInForce. The others (Progressing, Draining, ScalingActive, ScalingLimited, Paused,
 * BusChanging) describe activity.
 */
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { BusChange } from './bus-change.ts';
import { faultBlocker, gatewayBlocker, type Blocker } from './blocker.ts';
import type { PoolPlan } from './actions.ts';
import { counted, partIs } from '../../core/counted.ts';
import { limits as gatewayLimits } from '../../core/limits.ts';
import { connectionsMax, connectionsMaxVariable } from '../desired/connections-max.ts';
import { storedConditions, type Condition, type ConditionDraft } from './conditions.ts';
import { isAvailable, owesFirstAnswer, pollOf, type ObservedPool } from './observed.ts';
import type { PoolPolicies } from './policies.ts';
import { joinsGateways } from './rollout.ts';

export const poolConditionTypes = [
  'Ready',
  'Available',
  'Progressing',
  'Draining',
  'ScalingActive',
  'ScalingLimited',
  'MetricsAvailable',
  'PlacementBalanced',
  'Paused',
  'PodSecurity',
  'TemplateApplied',
  'DrainTimely',
  'BusSeparate',
  'PoliciesInForce',
  'BusChanging',
] as const;
export type PoolConditionType = (typeof poolConditionTypes)[number];

export interface PoolFacts {
  readonly observed: ObservedPool;
  readonly plan: PoolPlan;
  readonly policies: PoolPolicies;
  readonly busChange: Pick<BusChange, 'stage' | 'waitingFor'>;
  /** `undefined` on a memory bus, without publishers. */
  readonly publishers: ObservedPublishers | undefined;
  /** `<namespace>/<name>` of other pools with the same Redis address and key prefix. */
  readonly samePrefix: readonly string[];
  /** `restrictedBreaches` of the gateways' and publishers' pods. */
  readonly securityBreaches: readonly string[];
  /** Fields of the pool's pod templates that the operator overrules. */
  readonly overruled: readonly string[];
}

/** A pool's publishers, which a Deployment keeps. */
export interface ObservedPublishers {
  readonly available: number;
  /** The cause that keeps them from being ready, in a sentence. */
  readonly obstacle?: string | undefined;
  /** `policiesHash` of each one that takes publications; `undefined` where it has not answered. */
  readonly policiesHashes: readonly (string | undefined)[];
}

export function poolConditions(facts: PoolFacts): readonly ConditionDraft[] {
  const drafts: Readonly<Record<PoolConditionType, Omit<ConditionDraft, 'type'>>> = {
    Ready: ready(facts),
    Available: available(facts),
    Progressing: progressing(facts),
    Draining: draining(facts),
    ScalingActive: scalingActive(facts),
    ScalingLimited: scalingLimited(facts),
    MetricsAvailable: metricsAvailable(facts),
    PlacementBalanced: placementBalanced(facts),
    Paused: facts.observed.pool.spec.paused
      ? draft('True', 'Paused', 'spec.paused is true: nothing of this pool is made, changed or deleted.')
      : draft('False', 'NotPaused', 'The operator keeps the pool as its spec says.'),
    PodSecurity: podSecurity(facts),
    TemplateApplied: templateApplied(facts),
    DrainTimely: drainTimely(facts),
    BusSeparate:
      facts.samePrefix.length === 0
        ? draft('True', 'OwnPrefix', 'No other pool uses this Redis with the same key prefix.')
        : draft(
            'False',
            'SharedPrefix',
            `${facts.samePrefix.join(', ')} ${facts.samePrefix.length === 1 ? 'uses' : 'use'} the same Redis and key prefix: every publication reaches all of these pools. Set spec.bus.redis.keyPrefix to separate them.`,
          ),
    PoliciesInForce: policiesInForce(facts),
    BusChanging: busChanging(facts),
  };
  return poolConditionTypes.map((type) => ({ type, ...drafts[type] }));
}

/**
 * The conditions of a pool whose spec an older version wrote and nobody can read now. All but Ready keep their stored
 * state.
 * @param faults of the spec, in words
 */
export function unreadableConditions(stored: readonly Condition[], faults: readonly string[]): readonly ConditionDraft[] {
  const words = `${faults.slice(0, 5).join('; ')}${faults.length > 5 ? '; …' : ''}`;
  return poolConditionTypes.map((type) => {
    if (type === 'Ready')
      return {
        type,
        ...draft('False', 'InvalidSpec', `${words}. Correct the spec. Until then the operator changes nothing of this pool.`),
      };
    const before = stored.find((each) => each.type === type);
    return before === undefined
      ? { type, ...draft('Unknown', 'InvalidSpec', 'See the condition Ready.') }
      : { type, ...draft(before.status, before.reason, before.message) };
  });
}

function draft(status: ConditionDraft['status'], reason: string, message: string): Omit<ConditionDraft, 'type'> {
  return { status, reason, message };
}

function blocked({ reason, message }: Blocker): Omit<ConditionDraft, 'type'> {
  return draft('False', reason, message);
}

function ready(facts: PoolFacts): Omit<ConditionDraft, 'type'> {
  const { observed, plan, publishers } = facts;
  const fault = faultBlocker(observed.faults);
  if (fault !== undefined) return blocked(fault);
  if (observed.pool.spec.paused && !isEnough(facts))
    return draft('False', 'Paused', 'Too few gateways are ready, and the operator creates none while spec.paused is true.');
  if (plan.scaling.desired === 0) return draft('False', 'ScaledToZero', 'No gateway is desired: raise spec.replicas to take clients.');
  if (!isEnough(facts)) {
    const blocker = gatewayBlocker(observed.gateways, observed.now);
    if (blocker !== undefined) return blocked(blocker);
    const words = `${partIs(plan.counts.ready, plan.scaling.desired, 'gateway')} ready.`;
    return draft('False', 'GatewaysStarting', [words, ...predecessor(observed)].join(' '));
  }
  if (publishers !== undefined && publishers.available === 0)
    return draft(
      'False',
      'PublishersNotReady',
      `No publisher is ready. ${publishers.obstacle ?? `See kubectl describe deployment ${observed.pool.metadata.name}-publisher.`}`,
    );
  return draft('True', 'Ready', 'Gateways take clients, and publishers take publications.');
}

function available(facts: PoolFacts): Omit<ConditionDraft, 'type'> {
  const { plan } = facts;
  const words = `${partIs(plan.counts.ready, plan.scaling.desired, 'gateway')} ready, at least ${Math.max(1, plan.minAvailable)} must be.`;
  return isEnough(facts) ? draft('True', 'EnoughGateways', words) : draft('False', 'TooFewGateways', words);
}

function isEnough({ plan }: PoolFacts): boolean {
  return plan.scaling.desired > 0 && plan.counts.ready >= Math.max(1, plan.minAvailable);
}

function progressing({ observed, plan }: PoolFacts): Omit<ConditionDraft, 'type'> {
  const { state, message } = plan.rollout;
  if (state === 'complete') return draft('False', 'Complete', `${message}.`);
  if (state === 'on-delete') return draft('False', 'OnDelete', `${message}.`);
  const blocker =
    faultBlocker(observed.faults) ??
    gatewayBlocker(
      observed.gateways.filter((gateway) => !isAvailable(gateway)),
      observed.now,
    );
  if (blocker !== undefined) return blocked({ reason: blocker.reason, message: `${message}. ${blocker.message}` });
  const words = [`${message}.`, ...predecessor(observed)];
  return draft('True', state === 'waiting' || words.length > 1 ? 'WaitingForGateways' : 'GatewaysChanging', words.join(' '));
}

/** On a memory bus: the gateway that must be gone before the next one is created. */
function predecessor({ pool, gateways }: ObservedPool): readonly string[] {
  const ending = joinsGateways(pool.spec) ? undefined : gateways.find(({ isTerminating }) => isTerminating);
  return ending === undefined ? [] : [`A memory bus allows one gateway only: the next one is created when ${ending.name} is gone.`];
}

function draining({ observed, plan }: PoolFacts): Omit<ConditionDraft, 'type'> {
  const leaving = plan.members.filter(({ state }) => state === 'draining').map(({ name }) => name);
  if (leaving.length === 0) return draft('False', 'NotDraining', 'No gateway is leaving.');
  const { deadlineSeconds } = observed.pool.spec.drain;
  return draft(
    'True',
    'GatewaysLeaving',
    `Leaving, each within ${deadlineSeconds} s: ${leaving.slice(0, 10).join(', ')}${leaving.length > 10 ? ', …' : ''}.`,
  );
}

/** The state of the load's conditions while nobody has told the load yet, neither this operator nor an earlier one. */
const unheard = { status: 'Unknown', reason: 'NotHeardYet', message: 'Not every serving gateway has reported its load yet.' } as const;

/** The state of a condition in the stored status. */
function asStored({ pool }: ObservedPool, type: PoolConditionType): Omit<ConditionDraft, 'type'> | undefined {
  const { conditions } = pool.status ?? {};
  const before = (Array.isArray(conditions) ? conditions : []).find((each) => each?.type === type);
  return before === undefined ? undefined : draft(before.status, before.reason, before.message);
}

function scalingActive({ observed, plan }: PoolFacts): Omit<ConditionDraft, 'type'> {
  const { scaling, paused } = observed.pool.spec;
  if (paused) return draft('False', 'Paused', 'spec.paused is true.');
  if (scaling.type === 'Fixed') return draft('False', 'Fixed', 'spec.replicas says how many gateways there are.');
  if (scaling.type === 'External') return draft('False', 'External', 'The scale subresource says how many gateways there are.');
  if (plan.scaling.figures === 'unheard') return asStored(observed, 'ScalingActive') ?? unheard;
  if (plan.scaling.figures === 'missing')
    return draft('False', 'MetricsUnavailable', 'The load is not known: the number of gateways can only rise.');
  return draft('True', 'Connections', `The number of gateways follows their connections; ${plan.scaling.desired} are desired now.`);
}

function scalingLimited({ observed, plan }: PoolFacts): Omit<ConditionDraft, 'type'> {
  const limits = observed.pool.spec.scaling.connections;
  if (plan.scaling.limited === 'max')
    return draft(
      'True',
      'TooManyConnections',
      `More gateways are needed than maxReplicas allows (${limits?.maxReplicas}). Raise maxReplicas.`,
    );
  const target = observed.pool.spec.scaling.type === 'Connections' ? limits?.targetConnectionsPerPod : undefined;
  const most = connectionsMax(observed.pool);
  if (target !== undefined && most !== undefined && target > most)
    return draft(
      'True',
      'TargetAboveBound',
      `targetConnectionsPerPod (${target}) is more than the ${most} connections that a gateway accepts, which count as the target instead. Lower targetConnectionsPerPod${most < gatewayLimits.connectionsMax ? `, or raise ${connectionsMaxVariable} in spec.template` : ''}.`,
    );
  if (plan.scaling.limited === 'min')
    return draft('True', 'TooFewConnections', `Fewer gateways than minReplicas (${limits?.minReplicas}) would be enough.`);
  if (target === undefined && observed.gateways.some((gateway) => isAvailable(gateway) && pollOf(gateway)?.isRefusing === true))
    return draft(
      'True',
      'GatewaysFull',
      'Gateways refuse clients, because they have all the connections that they accept. More gateways are needed.',
    );
  return draft('False', 'WithinLimits', 'No limit holds back the number of gateways.');
}

function metricsAvailable({ observed, plan }: PoolFacts): Omit<ConditionDraft, 'type'> {
  if (observed.pool.spec.scaling.type !== 'Connections')
    return draft('True', 'NotNeeded', 'The number of gateways does not follow their load.');
  if (plan.scaling.figures === 'unheard') return asStored(observed, 'MetricsAvailable') ?? unheard;
  if (plan.scaling.figures === 'fresh') return draft('True', 'Fresh', 'Every serving gateway has reported its load.');
  const message =
    "A serving gateway's admin port does not answer: the number of gateways is not lowered. Check the NetworkPolicies between the operator and port 6780.";
  return draft('False', 'GatewaySilent', message);
}

/** Least mean of connections per gateway at which balance is judged, and the mean at which judging begins again. */
const meanConnectionsMin = 100;
const meanConnectionsAgain = 110;
/** Part of the tolerated excess below which an unbalanced pool counts as balanced again. */
const balancedAgain = 0.8;

function placementBalanced({ observed }: PoolFacts): Omit<ConditionDraft, 'type'> {
  const { maxLoadPercent } = observed.pool.spec.placement;
  const serving = observed.gateways.filter(isAvailable);
  const isUnheard = serving.some((gateway) => owesFirstAnswer(gateway, observed.now));
  const before = isUnheard ? asStored(observed, 'PlacementBalanced') : undefined;
  if (before !== undefined) return before;
  const loads = serving.flatMap((gateway) => pollOf(gateway)?.connections ?? []);
  const mean = loads.reduce((sum, load) => sum + load, 0) / Math.max(1, loads.length);
  const said = storedReason(observed.pool, 'PlacementBalanced');
  if (mean < (said === 'LittleLoad' ? meanConnectionsAgain : meanConnectionsMin))
    return draft('True', 'LittleLoad', 'There is too little load to tell.');
  const percent = said === 'Unbalanced' ? 100 + (maxLoadPercent - 100) * balancedAgain : maxLoadPercent;
  if (Math.max(...loads) * 100 <= mean * percent)
    return draft('True', 'Balanced', `No gateway has more than ${maxLoadPercent} % of the mean load.`);
  return draft('False', 'Unbalanced', `A gateway has more than ${maxLoadPercent} % of the mean load.`);
}

/** The reason that is stored: a condition at a threshold keeps it within a margin. */
function storedReason({ status }: GatewayPool, type: PoolConditionType): string | undefined {
  return storedConditions(status ?? {}).find((condition) => condition.type === type)?.reason;
}

function podSecurity({ observed, securityBreaches }: PoolFacts): Omit<ConditionDraft, 'type'> {
  if (securityBreaches.length === 0) return draft('True', 'Restricted', 'The pods pass the Pod Security level restricted.');
  const words = securityBreaches.slice(0, 5).join('; ');
  const onlyHostPort =
    observed.pool.spec.exposure.type === 'HostPort' && securityBreaches.every((breach) => breach.endsWith('it has a host port'));
  return onlyHostPort
    ? draft(
        'False',
        'HostPortNotRestricted',
        `exposure HostPort can't pass the Pod Security level restricted: ${words}. A namespace that enforces it refuses the pods.`,
      )
    : draft('False', 'PrivilegedTemplate', `spec.template asks for more than the Pod Security level restricted allows: ${words}.`);
}

function templateApplied({ overruled }: PoolFacts): Omit<ConditionDraft, 'type'> {
  if (overruled.length === 0) return draft('True', 'InFull', 'The pods are as the templates say.');
  const words = `${overruled.slice(0, 5).join(', ')}${overruled.length > 5 ? ', …' : ''}`;
  return draft(
    'False',
    'TemplateOverruled',
    `${words}: the operator's own values replace these fields, because settings, draining and ownership depend on them. Remove them from the template; the pool's spec may have a field instead.`,
  );
}

function drainTimely({ observed }: PoolFacts): Omit<ConditionDraft, 'type'> {
  const { drain, scaling } = observed.pool.spec;
  const target = scaling.connections?.targetConnectionsPerPod;
  const seconds = drain.deadlineSeconds - drain.propagationSeconds;
  if (target === undefined || target <= drain.connectionsPerSecond * seconds)
    return draft(
      'True',
      'InTime',
      `A gateway can move ${counted(drain.connectionsPerSecond * seconds, 'connection')} before its deadline.`,
    );
  return draft(
    'False',
    'DrainTooSlow',
    `A gateway with ${counted(target, 'connection')} can move only ${drain.connectionsPerSecond * seconds} in ${seconds} s; the rest is closed. Raise drain.connectionsPerSecond or drain.deadlineSeconds.`,
  );
}

function policiesInForce({ observed, policies, publishers }: PoolFacts): Omit<ConditionDraft, 'type'> {
  if (policies.overflow > 0)
    return draft(
      'False',
      'TooManyPolicies',
      `${policies.overflow} BarrageChannels are left out because the policies are too large. Replace single channels by patterns.`,
    );
  // Publishers enforce the limits of a policy.
  const serving = [
    ...observed.gateways.filter(isAvailable).map((gateway) => pollOf(gateway)?.policiesHash),
    ...(publishers?.policiesHashes ?? []),
  ];
  // An operator that has just started has not heard of its pods: what the earlier one said holds until then.
  const stored = storedConditions(observed.pool.status ?? {}).find(({ type }) => type === 'PoliciesInForce')?.status;
  const isLate = serving.some((hash) => (hash === undefined ? stored !== 'True' : hash !== policies.hash));
  if (!isLate) return draft('True', 'InForce', 'Every gateway and publisher that serves has the newest policies.');
  if (observed.pool.spec.paused) return draft('False', 'Paused', 'spec.paused is true: gateways and publishers get nothing new.');
  return draft('False', 'Pushing', 'The newest policies are on their way to gateways and publishers.');
}

/** Names that a message holds at most. */
const namesMax = 5;

function busChanging({ observed, busChange: { stage, waitingFor } }: PoolFacts): Omit<ConditionDraft, 'type'> {
  if (stage === 'settled') return draft('False', 'Settled', 'Gateways and publishers use one bus, the one in spec.bus.');
  if (observed.pool.spec.paused) return draft('True', 'Paused', 'spec.paused is true: the change of the bus waits.');
  const names = `${waitingFor.slice(0, namesMax).join(', ')}${waitingFor.length > namesMax ? ', …' : ''}`;
  const waits = waitingFor.length === 0 ? '' : ` Waiting for ${names}.`;
  switch (stage) {
    case 'joining':
      return draft('True', 'Joining', `Publications go over the earlier bus until every gateway and publisher listens to both.${waits}`);
    case 'moving':
      return draft('True', 'Moving', `Gateways and publishers listen to both buses, and publish to the new one.${waits}`);
    case 'leaving':
      return draft('True', 'Leaving', `Nobody publishes to the earlier bus any more.${waits}`);
  }
}
