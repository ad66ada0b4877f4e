/**
 * Decides how many gateways a pool should have.
 *
 * 1. Recommendation: the pool's own number (Fixed, External), or the need of its connections (Connections).
 * 2. Windows: upwards the least, downwards the highest recommendation of the window counts, so one odd poll changes
 *    nothing.
 * 3. Limits and pace: within min and max, and a bounded number of pods in a period.
 *
 * Missing or old figures never scale down: silence does not mean that nobody is connected. A gateway that this operator
 * has only begun to ask is not silent yet: until it has had its time to answer, the number holds. It rises only where
 * the others need more.
 */
import { counted } from '../../core/counted.ts';
import type { GatewayPoolScalingConnections, GatewayPoolSpec, GatewayPoolScalingConnectionsScaleUp } from '../api/gateway-pool.ts';

/** Memory from one decision to the next. Bounded: one entry a second, for the longest window. */
export interface ScalingMemory {
  /**
   * When this memory began, in milliseconds of the monotonic clock, as all times here: a wall clock may be set back.
   * Earlier times are unknown: a window that reaches further back keeps `desired`.
   */
  readonly since: number;
  readonly desired: number;
  readonly recommendations: readonly Recommended[];
  readonly changes: readonly { readonly at: number; readonly by: number }[];
}

/** The least and the highest recommendation within one second. */
export interface Recommended {
  /** Beginning of the second, in milliseconds. */
  readonly at: number;
  readonly least: number;
  readonly most: number;
}

export interface ScalingInput {
  /** Milliseconds of the monotonic clock. */
  readonly now: number;
  readonly spec: Pick<GatewayPoolSpec, 'replicas' | 'scaling'>;
  /** Connections that a gateway accepts at most; `undefined`: unknown. */
  readonly connectionsMax: number | undefined;
  /** The last decision, from the status; else the number of live gateways. */
  readonly current: number;
  readonly memory: ScalingMemory | undefined;
  /** One for each running gateway: serving, draining, or deleted by somebody else. */
  readonly loads: readonly GatewayLoad[];
}

export interface GatewayLoad {
  /** When it answered, in milliseconds; `undefined`: never to this operator. */
  readonly at: number | undefined;
  /** Since when it answers no question, in milliseconds; `undefined`: not asked yet, or it has answered. */
  readonly unansweredSince: number | undefined;
  readonly connections: number;
  /** Whether it refuses clients because it has all the connections that it takes. */
  readonly isRefusing: boolean;
  readonly isServing: boolean;
}

/**
 * - `fresh`: every serving gateway has reported its load.
 * - `unheard`: some have not answered this operator yet, and none is silent.
 * - `missing`: some are silent.
 */
export type Figures = 'fresh' | 'unheard' | 'missing';

export interface ScalingDecision {
  readonly desired: number;
  /** With numbers, for the condition and the event. */
  readonly reason: string;
  readonly limited: 'min' | 'max' | undefined;
  readonly figures: Figures;
  /** Milliseconds until the same input could lead to another decision. */
  readonly reviewAfterMs: number | undefined;
  readonly memory: ScalingMemory;
}

const changesMax = 1000;

export function decideScaling(input: ScalingInput): ScalingDecision {
  const { spec, now, current } = input;
  const scaling = spec.scaling.connections;
  if (spec.scaling.type !== 'Connections' || scaling === undefined) {
    const desired = spec.replicas;
    const reason = spec.scaling.type === 'External' ? `the scale subresource asks for ${desired}` : `spec.replicas is ${desired}`;
    const memory = { since: now, desired, recommendations: [], changes: [] };
    return { desired, reason, limited: undefined, figures: 'fresh', reviewAfterMs: undefined, memory };
  }
  return byConnections(input, scaling, input.memory ?? { since: now, desired: current, recommendations: [], changes: [] });
}

function byConnections(
  { now, loads, connectionsMax = Infinity }: ScalingInput,
  wished: GatewayPoolScalingConnections,
  memory: ScalingMemory,
): ScalingDecision {
  // A gateway never holds more than it accepts, whatever its target is.
  const scaling = { ...wished, targetConnectionsPerPod: Math.min(wished.targetConnectionsPerPod, connectionsMax) };
  const current = memory.desired;
  const need = needOf(loads, scaling, now);
  const clamped = Math.min(Math.max(need.replicas, scaling.minReplicas), scaling.maxReplicas);
  // Without fresh figures the present number counts as recommended, so the window of scaling down begins when they are
  // back.
  const recommendations = remember(memory.recommendations, need.figures === 'fresh' ? clamped : Math.max(clamped, current), scaling, now);
  const windowed = throughWindows({ ...memory, recommendations }, clamped, scaling, now);
  // Limits that a person has changed hold at once, whatever the windows say. Only the pace slows them.
  const wanted = Math.min(Math.max(windowed, scaling.minReplicas), scaling.maxReplicas);
  const paced = withinPace(current, wanted, memory.changes, { scaling, now });
  const desired = need.figures === 'fresh' ? paced : Math.max(current, paced);
  const limited = need.replicas > scaling.maxReplicas ? 'max' : need.replicas < scaling.minReplicas ? 'min' : undefined;
  const changes = memory.changes.filter(({ at }) => at > now - periodMax(scaling)).slice(-changesMax);
  return {
    desired,
    reason: reasonOf({ need, clamped, wanted, desired, current, scaling }),
    limited,
    figures: need.figures,
    reviewAfterMs:
      desired === clamped ? undefined : Math.min(5000, 1000 * Math.min(scaling.scaleUp.periodSeconds, scaling.scaleDown.periodSeconds)),
    memory: {
      since: memory.since,
      desired,
      recommendations,
      changes: desired === current ? changes : [...changes, { at: now, by: desired - current }],
    },
  };
}

interface Need {
  readonly replicas: number;
  readonly connections: number;
  readonly figures: Figures;
  readonly silent: number;
  /** Serving gateways that refuse clients because they are full. */
  readonly refusing: number;
}

function needOf(loads: readonly GatewayLoad[], scaling: GatewayPoolScalingConnections, now: number): Need {
  const timeoutMs = scaling.metricsTimeoutSeconds * 1000;
  const fresh = loads.filter(({ at }) => at !== undefined && now - at <= timeoutMs);
  const connections = fresh.reduce((sum, load) => sum + load.connections, 0);
  const carriers = Math.ceil(connections / scaling.targetConnectionsPerPod);
  const withSpare = (gateways: number): number => Math.ceil((gateways * (100 + scaling.bufferPercent)) / 100);
  // Refused clients are no connections: nobody knows how many wait. They are in need of more gateways than serve now.
  const refusing = fresh.filter(({ isServing, isRefusing }) => isServing && isRefusing).length;
  const serving = loads.filter(({ isServing }) => isServing).length;
  const replicas = Math.max(withSpare(carriers), refusing === 0 ? 0 : Math.max(serving + 1, withSpare(serving)));
  // A silent draining gateway takes no new clients, so it hides no lasting need.
  const unknown = loads.filter((load) => load.isServing && !fresh.includes(load));
  // Silence counts from the first unanswered question: a new operator has not asked before.
  const silent = unknown.filter(({ at, unansweredSince }) => at !== undefined || now - (unansweredSince ?? now) > timeoutMs).length;
  if (silent === 0) return { replicas, connections, figures: unknown.length === 0 ? 'fresh' : 'unheard', silent, refusing };
  // The others' figures are a lower bound: they and the fallback may raise the number.
  return {
    replicas: Math.max(replicas, scaling.fallbackReplicas ?? scaling.minReplicas),
    connections,
    figures: 'missing',
    silent,
    refusing,
  };
}

function remember(
  known: readonly Recommended[],
  replicas: number,
  scaling: GatewayPoolScalingConnections,
  now: number,
): readonly Recommended[] {
  const windowMs = 1000 * Math.max(scaling.scaleUp.stabilizationWindowSeconds, scaling.scaleDown.stabilizationWindowSeconds);
  const second = now - (now % 1000);
  const same = known.find(({ at }) => at === second);
  const merged = { at: second, least: Math.min(replicas, same?.least ?? replicas), most: Math.max(replicas, same?.most ?? replicas) };
  return [...known.filter(({ at }) => at >= now - windowMs - 1000 && at < second), merged];
}

/** Applies the windows. Where one reaches back beyond the memory, the present number counts as recommended. */
function throughWindows(memory: ScalingMemory, clamped: number, scaling: GatewayPoolScalingConnections, now: number): number {
  const { desired: current, recommendations, since } = memory;
  const within = ({ stabilizationWindowSeconds }: GatewayPoolScalingConnectionsScaleUp) => {
    const begin = now - stabilizationWindowSeconds * 1000;
    const recent = stabilizationWindowSeconds === 0 ? [] : recommendations.filter(({ at }) => at + 1000 > begin);
    return { recent, reachesBack: begin < since };
  };
  if (clamped > current) {
    const { recent, reachesBack } = within(scaling.scaleUp);
    return Math.max(current, Math.min(clamped, ...recent.map(({ least }) => least), ...(reachesBack ? [current] : [])));
  }
  const { recent, reachesBack } = within(scaling.scaleDown);
  return Math.min(current, Math.max(clamped, ...recent.map(({ most }) => most), ...(reachesBack ? [current] : [])));
}

function withinPace(
  current: number,
  wanted: number,
  changes: ScalingMemory['changes'],
  { scaling, now }: { readonly scaling: GatewayPoolScalingConnections; readonly now: number },
): number {
  const isUp = wanted > current;
  const pace = isUp ? scaling.scaleUp : scaling.scaleDown;
  const begin = now - pace.periodSeconds * 1000;
  const spent = changes.filter(({ at, by }) => at > begin && (isUp ? by > 0 : by < 0)).reduce((sum, { by }) => sum + Math.abs(by), 0);
  const left = Math.max(0, pace.maxPodsPerPeriod - spent);
  return isUp ? Math.min(wanted, current + left) : Math.max(wanted, current - left);
}

function periodMax(scaling: GatewayPoolScalingConnections): number {
  return 1000 * Math.max(scaling.scaleUp.periodSeconds, scaling.scaleDown.periodSeconds);
}

function reasonOf(step: {
  readonly need: Need;
  readonly clamped: number;
  readonly wanted: number;
  readonly desired: number;
  readonly current: number;
  readonly scaling: GatewayPoolScalingConnections;
}): string {
  const { need, clamped, wanted, desired, current, scaling } = step;
  const target = scaling.targetConnectionsPerPod;
  const sum = `${counted(need.connections, 'connection')} at ${target} a gateway and ${scaling.bufferPercent} % spare need ${need.replicas}`;
  const parts = {
    fresh: [sum],
    unheard: [sum, 'not every serving gateway has been heard yet, so nothing is scaled down'],
    missing: [
      `${need.silent} serving ${need.silent === 1 ? 'gateway has' : 'gateways have'} not reported its load for ${scaling.metricsTimeoutSeconds} s, so nothing is scaled down`,
      `the others report ${counted(need.connections, 'connection')}`,
    ],
  }[need.figures];
  if (need.refusing > 0)
    parts.push(
      `${need.refusing} full ${need.refusing === 1 ? 'gateway refuses' : 'gateways refuse'} clients, so more are needed than serve`,
    );
  if (clamped < need.replicas) parts.push(`maxReplicas allows ${clamped}`);
  if (clamped > need.replicas) parts.push(`minReplicas asks for ${clamped}`);
  if (wanted !== clamped) parts.push(`the stabilization window keeps ${wanted}`);
  if (desired !== wanted && need.figures === 'fresh') {
    const pace = desired > current ? scaling.scaleUp : scaling.scaleDown;
    parts.push(`at most ${pace.maxPodsPerPeriod} in ${pace.periodSeconds} s`);
  }
  return parts.join('; ');
}
