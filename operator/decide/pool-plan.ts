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
import type { ActionEvent, GatewayCounts, PodReference, PoolAction, PoolPlan } from './actions.ts';
import { createPods } from './creations.ts';
import { drainDeadline, drainState, mayAbort } from './drain.ts';
import { evictionBudget } from './eviction-budget.ts';
import type { ObservedFault } from './fault.ts';
import { hasEnded, isAvailable, isIdle, isServable, owesFirstAnswer, pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';
import { podOf } from './plan-course.ts';
import { joinsGateways, provableOf, reviewOf, retirable, rolloutState, surgeOf, type RolloutInput } from './rollout.ts';
import { decideScaling, type GatewayLoad, type ScalingDecision } from './scaling.ts';
import { deadGateways, members, servingActions } from './serving.ts';
import { victimOrder } from './victims.ts';
import { childLabels, names } from '../desired/labels.ts';
import { podsOf } from '../desired/amount.ts';
import { connectionsMax } from '../desired/connections-max.ts';

/** Bound of deletions of idle pods in one plan. */
const removalsMax = 64;
/** How long an ended pod keeps its place, in milliseconds, so that a pod that can't run is not recreated in a loop. */
const endedPodDelayMs = 30_000;
/** How long a deleted gateway counts as leaving after its deletion or its last answer, in milliseconds. */
const lastWordsMs = 10_000;

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
    budget: evictionBudget(pool.spec.disruption.maxUnavailable, scaling.desired, {
      live: crew.live.filter((gateway) => !dead.has(gateway)),
      leaving: crew.leaving.filter((gateway) => endsBy(gateway) > observed.now),
      isMoving: crew.draining.length > 0 || crew.live.some(({ revision }) => revision !== observed.updateRevision),
      beginning: new Set(serving.flatMap((action) => (action.kind === 'set-serving' ? [action.pod.uid] : []))),
    }),
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

function scale(observed: ObservedPool, crew: Crew): ScalingDecision {
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

/** A pool's pods, sorted by their role in the plan. */
interface Crew {
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

function sortCrew({ gateways, now }: ObservedPool): Crew {
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
function endsBy(gateway: ObservedGateway): number {
  return Math.max(pollOf(gateway)?.at ?? 0, gateway.deletedAt ?? 0) + lastWordsMs;
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
    remove(gateway, 'PodFailed', `${gateway.name} has ended (${gateway.phase}) and is deleted`),
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

interface Retirement {
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
function retire(rollout: RolloutInput, crew: Crew, observed: ObservedPool, surplus: ReadonlySet<ObservedGateway>): Retirement {
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
      removals.push(remove(gateway, 'PodRemoved', `${gateway.name} serves nobody and ${words}`));
    } else if (why === 'replaced' && !joinsGateways(pool.spec)) {
      // No other gateway could take its clients.
      removals.push(
        remove(gateway, 'PodReplaced', `${gateway.name} is of an older revision; on a memory bus the next one is created when it is gone`),
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
  const load = connections === undefined ? 'an unknown number of connections' : `${connections} connections`;
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

/** Aborts drains of gateways that are wanted again. The youngest drain goes first: it has lost the fewest clients. */
function takeBack(
  { pool, now, updateRevision }: ObservedPool,
  crew: Crew,
  count: number,
): { readonly gateways: readonly ObservedGateway[]; readonly actions: readonly PoolAction[] } {
  const gateways = crew.draining
    .filter((gateway) => gateway.revision === updateRevision && mayAbort(gateway, pool.spec.drain, now))
    .toSorted((a, b) => (b.drain?.startedAt ?? 0) - (a.drain?.startedAt ?? 0) || (a.name < b.name ? -1 : 1))
    .slice(0, count);
  const actions = gateways.flatMap((gateway): readonly PoolAction[] => {
    const message = `${gateway.name} stays: it is needed again`;
    const unmark = {
      kind: 'unmark-draining',
      pod: reference(gateway),
      event: { type: 'Normal', reason: 'ScaleDownAborted', message },
    } as const;
    const isTold = (pollOf(gateway)?.drainState ?? 'serving') !== 'serving';
    return isTold ? [{ kind: 'send-abort', pod: reference(gateway) }, unmark] : [unmark];
  });
  return { gateways, actions };
}

function drainActions({ pool, now, updateRevision }: ObservedPool, gateway: ObservedGateway): readonly PoolAction[] {
  const drain = drainState(gateway, pool.spec.drain, now);
  const pod = reference(gateway);
  const unready: readonly PoolAction[] =
    gateway.serving === 'True'
      ? [{ kind: 'set-serving', pod, serving: false, reason: 'Draining', message: 'The gateway is leaving.' }]
      : [];
  switch (drain.state) {
    case 'serving':
      return [];
    case 'unreadable': {
      const message = `${gateway.name}: its drain annotations could not be read; the drain begins anew`;
      const event: ActionEvent = { type: 'Warning', reason: 'PodDrainStarted', message };
      return [{ kind: 'mark-draining', pod, startedAt: now, deadlineAt: drainDeadline(now, pool.spec.drain), event }];
    }
    case 'propagating':
      return unready;
    case 'evicting': {
      const isTold = (pollOf(gateway)?.drainState ?? 'serving') !== 'serving';
      const { connectionsPerSecond } = pool.spec.drain;
      return isTold ? unready : [...unready, { kind: 'send-drain', pod, connectionsPerSecond, deadlineSeconds: drain.secondsLeft }];
    }
    case 'empty': {
      const isOld = gateway.revision !== updateRevision;
      return [remove(gateway, isOld ? 'PodReplaced' : 'PodDrained', `${gateway.name} is empty and is deleted`)];
    }
    case 'overdue': {
      const left = drain.connections === undefined ? 'an unknown number of' : drain.connections;
      const message = `${gateway.name} still has ${left} connections at its deadline and is deleted; it closes them itself`;
      return [{ kind: 'delete-pod', pod, event: { type: 'Warning', reason: 'DrainDeadlineExceeded', message } }];
    }
  }
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
    events.push({ type: 'Normal', reason, message: `From ${before} to ${scaling.desired} gateways: ${scaling.reason}` });
  }
  const metrics = pool.status?.conditions?.find(({ type }) => type === 'MetricsAvailable')?.status;
  if (metrics === 'True' && scaling.figures === 'missing')
    events.push({ type: 'Warning', reason: 'MetricsUnavailable', message: scaling.reason });
  if (metrics === 'False' && scaling.figures === 'fresh')
    events.push({ type: 'Normal', reason: 'MetricsAvailable', message: 'Every serving gateway reports its load again' });
  return events;
}

function countsOf(crew: Crew, updateRevision: string): GatewayCounts {
  return {
    replicas: crew.live.length + crew.draining.length,
    ready: crew.live.filter(isAvailable).length,
    updated: crew.live.filter(({ revision }) => revision === updateRevision).length,
    draining: crew.draining.length,
  };
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

function remove(gateway: ObservedGateway, reason: ActionEvent['reason'], message: string): PoolAction {
  return { kind: 'delete-pod', pod: reference(gateway), event: { type: reason === 'PodFailed' ? 'Warning' : 'Normal', reason, message } };
}

function reference({ name, uid }: ObservedGateway): PodReference {
  return { name, uid };
}
