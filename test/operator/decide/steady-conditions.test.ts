import { expect, test } from 'vitest';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import { poolConditions } from '../../../operator/decide/pool-conditions.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';
import { poolStatus } from '../../../operator/decide/status.ts';
import { leastMs, steadyConditions } from '../../../operator/decide/steady-conditions.ts';
import { Random } from '../../simulation/random.ts';
import { begin, connectionScaling, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';

type Stored = NonNullable<GatewayPool['status']>;

/** A pool whose status is stored after each look at its gateways' loads. */
class Judged {
  pool: GatewayPool;
  readonly flips = new Map<string, number>();
  writes = 0;
  reviewAfterMs: number | undefined;

  constructor(spec: Parameters<typeof poolWith>[0]) {
    this.pool = poolWith(spec);
  }

  look(loads: readonly number[], now: number): void {
    const gateways = loads.map((connections, index) => gatewayWith(`web-aaaaa-${index}`, {}, { at: now, connections }));
    const observed = observedWith({ now, pool: this.pool, gateways });
    const plan = planPool(observed);
    const policies = { parts: [], hash: 'hash', verdicts: [], overflow: 0 };
    const facts = {
      observed,
      plan,
      policies,
      publishers: { available: 2, policiesHashes: [] },
      busChange: { stage: 'settled' as const, waitingFor: [] },
      samePrefix: [],
      securityBreaches: [],
      overruled: [],
    };
    const { conditions, reviewAfterMs } = steadyConditions(this.pool, poolConditions(facts), now);
    this.reviewAfterMs = reviewAfterMs;
    const decision = poolStatus({ pool: this.pool, plan, updateRevision: 'aaaaa11111', epoch: 1, conditions, now });
    if (decision.kind === 'same') return;
    this.writes += 1;
    const before = this.pool.status?.conditions ?? [];
    for (const { type, status } of decision.status.conditions ?? []) {
      const other = before.find((each) => each.type === type);
      if (other !== undefined && other.status !== status) this.flips.set(type, (this.flips.get(type) ?? 0) + 1);
    }
    this.pool = { ...this.pool, status: decision.status as Stored };
  }

  said(type: string): string | undefined {
    return this.pool.status?.conditions?.find((each) => each.type === type)?.reason;
  }
}

test('loads that move around the limit of balance flip its condition a few times in ten minutes, not hundreds', () => {
  const random = new Random(7);
  const judged = new Judged({ replicas: 20 });
  const means: readonly number[] = Array.from({ length: 20 }, (_, index) => (index === 0 ? 1266 : 1000));
  const loads = [...means];
  for (let step = 0; step < 600; step++) {
    for (const [index, load] of loads.entries())
      loads[index] = Math.round(load + (random.fraction() - 0.5) * 20 + ((means[index] ?? 0) - load) * 0.05);
    judged.look(loads, begin + step * 1000);
  }
  expect(judged.flips.get('PlacementBalanced') ?? 0).toBeLessThanOrEqual(10);
  expect(judged.writes).toBeLessThanOrEqual(12);
});

test('a flip comes at once, the next one after the least time, and is judged again then', () => {
  const judged = new Judged({ replicas: 2 });
  const least = leastMs.PlacementBalanced ?? 0;
  judged.look([1000, 1000], begin);
  expect(judged.said('PlacementBalanced')).toBe('Balanced');
  judged.look([1000, 3000], begin + least);
  expect(judged.said('PlacementBalanced')).toBe('Unbalanced');
  judged.look([1000, 1000], begin + least + 1_000);
  expect([judged.said('PlacementBalanced'), judged.reviewAfterMs]).toEqual(['Unbalanced', least - 1_000]);
  judged.look([1000, 1000], begin + 2 * least - 1);
  expect(judged.said('PlacementBalanced')).toBe('Unbalanced');
  judged.look([1000, 1000], begin + 2 * least);
  expect([judged.said('PlacementBalanced'), judged.reviewAfterMs]).toEqual(['Balanced', undefined]);
});

test('balance and little load have a margin each', () => {
  const judged = new Judged({ replicas: 2 });
  let now = begin;
  const said = (loads: readonly number[]): string | undefined => {
    judged.look(loads, (now += 120_000));
    return judged.said('PlacementBalanced');
  };
  // At most 125 % of the mean; 120 % after it was more.
  expect(said([745, 1255])).toBe('Unbalanced');
  expect(said([755, 1245])).toBe('Unbalanced');
  expect(said([800, 1200])).toBe('Balanced');
  expect(said([750, 1250])).toBe('Balanced');
  expect(said([99, 99])).toBe('LittleLoad');
  expect(said([109, 109])).toBe('LittleLoad');
  expect(said([110, 110])).toBe('Balanced');
  expect(said([100, 100])).toBe('Balanced');
});

test('a change of the spec counts at once, and so does a time that lies in the future', () => {
  const limits = (minReplicas: number) =>
    ({ scaling: { type: 'Connections', connections: { ...connectionScaling, minReplicas } } }) as const;
  const judged = new Judged(limits(1));
  judged.look([10, 10], begin);
  expect(judged.said('ScalingLimited')).toBe('WithinLimits');
  judged.pool = { ...poolWith(limits(3), judged.pool.status), metadata: { ...judged.pool.metadata, generation: 4 } };
  judged.look([10, 10], begin + 1_000);
  expect(judged.said('ScalingLimited')).toBe('TooFewConnections');
  judged.pool = { ...poolWith(limits(1), judged.pool.status), metadata: judged.pool.metadata };
  judged.look([10, 10], begin + 2_000);
  expect(judged.said('ScalingLimited')).toBe('TooFewConnections');
  judged.look([10, 10], begin - 3_600_000);
  expect(judged.said('ScalingLimited')).toBe('WithinLimits');
});
