/**
 * What to do with a pool's gateways now.
 *
 * 1. Sort the pods: ended ones, draining ones, live ones. Those that are deleted are replaced at once, and count as
 *    draining until they have ended.
 * 2. How many are wanted: `decideScaling`; and a surge while a rollout is under way.
 * 3. Too few: take drains back, then create. Too many, or of an old revision: let them go, drained unless nobody is on
 *    them.
 * 4. Carry on with the drains, and say which pods may serve.
 *
 * Level-triggered: the plan depends on nothing but the observation, so any operator at any time goes on where another
 * stopped. A store that is late does no harm: names of new pods are the first free ones (creating one twice is refused
 * by the API server), deletions carry the uid, and a drain is also seen by what the pod itself says.
 */
import type { ActionEvent, GatewayCounts, PodReference, PoolAction, PoolPlan } from './actions.ts';
import { drainDeadline, drainState, mayAbort } from './drain.ts';
import { isAvailable, isIdle, isServable, pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';
import { joinsGateways, retirable, rolloutState, surgeOf } from './rollout.ts';
import { decideScaling, type ScalingDecision } from './scaling.ts';
import { members, servingActions } from './serving.ts';
import { victimOrder } from './victims.ts';
import { childLabels, names } from '../desired/labels.ts';
import { podsOf } from '../desired/amount.ts';

/** Pods created by one plan at most: the rest follows when these are seen. */
const creationsMax = 64;
/** Pods that nobody is on, deleted by one plan at most. */
const removalsMax = 64;
/** An ended pod is kept so long in its place, in milliseconds: what can't run is not made again and again. */
const endedPodDelayMs = 30_000;
/**
 * A deleted gateway is believed to be on its way out for so long after its deletion or its last answer, in
 * milliseconds.
 */
const lastWordsMs = 10_000;

export function planPool(observed: ObservedPool): PoolPlan {
  const { pool } = observed;
  const crew = sortCrew(observed);
  const scaling = scale(observed, crew);
  // A paused pool is left as it is, drains that have begun included.
  const isPaused = pool.spec.paused;
  const change = isPaused ? { actions: [], live: crew.live, draining: crew.draining } : changeCrew(observed, crew, scaling.desired);
  const progress = crew.draining.flatMap((gateway) => (change.live.includes(gateway) ? [] : drainActions(observed, gateway)));
  const rolloutInput = { spec: pool.spec, desired: scaling.desired, updateRevision: observed.updateRevision, live: change.live };
  return {
    actions: isPaused ? [] : [...restoreLabels(observed, crew), ...servingActions(observed, change.live), ...progress, ...change.actions],
    events: scalingEvents(observed, scaling),
    members: members(change.live, [...change.draining, ...crew.leaving]),
    scaling,
    rollout: rolloutState(rolloutInput, change.draining),
    counts: countsOf(crew, observed.updateRevision),
    minAvailable: Math.max(0, scaling.desired - podsOf(pool.spec.disruption.maxUnavailable, scaling.desired, 'up')),
    requeueAfterMs: isPaused ? undefined : reviewTime(observed, crew, scaling),
  };
}

function scale(observed: ObservedPool, crew: Crew): ScalingDecision {
  const scaling = scaleFreely(observed, crew);
  if (joinsGateways(observed.pool.spec) || scaling.desired <= 1) return scaling;
  // The API server refuses such a spec, but may have stored it before it did.
  return { ...scaling, desired: 1, memory: { ...scaling.memory, desired: 1 }, reason: 'a memory bus joins no two gateways' };
}

function scaleFreely({ pool, now, scaling: memory }: ObservedPool, crew: Crew): ScalingDecision {
  const current = memory?.desired ?? pool.status?.desiredReplicas ?? crew.live.length;
  if (pool.spec.paused) {
    const kept = { since: now, desired: current, recommendations: [], changes: [] };
    return {
      desired: current,
      reason: 'spec.paused is true',
      limited: undefined,
      metricsAvailable: true,
      reviewAfterMs: undefined,
      memory: kept,
    };
  }
  const loads = [...crew.live, ...crew.draining].filter(({ isRunning }) => isRunning).map((gateway) => loadOf(gateway));
  return decideScaling({ now, spec: pool.spec, current, memory, loads });
}

/** A pool's pods by what they are for the plan. */
interface Crew {
  /** They neither leave nor have left, whether they are ready or not; ended ones that still keep their place count. */
  readonly live: readonly ObservedGateway[];
  readonly draining: readonly ObservedGateway[];
  /**
   * Deleted, by whomever, and still running: they move their clients by themselves. They have left for all but the
   * document and the pace.
   */
  readonly leaving: readonly ObservedGateway[];
  /** They have ended and are to make room. */
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
 * Until when a gateway that was deleted and still runs takes up a place among those that leave, so that they go one
 * after another also where the last moments of one take long. One that has been silent for a while is not waited for
 * (nobody may ever hear that its node is gone), but a new operator has asked nobody yet.
 */
function endsBy(gateway: ObservedGateway): number {
  return Math.max(pollOf(gateway)?.at ?? 0, gateway.deletedAt ?? 0) + lastWordsMs;
}

interface CrewChange {
  readonly actions: readonly PoolAction[];
  /** Who is live and who drains once the actions are done. */
  readonly live: readonly ObservedGateway[];
  readonly draining: readonly ObservedGateway[];
}

function changeCrew(observed: ObservedPool, crew: Crew, desired: number): CrewChange {
  const rollout = { spec: observed.pool.spec, desired, updateRevision: observed.updateRevision, live: crew.live };
  const target = desired + surgeOf(rollout);
  const ended: PoolAction[] = crew.ended.map((gateway) =>
    remove(gateway, 'PodFailed', `${gateway.name} has ended (${gateway.phase}) and makes room`),
  );
  if (crew.live.length < target) {
    const returned = takeBack(observed, crew, target - crew.live.length);
    const live = [...crew.live, ...returned.gateways];
    const creations = create(observed, target - live.length);
    const rest = retire(rollout, crew, observed, new Set());
    return {
      // Who serves nobody makes room first: a creation that a quota refuses ends the plan, and would be refused again
      // for as long as they stay.
      actions: [...ended, ...rest.removals, ...returned.actions, ...creations, ...rest.marks],
      live: live.filter((gateway) => !rest.gone.has(gateway)),
      draining: [...crew.draining.filter((gateway) => !returned.gateways.includes(gateway)), ...rest.marked],
    };
  }
  const surplus = new Set(victimOrder(crew.live, observed.updateRevision).slice(0, crew.live.length - target));
  const { removals, marks, gone, marked } = retire(rollout, crew, observed, surplus);
  return {
    actions: [...ended, ...removals, ...marks],
    live: crew.live.filter((gateway) => !gone.has(gateway)),
    draining: [...crew.draining, ...marked],
  };
}

interface Retirement {
  /** Deletions of who leaves without a drain. */
  readonly removals: readonly PoolAction[];
  readonly marks: readonly PoolAction[];
  /** Who is live no more once all of this is done. */
  readonly gone: ReadonlySet<ObservedGateway>;
  /** Of these, who drains. */
  readonly marked: readonly ObservedGateway[];
}

/**
 * Lets gateways go: those beyond the wanted number, then old ones. Those that nobody is on at once, the others drained,
 * a few at a time.
 */
function retire(
  rollout: Parameters<typeof retirable>[0],
  crew: Crew,
  observed: ObservedPool,
  surplus: ReadonlySet<ObservedGateway>,
): Retirement {
  const { pool, now } = observed;
  // Of the gateways that there are: fewer may be desired, down to none.
  const concurrent = Math.max(1, podsOf(pool.spec.drain.maxConcurrentPods, crew.live.length + crew.draining.length, 'up'));
  let places = concurrent - crew.draining.length - crew.leaving.filter((gateway) => endsBy(gateway) > now).length;
  const removals: PoolAction[] = [];
  const marks: PoolAction[] = [];
  const gone = new Set<ObservedGateway>();
  const marked: ObservedGateway[] = [];
  const old = retirable(rollout, surplus).map((gateway) => ({ gateway, why: 'replaced' as const }));
  const leaving = [...[...surplus].map((gateway) => ({ gateway, why: 'surplus' as const })), ...old];
  for (const { gateway, why } of leaving) {
    if (!isAvailable(gateway) && isIdle(gateway)) {
      if (removals.length >= removalsMax) continue;
      const words = why === 'surplus' ? 'it is one too many' : 'it is of an older revision';
      removals.push(remove(gateway, 'PodRemoved', `${gateway.name} serves nobody and ${words}`));
    } else if (why === 'replaced' && !joinsGateways(pool.spec)) {
      // There is nobody to move its clients to.
      removals.push(
        remove(gateway, 'PodReplaced', `${gateway.name} is of an older revision; on a memory bus the next one is made when it is gone`),
      );
    } else {
      if (places <= 0) continue;
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
      ? `${gateway.name} leaves with ${load}: there is one gateway more than needed`
      : `${gateway.name} leaves with ${load}: it is of revision ${gateway.revision || '(none)'}, not ${observed.updateRevision}${difference}`;
  return {
    kind: 'mark-draining',
    pod: reference(gateway),
    startedAt: now,
    deadlineAt: drainDeadline(now, observed.pool.spec.drain),
    event: { type: 'Normal', reason: why === 'surplus' ? 'ScaleDownStarted' : 'PodDrainStarted', message },
  };
}

/** Gateways on their way out that are wanted after all: the one that began last has lost the least. */
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
    const message = `${gateway.name} stays: as many gateways are needed again`;
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

/**
 * New pods take the first free names: whoever makes the same plan again from a store that is late asks for the same
 * names.
 */
function create(observed: ObservedPool, missing: number): readonly PoolAction[] {
  const { pool, gateways, foreignNames, updateRevision } = observed;
  const count = joinsGateways(pool.spec) || gateways.every(hasEnded) ? missing : 0;
  const taken = new Set([...gateways.map(({ name }) => name), ...foreignNames]);
  const actions: PoolAction[] = [];
  for (let slot = 0; actions.length < Math.min(count, creationsMax); slot += 1) {
    const name = `${pool.metadata.name}-${updateRevision.slice(0, 5)}-${slot}`;
    if (taken.has(name)) continue;
    const event: ActionEvent = { type: 'Normal', reason: 'PodCreated', message: `Created gateway ${name}` };
    actions.push({ kind: 'create-pod', name, event });
  }
  return actions;
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
    const message = `${gateway.name}: labels that were changed by hand are as they were`;
    // Whose revision label is gone keeps none, and so is replaced: nobody can say what it was made from.
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
  if (metrics === 'True' && !scaling.metricsAvailable)
    events.push({ type: 'Warning', reason: 'MetricsUnavailable', message: scaling.reason });
  if (metrics === 'False' && scaling.metricsAvailable)
    events.push({ type: 'Normal', reason: 'MetricsAvailable', message: 'Every serving gateway tells its load again' });
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

function reviewTime({ pool, now }: ObservedPool, crew: Crew, scaling: ScalingDecision): number | undefined {
  const drains = crew.draining.map((gateway) => drainState(gateway, pool.spec.drain, now));
  const times = [
    ...drains.flatMap((drain) => ('changesInMs' in drain ? [drain.changesInMs] : [])),
    ...crew.live.filter(hasEnded).map((gateway) => (gateway.endedAt ?? gateway.createdAt) + endedPodDelayMs - now),
    ...crew.leaving.map((gateway) => endsBy(gateway) - now).filter((ms) => ms > 0),
    ...(scaling.reviewAfterMs === undefined ? [] : [scaling.reviewAfterMs]),
  ];
  return times.length === 0 ? undefined : Math.max(0, Math.min(...times));
}

function loadOf(gateway: ObservedGateway): { at: number | undefined; connections: number; isServing: boolean } {
  const polled = pollOf(gateway);
  return { at: polled?.at, connections: polled?.connections ?? 0, isServing: isServable(gateway) && gateway.serving === 'True' };
}

function hasEnded({ phase }: ObservedGateway): boolean {
  return phase === 'Failed' || phase === 'Succeeded';
}

function remove(gateway: ObservedGateway, reason: ActionEvent['reason'], message: string): PoolAction {
  return { kind: 'delete-pod', pod: reference(gateway), event: { type: reason === 'PodFailed' ? 'Warning' : 'Normal', reason, message } };
}

function reference({ name, uid }: ObservedGateway): PodReference {
  return { name, uid };
}
