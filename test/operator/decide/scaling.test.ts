import fc from 'fast-check';
import { expect, test } from 'vitest';
import { begin, connectionScaling, poolWith } from './pool-fixture.ts';
import type { GatewayPoolScalingConnections } from '../../../operator/api/gateway-pool.ts';
import { decideScaling, type ScalingInput, type ScalingMemory } from '../../../operator/decide/scaling.ts';

function input(fields: Partial<ScalingInput> & { readonly limits?: Partial<GatewayPoolScalingConnections> } = {}): ScalingInput {
  const { limits, ...rest } = fields;
  const { spec } = poolWith({ replicas: 4, scaling: { type: 'Connections', connections: { ...connectionScaling, ...limits } } });
  return { now: begin, spec, connectionsMax: 20_000, current: 2, memory: undefined, loads: [load(150), load(100)], ...rest };
}

function load(connections: number, at = begin): ScalingInput['loads'][number] {
  return { at, unansweredSince: undefined, connections, isRefusing: false, isServing: true };
}

/** A gateway that this operator has never heard. */
function unheard(unansweredSince: number | undefined): ScalingInput['loads'][number] {
  return { at: undefined, unansweredSince, connections: 0, isRefusing: false, isServing: true };
}

/** A memory that knows that nothing more was needed for long. */
function known(desired: number): ScalingMemory {
  return { since: begin - 10_000_000, desired, recommendations: [], changes: [] };
}

test('a fixed pool wants what its spec says', () => {
  const { spec } = poolWith({ replicas: 4 });
  expect(decideScaling({ ...input(), spec })).toMatchObject({ desired: 4, reason: 'spec.replicas is 4', figures: 'fresh' });
});

test('an external autoscaler is obeyed through spec.replicas', () => {
  const { spec } = poolWith({ replicas: 7, scaling: { type: 'External' } });
  expect(decideScaling({ ...input(), spec })).toMatchObject({ desired: 7, reason: 'the scale subresource asks for 7' });
});

test('connections are rounded up to gateways, and the spare is rounded up once more', () => {
  // 250 / 100 → 3, 3 × 1.2 → 4.
  const decision = decideScaling(input());
  expect(decision.desired).toBe(4);
  expect(decision.reason).toBe('250 connections at 100 a gateway and 20 % spare need 4');
});

test('limits hold, and are named', () => {
  expect(decideScaling(input({ limits: { maxReplicas: 3 } }))).toMatchObject({ desired: 3, limited: 'max' });
  expect(decideScaling(input({ loads: [load(0)], limits: { minReplicas: 2 } }))).toMatchObject({ desired: 2, limited: 'min' });
});

test('up at once, but no more in a period than allowed', () => {
  expect(decideScaling(input({ loads: [load(1500)] })).desired).toBe(12);
  const slow = { scaleUp: { stabilizationWindowSeconds: 0, maxPodsPerPeriod: 3, periodSeconds: 30 } };
  const one = decideScaling(input({ loads: [load(1500)], limits: slow }));
  expect(one.desired).toBe(5);
  expect(one.reason).toContain('at most 3 in 30 s');
  const soon = decideScaling(input({ now: begin + 20_000, loads: [load(1500, begin + 20_000)], limits: slow, memory: one.memory }));
  expect(soon.desired).toBe(5);
  const later = decideScaling(input({ now: begin + 31_000, loads: [load(1500, begin + 31_000)], limits: slow, memory: soon.memory }));
  expect(later.desired).toBe(8);
});

test('down only after the window, by the highest need in it', () => {
  let memory: ScalingMemory | undefined;
  const seen: number[] = [];
  for (let second = 0; second <= 700; second += 10) {
    const now = begin + second * 1000;
    const decision = decideScaling(input({ now, memory, current: 6, loads: [load(second === 100 ? 450 : 50, now)] }));
    memory = decision.memory;
    seen.push(decision.desired);
  }
  // 450 connections at 100 s need 6: until 400 s nothing goes; then one a minute.
  expect(seen.slice(0, 40).every((desired) => desired === 6)).toBe(true);
  expect(seen[41]).toBe(5);
  expect(seen[46]).toBe(5);
  expect(seen[47]).toBe(4);
  expect(seen.at(-1)).toBeGreaterThanOrEqual(2);
});

test('an operator that has just begun does not scale down until it has watched for a whole window', () => {
  const idle = { loads: [load(10)], current: 5 };
  const first = decideScaling(input(idle));
  expect(first.desired).toBe(5);
  const before = begin + 299_000;
  const second = decideScaling(input({ now: before, loads: [load(10, before)], memory: first.memory }));
  expect(second.desired).toBe(5);
  const after = begin + 301_000;
  expect(decideScaling(input({ now: after, loads: [load(10, after)], memory: second.memory })).desired).toBe(4);
});

test('with a silent gateway the number goes up to the fallback and never down', () => {
  const loads = [load(500), unheard(begin - 61_000)];
  const silent = decideScaling(input({ loads: [load(0), load(0, begin - 61_000)], memory: known(3), limits: { fallbackReplicas: 5 } }));
  expect(silent).toMatchObject({ desired: 5, figures: 'missing' });
  expect(silent.reason).toContain('1 serving gateway has not reported its load for 60 s');
  expect(decideScaling(input({ loads, memory: known(9) })).desired).toBe(9);
  expect(decideScaling(input({ loads, memory: known(2) })).desired).toBe(6);
});

test('a new operator holds the number until its gateways have had their time to answer, and says nothing of silence', () => {
  const limits = { fallbackReplicas: 5 };
  for (const since of [undefined, begin, begin - 60_000]) {
    const held = decideScaling(input({ loads: [load(10), unheard(since)], memory: known(3), limits }));
    expect(held).toMatchObject({ desired: 3, figures: 'unheard' });
    expect(held.reason).toContain('not every serving gateway has been heard yet');
  }
  const silent = decideScaling(input({ loads: [load(10), unheard(begin - 60_001)], memory: known(3), limits }));
  expect(silent).toMatchObject({ desired: 5, figures: 'missing' });
  // What the others need is known.
  expect(decideScaling(input({ loads: [load(500), unheard(undefined)], memory: known(3), limits })).desired).toBe(6);
});

test('a gateway that refuses clients because it is full needs more gateways than serve, for as long as it does', () => {
  const limits = { targetConnectionsPerPod: 30_000, bufferPercent: 0 };
  const full = { ...load(20_000), isRefusing: true };
  const decision = decideScaling(input({ loads: [full, load(19_000)], memory: known(2), limits }));
  expect(decision.desired).toBe(3);
  expect(decision.reason).toContain('1 full gateway refuses clients, so more are needed than serve');
  // The new one starts: no further one is asked for until it serves.
  expect(decideScaling(input({ loads: [full, load(19_000)], memory: known(3), limits })).desired).toBe(3);
  expect(decideScaling(input({ loads: [full, full, full], memory: known(3), limits })).desired).toBe(4);
  expect(decideScaling(input({ loads: [full, load(1)], memory: known(2), limits: { ...limits, maxReplicas: 2 } }))).toMatchObject({
    desired: 2,
    limited: 'max',
  });
  // An old answer, or one of a gateway that leaves, is no need.
  expect(decideScaling(input({ loads: [{ ...full, isServing: false }, load(1)], memory: known(2), limits })).desired).toBe(2);
});

test('a target beyond what a gateway accepts counts as what it accepts', () => {
  const limits = { targetConnectionsPerPod: 30_000, bufferPercent: 0 };
  const loads = [load(20_000), load(20_000), load(1)];
  expect(decideScaling(input({ loads, memory: known(2), limits }))).toMatchObject({
    desired: 3,
    reason: '40001 connections at 20000 a gateway and 0 % spare need 3',
  });
  expect(decideScaling(input({ loads, memory: known(2), limits, connectionsMax: undefined })).desired).toBe(2);
});

test('a lowered limit takes effect at the usual pace, but not in silence', () => {
  const limits = { maxReplicas: 5 };
  expect(decideScaling(input({ loads: [load(5000)], memory: known(9), limits })).desired).toBe(8);
  expect(decideScaling(input({ loads: [load(5000, begin - 61_000)], memory: known(9), limits })).desired).toBe(9);
});

test('a draining gateway that is silent does not make the figures stale', () => {
  const decision = decideScaling(input({ loads: [load(10), { ...unheard(begin - 61_000), isServing: false }], memory: known(2) }));
  expect(decision.figures).toBe('fresh');
});

test('after a silence the window of scaling down begins anew', () => {
  let memory = known(6);
  for (let second = 0; second < 600; second += 10) {
    const now = begin + second * 1000;
    memory = decideScaling(input({ now, memory, loads: [load(0, begin - 100_000)] })).memory;
  }
  const now = begin + 600_000;
  expect(decideScaling(input({ now, memory, loads: [load(0, now)] })).desired).toBe(6);
});

const runs = fc.array(
  fc.record({ seconds: fc.integer({ min: 0, max: 120 }), connections: fc.integer({ min: 0, max: 5000 }), isSilent: fc.boolean() }),
  { maxLength: 60 },
);

test('over any run: within the limits, never down without news, never faster than its pace, memory bounded', () => {
  fc.assert(
    fc.property(runs, fc.integer({ min: 1, max: 20 }), (steps, current) => {
      let memory: ScalingMemory | undefined;
      let now = begin;
      let before = current;
      for (const { seconds, connections, isSilent } of steps) {
        now += seconds * 1000;
        const {
          desired,
          figures,
          memory: next,
        } = decideScaling(input({ now, current, memory, loads: [load(connections, isSilent ? now - 100_000 : now)] }));
        expect(figures).toBe(isSilent ? 'missing' : 'fresh');
        if (isSilent) expect(desired).toBeGreaterThanOrEqual(before);
        expect(desired).toBeGreaterThanOrEqual(1);
        expect(desired).toBeLessThanOrEqual(20);
        expect(desired).toBeGreaterThanOrEqual(before - connectionScaling.scaleDown.maxPodsPerPeriod);
        expect(desired).toBeLessThanOrEqual(before + connectionScaling.scaleUp.maxPodsPerPeriod);
        expect(next.recommendations.length).toBeLessThanOrEqual(302);
        memory = next;
        before = desired;
      }
    }),
    { numRuns: 500 },
  );
});

test('the same input gives the same decision, and deciding twice at one time changes nothing more', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 20 }), (connections, current) => {
      const once = decideScaling(input({ loads: [load(connections)], current }));
      expect(decideScaling(input({ loads: [load(connections)], current }))).toEqual(once);
      const again = decideScaling(input({ loads: [load(connections)], current, memory: once.memory }));
      expect(Math.abs(again.desired - current)).toBeLessThanOrEqual(10);
    }),
  );
});
