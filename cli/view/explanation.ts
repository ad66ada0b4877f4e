import { counted } from '../../core/counted.ts';
/**
 * Explains a pool's size with the operator's own decisions: why it is what it is, what it waits for, and what twice the
 * connections would need.
 */
import type { GatewayPool, GatewayPoolScalingConnections } from '../../operator/api/gateway-pool.ts';
import { storedConditions, type Condition } from '../../operator/decide/conditions.ts';
import { sortCrew } from '../../operator/decide/crew.ts';
import { drainState } from '../../operator/decide/drain.ts';
import { connectionsOf, hasEnded, isAvailable, pollOf, type ObservedGateway, type ObservedPool } from '../../operator/decide/observed.ts';
import { scale } from '../../operator/decide/pool-plan.ts';
import type { ScalingDecision, ScalingMemory } from '../../operator/decide/scaling.ts';
import { connectionsMax } from '../../operator/desired/connections-max.ts';
import { duration } from './figures.ts';
import { observedPool, type PoolFacts } from './observation.ts';
import { line, type Line } from './table.ts';

export interface Explanation {
  readonly pool: string;
  readonly size: { readonly desired: number; readonly present: number; readonly ready: number; readonly leaving: number };
  /** Connections that the gateways told. */
  readonly connections: number;
  /** Connections that one gateway accepts; `undefined`: the template takes the number from elsewhere. */
  readonly accepts: number | undefined;
  readonly why: string;
  /** Empty: nothing. */
  readonly waitsFor: readonly string[];
  readonly twice: Forecast;
}

/** What the operator would decide for another load that stays. */
export interface Forecast {
  readonly connections: number;
  readonly desired: number;
  /** Seconds until that number is desired, by windows and pace; `undefined`: not within an hour. */
  readonly afterSeconds: number | undefined;
  readonly why: string;
  /** Connections above what the present gateways accept: those clients are refused until others are ready. */
  readonly beyondAccepted: number;
}

/** How far a forecast looks, in seconds. */
const forecastSecondsMax = 3600;

/** What a healthy, settled pool's conditions are. Another status is worth a line. */
const calm: Readonly<Record<string, readonly Condition['status'][]>> = {
  Ready: ['True'],
  Available: ['True'],
  Progressing: ['False'],
  Draining: ['False'],
  ScalingActive: ['True', 'False'],
  ScalingLimited: ['False'],
  MetricsAvailable: ['True'],
  PlacementBalanced: ['True'],
  Paused: ['False'],
  PodSecurity: ['True'],
  TemplateApplied: ['True'],
  DrainTimely: ['True'],
  BusSeparate: ['True'],
  PoliciesInForce: ['True'],
  BusChanging: ['False'],
};

/** Reasons of a calm status that still need somebody. */
const uncalmReasons: Readonly<Record<string, readonly string[]>> = { ScalingActive: ['MetricsUnavailable'] };

/** Whether a condition is as in a healthy pool that does nothing. */
export function isCalm({ type, status, reason }: Condition): boolean {
  if (type === 'Progressing' && status === 'False') return reason === 'Complete';
  if (type === 'ScalingLimited' && reason === 'TooFewConnections') return true;
  return (calm[type]?.includes(status) ?? true) && uncalmReasons[type]?.includes(reason) !== true;
}

export function explain(facts: Pick<PoolFacts, 'pool' | 'readings' | 'now'>): Explanation {
  const { pool } = facts;
  const observed = observedPool(facts);
  const crew = sortCrew(observed);
  const connections = observed.gateways.reduce((sum, gateway) => sum + (connectionsOf(gateway) ?? 0), 0);
  const accepts = connectionsMax(pool);
  const desired = pool.status?.desiredReplicas ?? crew.live.length;
  const aim = settled(observed);
  const doubled = withLoad(observed, 2);
  const doubledAim = settled(doubled);
  const twice = connections * 2;
  return {
    pool: `${pool.metadata.namespace}/${pool.metadata.name}`,
    size: {
      desired,
      present: crew.live.length + crew.draining.length,
      ready: crew.live.filter(isAvailable).length,
      leaving: crew.draining.length + crew.leaving.length,
    },
    connections,
    accepts,
    why: aim.reason,
    waitsFor: waits(observed, { desired, aim }),
    twice: {
      connections: twice,
      desired: doubledAim.desired,
      afterSeconds: secondsUntil(doubled, desired, doubledAim.desired),
      why: doubledAim.reason,
      beyondAccepted: accepts === undefined ? 0 : Math.max(0, twice - accepts * crew.live.filter(isAvailable).length),
    },
  };
}

/** The decision once all windows are over, without a pace. */
function settled(observed: ObservedPool): ScalingDecision {
  const { scaling } = observed.pool.spec;
  const free = { stabilizationWindowSeconds: 0, maxPodsPerPeriod: 1_000_000, periodSeconds: 1 };
  const connections: GatewayPoolScalingConnections | undefined =
    scaling.connections === undefined ? undefined : { ...scaling.connections, scaleUp: free, scaleDown: free };
  const spec = { ...observed.pool.spec, scaling: { ...scaling, ...(connections === undefined ? {} : { connections }) } };
  const unbound = { ...observed, pool: { ...observed.pool, spec } };
  return scale(unbound, sortCrew(unbound));
}

/** The same pool with every gateway's connections multiplied. */
function withLoad(observed: ObservedPool, factor: number): ObservedPool {
  const gateways = observed.gateways.map((gateway): ObservedGateway => {
    const polled = pollOf(gateway);
    return polled === undefined ? gateway : { ...gateway, polled: { ...polled, connections: polled.connections * factor } };
  });
  return { ...observed, gateways };
}

/** Runs the operator's decision second by second under an unchanged load. */
function secondsUntil(observed: ObservedPool, from: number, aim: number): number | undefined {
  if (from === aim) return 0;
  let memory: ScalingMemory = { since: observed.monotonic, desired: from, recommendations: [], changes: [] };
  for (let second = 0; second <= forecastSecondsMax; second += 1) {
    const now = observed.now + second * 1000;
    const gateways = observed.gateways.map((gateway) =>
      gateway.polled === undefined ? gateway : { ...gateway, polled: { ...gateway.polled, at: now } },
    );
    const then = { ...observed, now, monotonic: observed.monotonic + second * 1000, gateways, scaling: memory };
    const decision = scale(then, sortCrew(then));
    if (decision.desired === aim) return second;
    memory = decision.memory;
  }
  return undefined;
}

function waits(observed: ObservedPool, { desired, aim }: { readonly desired: number; readonly aim: ScalingDecision }): readonly string[] {
  const { pool, now } = observed;
  const conditions = storedConditions(pool.status ?? {});
  const crew = sortCrew(observed);
  const found: string[] = [];
  if (conditions.length === 0) found.push('an operator: the pool has no status. Check that one runs, and that it watches this namespace.');
  for (const condition of conditions) {
    if (isCalm(condition)) continue;
    found.push(`${condition.type} is ${condition.status} (${condition.reason}): ${condition.message}`);
  }
  if (aim.desired !== desired && conditions.length > 0 && !pool.spec.paused) {
    const after = secondsUntil(observed, desired, aim.desired);
    const time = after === undefined ? 'not within an hour' : after === 0 ? 'at once' : `at the latest in ${duration(after * 1000)}`;
    found.push(
      `the number of gateways goes from ${desired} to ${aim.desired}, if the load stays: ${time}, by ${paceOf(pool, aim.desired > desired)}`,
    );
  }
  for (const gateway of crew.draining) {
    const left = connectionsOf(gateway);
    const connections = left === undefined ? 'an unknown number of connections' : counted(left, 'connection');
    const drain = drainState(gateway, pool.spec.drain, now);
    const words: Readonly<Record<typeof drain.state, string>> = {
      serving: 'serves',
      unreadable: 'has drain annotations that can not be read; its drain begins anew',
      propagating: 'waits until load balancers send nobody there any more',
      evicting: `moves its clients, for at most ${'secondsLeft' in drain ? drain.secondsLeft : 0} s more`,
      empty: 'is empty, and is about to be deleted',
      overdue: 'is past its deadline, and is about to be deleted',
    };
    found.push(`${gateway.name} drains with ${connections}: it ${words[drain.state]}`);
  }
  for (const gateway of crew.leaving)
    found.push(`${gateway.name} was deleted, and moves its clients: ${connectionsOf(gateway) ?? 'an unknown number'} left`);
  for (const gateway of crew.live) {
    if (isAvailable(gateway)) continue;
    found.push(`${gateway.name} is not ready: ${obstacleOf(gateway)}`);
  }
  const ended = crew.ended.filter(hasEnded);
  for (const { name, phase } of ended) found.push(`${name} has ended (${phase}), and is about to be deleted`);
  return found;
}

function obstacleOf(gateway: ObservedGateway): string {
  const polled = pollOf(gateway);
  if (gateway.obstacle !== undefined) return `${gateway.obstacle.reason}. ${gateway.obstacle.message}`.trim();
  if (polled !== undefined && !polled.ready) return `it waits for ${polled.waitingFor.join('; ')}`;
  if (polled !== undefined && gateway.serving !== 'True') return 'the operator has not let it serve yet';
  return gateway.isRunning ? 'it starts' : `its pod is ${gateway.phase}`;
}

function paceOf({ spec }: GatewayPool, isUp: boolean): string {
  const { connections } = spec.scaling;
  const pace = isUp ? connections?.scaleUp : connections?.scaleDown;
  if (pace === undefined) return 'the spec';
  const window = pace.stabilizationWindowSeconds === 0 ? 'no window' : `a window of ${pace.stabilizationWindowSeconds} s`;
  return `${window} and at most ${counted(pace.maxPodsPerPeriod, 'gateway')} in ${pace.periodSeconds} s (spec.scaling.connections.${isUp ? 'scaleUp' : 'scaleDown'})`;
}

/** The page of `explain`. */
export function explanationLines(explanation: Explanation): readonly Line[] {
  const { pool, size, connections, accepts, why, waitsFor, twice } = explanation;
  const leaving = size.leaving === 0 ? '' : `, ${size.leaving} leaving`;
  const room = accepts === undefined ? '' : `; each accepts ${accepts}`;
  return [
    line(`${pool}: ${counted(size.desired, 'gateway')} desired, ${size.present} present, ${size.ready} ready${leaving}`, 'heading'),
    line(''),
    line('Why this size', 'heading'),
    line(`  ${why}.`),
    line(`  The gateways hold ${counted(connections, 'connection')}${room}.`),
    line(''),
    line('What it waits for', 'heading'),
    ...(waitsFor.length === 0 ? [line('  Nothing.', 'good')] : waitsFor.map((each) => line(`  - ${each}`))),
    line(''),
    line('With twice the connections', 'heading'),
    ...forecastLines(twice, size.desired),
  ];
}

function forecastLines(twice: Forecast, desired: number): readonly Line[] {
  const { afterSeconds } = twice;
  const time =
    afterSeconds === undefined ? 'not within an hour' : afterSeconds === 0 ? 'at once' : `within ${duration(afterSeconds * 1000)}`;
  const change =
    twice.desired === desired ? `stay ${counted(twice.desired, 'gateway')}` : `become ${counted(twice.desired, 'gateway')}, ${time}`;
  return [
    line(`  ${counted(twice.connections, 'connection')}: it would ${change}.`),
    line(`  ${twice.why}.`),
    ...(twice.beyondAccepted > 0
      ? [
          line(
            `  ${twice.beyondAccepted} of them are more than the ready gateways accept now: they are refused until others are ready.`,
            'bad',
          ),
        ]
      : []),
  ];
}
