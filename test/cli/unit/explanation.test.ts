import { expect, test } from 'vitest';
import { explain, explanationLines } from '../../../cli/view/explanation.ts';
import type { ProcessReading } from '../../../cli/view/reading.ts';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import type { ObservedGateway } from '../../../operator/decide/observed.ts';
import { begin, connectionScaling, gatewayWith, poolWith } from '../../operator/decide/pool-fixture.ts';

const calm = (type: string, status: 'True' | 'False', reason: string) => ({ type, status, reason, message: '', lastTransitionTime: '' });
const settled = [
  calm('Ready', 'True', 'Ready'),
  calm('Progressing', 'False', 'Complete'),
  calm('ScalingActive', 'True', 'Connections'),
  calm('ScalingLimited', 'True', 'TooFewConnections'),
];

function scaling(
  desiredReplicas: number,
  fields: object = {},
  conditions: NonNullable<GatewayPool['status']>['conditions'] = settled,
): GatewayPool {
  return poolWith(
    { scaling: { type: 'Connections', connections: { ...connectionScaling, ...fields } } },
    { desiredReplicas, updateRevision: 'aaaaa11111', conditions },
  );
}

function facts(pool: GatewayPool, gateways: readonly ObservedGateway[]) {
  const readings = gateways.map((observed): ProcessReading => ({
    name: observed.name,
    role: 'gateway',
    pool: 'live/web',
    node: undefined,
    observed,
    restarts: 0,
    answer: { kind: 'told', at: begin, status: undefined, waitingFor: [], samples: [] },
  }));
  return { pool, readings, now: begin };
}

const words = (pool: GatewayPool, gateways: readonly ObservedGateway[]): string =>
  explanationLines(explain(facts(pool, gateways)))
    .map(({ text }) => text)
    .join('\n');

const holding = (name: string, connections: number, fields: Partial<ObservedGateway> = {}): ObservedGateway =>
  gatewayWith(name, fields, { connections });

test('a settled pool that scales: why it has its size, and what twice its connections would need and when', () => {
  const explanation = explain(facts(scaling(3), [holding('a', 90), holding('b', 80), holding('c', 70)]));
  expect(explanation).toMatchObject({ pool: 'live/web', size: { desired: 3, present: 3, ready: 3, leaving: 0 }, connections: 240 });
  expect(explanation.why).toBe('240 connections at 100 a gateway and 20 % spare need 4');
  expect(explanation.waitsFor).toEqual([
    'the number of gateways goes from 3 to 4, if the load stays: at once, by no window and at most 10 gateways in 30 s (spec.scaling.connections.scaleUp)',
  ]);
  const grown = explain(facts(scaling(4), [holding('a', 90), holding('b', 80), holding('c', 70), holding('d', 0)]));
  expect(grown.waitsFor).toEqual([]);
  expect(grown.twice).toMatchObject({ connections: 480, desired: 6, afterSeconds: 0, beyondAccepted: 0 });
  expect(grown.twice.why).toBe('480 connections at 100 a gateway and 20 % spare need 6');
});

test('the forecast is that of the windows and paces in the spec, second by second', () => {
  const scaleUp = { stabilizationWindowSeconds: 60, maxPodsPerPeriod: 2, periodSeconds: 30 };
  const { twice } = explain(facts(scaling(4, { scaleUp }), [holding('a', 150), holding('b', 150), holding('c', 0), holding('d', 0)]));
  // 600 connections need 8: two after a minute, two more 30 s later.
  expect(twice.desired).toBe(8);
  expect(twice.afterSeconds).toBeGreaterThanOrEqual(90);
  expect(twice.afterSeconds).toBeLessThanOrEqual(93);
});

test('what a scale-down waits for is told with its time; one that is forbidden never comes', () => {
  const gateways = [holding('a', 10), holding('b', 10), holding('c', 0)];
  expect(explain(facts(scaling(3), gateways)).waitsFor).toEqual([
    expect.stringMatching(/goes from 3 to 2, if the load stays: at the latest in \dm, by a window of 300 s and at most 1 gateway in 60 s/),
  ]);
  const never = scaling(3, { scaleDown: { stabilizationWindowSeconds: 0, maxPodsPerPeriod: 0, periodSeconds: 60 } });
  expect(explain(facts(never, gateways)).waitsFor).toEqual([expect.stringContaining('not within an hour')]);
});

test('a limit is told: more than maxReplicas allows, and clients that would be refused', () => {
  const template = { spec: { containers: [{ name: 'barrage', env: [{ name: 'BARRAGE_GATEWAY_CONNECTIONS_MAX', value: '200' }] }] } };
  const pool = { ...scaling(2, { maxReplicas: 2 }) };
  const full = { ...pool, spec: { ...pool.spec, template } };
  const { twice, accepts } = explain(facts(full, [holding('a', 150), holding('b', 150)]));
  expect(accepts).toBe(200);
  expect(twice).toMatchObject({ connections: 600, desired: 2, beyondAccepted: 200 });
  expect(twice.why).toContain('maxReplicas allows 2');
  expect(words(full, [holding('a', 150), holding('b', 150)])).toContain('200 of them are more than the ready gateways accept now');
});

test('a pool of a fixed size, one on a memory bus and a paused one keep their number under twice the load', () => {
  expect(explain(facts(poolWith({ replicas: 2 }, { desiredReplicas: 2, conditions: settled }), [holding('a', 9)]))).toMatchObject({
    why: 'spec.replicas is 2',
    twice: { desired: 2, why: 'spec.replicas is 2' },
  });
  const memory = poolWith({ replicas: 3, bus: { type: 'Memory' } }, { desiredReplicas: 1, conditions: settled });
  expect(explain(facts(memory, [holding('a', 9)])).why).toBe('a memory bus allows one gateway only');
  const paused = poolWith({ replicas: 5, paused: true }, { desiredReplicas: 2, conditions: [calm('Paused', 'True', 'Paused')] });
  const { why, waitsFor, twice } = explain(facts(paused, [holding('a', 9), holding('b', 9)]));
  expect([why, twice.desired]).toEqual(['spec.paused is true', 2]);
  expect(waitsFor).toEqual([expect.stringContaining('Paused is True (Paused)')]);
});

test('gateways that drain, leave, or are not ready are named with what they wait for', () => {
  const drain = { startedAt: begin - 20_000, deadlineAt: begin + 40_000 };
  const lines = words(
    poolWith(
      { replicas: 4 },
      { desiredReplicas: 4, conditions: [{ ...calm('Ready', 'False', 'RedisUnreachable'), message: 'Check spec.bus.redis' }] },
    ),
    [
      holding('drains', 12, { drain, serving: 'False' }),
      holding('leaves', 3, { isTerminating: true, deletedAt: begin - 1000 }),
      gatewayWith('waits', { isReady: false, containersReady: false }, { ready: false, waitingFor: ['the bus'] }),
      gatewayWith('stuck', {
        isRunning: false,
        phase: 'Pending',
        polled: undefined,
        obstacle: { reason: 'ErrImagePull', message: 'no such image' },
      }),
    ],
  );
  expect(lines).toContain('Ready is False (RedisUnreachable): Check spec.bus.redis');
  expect(lines).toMatch(/drains drains with 12 connections: it moves its clients, for at most 40 s more/);
  expect(lines).toContain('leaves was deleted, and moves its clients: 3 left');
  expect(lines).toContain('waits is not ready: it waits for the bus');
  expect(lines).toContain('stuck is not ready: ErrImagePull. no such image');
});

test('a pool that no operator has seen says so', () => {
  expect(explain(facts(poolWith(), [])).waitsFor).toEqual([expect.stringContaining('an operator: the pool has no status')]);
});
