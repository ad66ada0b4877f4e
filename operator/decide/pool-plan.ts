/**
 * Plans the actions for a pool's gateways.
 *
 * 1. Sort the pods into live, draining, leaving and ended ones. A deleted pod is replaced at once, and counts against
 *    `maxConcurrentPods` until it has ended.
 * 2. Decide the desired number (`decideScaling`), and a surge during a rollout.
 * 3. Too few live pods: abort drains, then create. Too many, or old ones: delete idle pods, drain the others.
 * 4. Continue the drains, and decide which pods may serve.
 *
 * The plan is level-triggered: it depends on nothing but the observation, so any operator continues where another
 * stopped. A late store does no harm. New pods take the first free names, so that the API server refuses a second
 * creation. Deletions carry the uid. A drain also shows in the pod's own answers.
 */
import { counted } from '../../core/counted.ts';
import { reference, removal, type ActionEvent, type PoolAction, type PoolPlan } from './actions.ts';
import { createPods } from './creations.ts';
import { countsOf, endedPodDelayMs, endsBy, sortCrew, type Crew } from './crew.ts';
import { drainState } from './drain.ts';
import { drainActions, takeBack } from './drain-steps.ts';
import { evictionBudget } from './eviction-budget.ts';
import type { ObservedFault } from './fault.ts';
import { hasEnded, isServable, pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';
import { podOf } from './plan-course.ts';
import { retire } from './retirement.ts';
import { joinsGateways, provableOf, reviewOf, rolloutState, surgeOf, type RolloutInput } from './rollout.ts';
import { decideScaling, type GatewayLoad, type ScalingDecision } from './scaling.ts';
import { deadGateways, members, servingActions } from './serving.ts';
import { victimOrder } from './victims.ts';
import { childLabels, names } from '../desired/labels.ts';
import { podsOf } from '../desired/amount.ts';
import { connectionsMax } from '../desired/connections-max.ts';

export function planPool(observed: ObservedPool): PoolPlan {
  const refused = new Set(observed.refusedPods);
  if (refused.size === 0) return planAround(observed, refused);
  // What was refused is tried again as often as it is due. The rest goes on without it.
  const retries = planAround(observed, new Set()).actions.filter((action) => refused.has(podOf(action)));
  const plan = planAround(observed, refused);
  return { ...plan, actions: [...retries, ...plan.actions.filter((action) => !refused.has(podOf(action)))] };
}

/** @param refused names of pods that can't be changed: others leave in their place */
function planAround(observed: ObservedPool, refused: ReadonlySet<string>): PoolPlan {
  const { pool } = observed;
  const crew = sortCrew(observed);
  const dead = deadGateways(observed, crew.live);
  const scaling = scale(observed, crew);
  // A paused pool is left as it is, even in the middle of a drain.
  const isPaused = pool.spec.paused;
  const change = isPaused
    ? { actions: [], live: crew.live, draining: crew.draining }
    : changeCrew(observed, crew, { desired: scaling.desired, refused });
  const progress = crew.draining.flatMap((gateway) => (change.live.includes(gateway) ? [] : drainActions(observed, gateway)));
  const serving = servingActions(observed, change.live);
  const rolloutInput = rolloutOf(observed, change.live, { desired: scaling.desired, refused });
  return {
    actions: isPaused ? [] : [...restoreLabels(observed, crew), ...serving, ...progress, ...change.actions],
    events: scalingEvents(observed, scaling),
    members: members(
      change.live.filter((gateway) => !dead.has(gateway)),
      [...change.draining, ...crew.leaving],
    ),
    scaling,
    rollout: rolloutState(rolloutInput, change.draining),
    counts: countsOf(crew, observed.updateRevision),
    minAvailable: Math.max(0, scaling.desired - podsOf(pool.spec.disruption.maxUnavailable, scaling.desired, 'up')),
    budget: evictionBudget(
      pool.spec.disruption.maxUnavailable,
      scaling.desired,
      {
        live: crew.live.filter((gateway) => !dead.has(gateway)),
        leaving: crew.leaving.filter((gateway) => endsBy(gateway) > observed.now),
        isMoving: crew.draining.length > 0 || crew.live.some(({ revision }) => revision !== observed.updateRevision),
        beginning: new Set(serving.flatMap((action) => (action.kind === 'set-serving' ? [action.pod.uid] : []))),
        ready: observed.gateways.filter(({ isTerminating, isReady }) => !isTerminating && isReady).length,
      },
      observed.budget,
    ),
    requeueAfterMs: isPaused ? undefined : reviewTime(observed, crew, { scaling, rollout: rolloutInput }),
  };
}

interface Aim {
  readonly desired: number;
  /** Names of pods that can't be changed. */
  readonly refused: ReadonlySet<string>;
}

function rolloutOf(observed: ObservedPool, live: readonly ObservedGateway[], { desired, refused }: Aim): RolloutInput {
  const { pool, updateRevision, keptRevision, now, faults, gateways } = observed;
  const isSettled = gateways.every(({ drain, isTerminating }) => drain === undefined && !isTerminating);
  return { spec: pool.spec, desired, updateRevision, keptRevision, live, refused, now, quotaRefuses: isSettled && faults.some(isOfQuota) };
}

/** Whether a quota or a limit has refused a gateway. */
function isOfQuota({ kind, subject }: ObservedFault): boolean {
  return kind === 'QuotaExceeded' && subject.startsWith('Pod ');
}

/** The desired number of gateways, with the rules of a memory bus and of a paused pool. */
export function scale(observed: ObservedPool, crew: Crew): ScalingDecision {
  const scaling = scaleFreely(observed, crew);
  if (joinsGateways(observed.pool.spec) || scaling.desired <= 1) return scaling;
  // The API server refuses such a spec now, but may have stored one earlier.
  return { ...scaling, desired: 1, memory: { ...scaling.memory, desired: 1 }, reason: 'a memory bus allows one gateway only' };
}

function scaleFreely({ pool, now: unix, monotonic: now, scaling: memory }: ObservedPool, crew: Crew): ScalingDecision {
  const current = memory?.desired ?? pool.status?.desiredReplicas ?? crew.live.length;
  if (pool.spec.paused) {
    const kept = { since: now, desired: current, recommendations: [], changes: [] };
    return {
      desired: current,
      reason: 'spec.paused is true',
      limited: undefined,
      figures: 'fresh',
      reviewAfterMs: undefined,
      memory: kept,
    };
  }
  // Clients of a gateway that somebody has deleted move to the others, so they count.
  const loads = [...crew.live, ...crew.draining, ...crew.leaving]
    .filter(({ isRunning }) => isRunning)
    .map((gateway) => loadOf(gateway, now - unix));
  return decideScaling({ now, spec: pool.spec, connectionsMax: connectionsMax(pool), current, memory, loads });
}

interface CrewChange {
  readonly actions: readonly PoolAction[];
  /** The live and the draining gateways after the actions. */
  readonly live: readonly ObservedGateway[];
  readonly draining: readonly ObservedGateway[];
}

function changeCrew(observed: ObservedPool, crew: Crew, aim: Aim): CrewChange {
  const rollout = rolloutOf(observed, crew.live, aim);
  const target = aim.desired + surgeOf(rollout);
  const ended: PoolAction[] = crew.ended.map((gateway) =>
    removal(gateway, 'PodFailed', `${gateway.name} has ended (${gateway.phase}) and is deleted`),
  );
  if (crew.live.length < target) {
    const returned = takeBack(observed, crew, target - crew.live.length);
    const live = [...crew.live, ...returned.gateways];
    const creations = createPods(observed, target - live.length, provableOf(rollout));
    const rest = retire(rollout, crew, observed, new Set());
    return {
      // Idle pods go first: a creation that a quota refuses ends the plan, and they may be what exhausts the quota.
      actions: [...ended, ...rest.removals, ...returned.actions, ...creations, ...rest.marks],
      live: live.filter((gateway) => !rest.gone.has(gateway)),
      draining: [...crew.draining.filter((gateway) => !returned.gateways.includes(gateway)), ...rest.marked],
    };
  }
  const victims = victimOrder(crew.live, observed.updateRevision).filter(({ name }) => !aim.refused.has(name));
  const surplus = new Set(victims.slice(0, crew.live.length - target));
  const { removals, marks, gone, marked } = retire(rollout, crew, observed, surplus);
  return {
    actions: [...ended, ...removals, ...marks],
    live: crew.live.filter((gateway) => !gone.has(gateway)),
    draining: [...crew.draining, ...marked],
  };
}

function restoreLabels({ pool }: ObservedPool, crew: Crew): readonly PoolAction[] {
  const ours = childLabels(pool, 'gateway');
  return [...crew.live, ...crew.draining].flatMap((gateway): readonly PoolAction[] => {
    const wanted: Readonly<Record<string, string>> = { ...ours, [names.label.gateway]: gateway.name };
    if (Object.entries(wanted).every(([key, value]) => gateway.labels[key] === value)) return [];
    const message = `${gateway.name}: labels that were changed by hand are restored`;
    // A pod without its revision label gets no new one and is replaced: nobody knows its template.
    const labels = gateway.revision === '' ? wanted : { ...wanted, [names.label.revision]: gateway.revision };
    return [{ kind: 'restore-labels', pod: reference(gateway), labels, event: { type: 'Warning', reason: 'PodLabelsRestored', message } }];
  });
}

function scalingEvents({ scaling: memory, pool }: ObservedPool, scaling: ScalingDecision): readonly ActionEvent[] {
  const before = memory?.desired ?? pool.status?.desiredReplicas;
  const events: ActionEvent[] = [];
  if (before !== undefined && before !== scaling.desired) {
    const reason = scaling.desired > before ? 'ScaledUp' : 'ScaledDown';
    events.push({ type: 'Normal', reason, message: `From ${before} to ${counted(scaling.desired, 'gateway')}: ${scaling.reason}` });
  }
  const metrics = pool.status?.conditions?.find(({ type }) => type === 'MetricsAvailable')?.status;
  if (metrics === 'True' && scaling.figures === 'missing')
    events.push({ type: 'Warning', reason: 'MetricsUnavailable', message: scaling.reason });
  if (metrics === 'False' && scaling.figures === 'fresh')
    events.push({
      type: 'Normal',
      reason: 'MetricsAvailable',
      message: 'Every serving gateway reports its load again',
      ended: 'MetricsUnavailable',
    });
  return events;
}

function reviewTime(
  { pool, now }: ObservedPool,
  crew: Crew,
  { scaling, rollout }: { readonly scaling: ScalingDecision; readonly rollout: RolloutInput },
): number | undefined {
  const drains = crew.draining.map((gateway) => drainState(gateway, pool.spec.drain, now));
  const times = [
    ...drains.flatMap((drain) => ('changesInMs' in drain ? [drain.changesInMs] : [])),
    ...crew.live.filter(hasEnded).map((gateway) => (gateway.endedAt ?? gateway.createdAt) + endedPodDelayMs - now),
    ...crew.leaving.map((gateway) => endsBy(gateway) - now).filter((ms) => ms > 0),
    ...(scaling.reviewAfterMs === undefined ? [] : [scaling.reviewAfterMs]),
    ...reviewOf(rollout),
  ];
  return times.length === 0 ? undefined : Math.max(0, Math.min(...times));
}

/** @param shift from Unix milliseconds to those of the monotonic clock */
function loadOf(gateway: ObservedGateway, shift: number): GatewayLoad {
  const shifted = (at: number | undefined): number | undefined => (at === undefined ? undefined : at + shift);
  const polled = pollOf(gateway);
  const isServing = isServable(gateway) && gateway.serving === 'True';
  return {
    at: shifted(polled?.at),
    unansweredSince: shifted(gateway.unansweredSince),
    connections: polled?.connections ?? 0,
    isRefusing: polled?.isRefusing === true,
    isServing,
  };
}
