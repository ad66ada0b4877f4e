import { expect, test } from 'vitest';
import { begin, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import type { ObservedGateway, ObservedPool } from '../../../operator/decide/observed.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';

const marked = {
  drain: { startedAt: begin - 20_000, deadlineAt: begin + 520_000 },
  serving: 'False' as const,
};

function gateways(count: number, fields: Partial<ObservedGateway> = {}, name = 'aaaaa'): readonly ObservedGateway[] {
  return Array.from({ length: count }, (_, slot) => gatewayWith(`web-${name}-${slot}`, fields));
}

function budgetOf(replicas: number, crew: readonly ObservedGateway[], fields: Partial<ObservedPool> = {}) {
  return planPool(observedWith({ pool: poolWith({ replicas }), gateways: crew, ...fields })).budget;
}

test('in a scale-down the credit counts every gateway that serves and is not marked', () => {
  const six = gateways(6);
  expect(budgetOf(6, six).minAvailable).toBe(5);
  expect(budgetOf(3, six).minAvailable).toBe(5);
  expect(budgetOf(3, six.with(5, gatewayWith('web-aaaaa-5', marked))).minAvailable).toBe(4);
  expect(budgetOf(3, gateways(3)).minAvailable).toBe(2);
  // Fewer than desired: the budget asks for the desired number.
  expect(budgetOf(6, gateways(3)).minAvailable).toBe(5);
});

test('in a rollout the surge counts from the plan that lets it serve', () => {
  const old = gateways(6);
  const updateRevision = 'bbbbb22222';
  const surge = (serving: ObservedGateway['serving']) => gateways(2, { revision: updateRevision, serving }, 'bbbbb');
  expect(budgetOf(6, [...old, ...surge('True')], { updateRevision }).minAvailable).toBe(7);
  expect(budgetOf(6, [...old, ...surge('Unknown')], { updateRevision }).minAvailable).toBe(7);
  const unready = surge('Unknown').map((gateway) => ({
    ...gateway,
    containersReady: false,
  }));
  expect(budgetOf(6, [...old, ...unready], { updateRevision }).minAvailable).toBe(5);
});

test('while more than desired serve, a gateway that was evicted uses up the credit until it is empty or silent', () => {
  const left = gateways(4);
  const evicted = (connections: number, at = begin) => gatewayWith('web-aaaaa-9', { isTerminating: true }, { connections, at });
  expect(budgetOf(3, [...left, evicted(7)]).minAvailable).toBe(4);
  expect(budgetOf(3, [...left, evicted(0)]).minAvailable).toBe(3);
  expect(budgetOf(3, [...left, evicted(7, begin - 10_000)]).minAvailable).toBe(3);
  // The operator drains one of eight in a rollout: seven serve, or six after an eviction.
  const draining = gatewayWith('web-aaaaa-8', marked);
  expect(budgetOf(6, [...gateways(7), draining]).minAvailable).toBe(6);
  expect(budgetOf(6, [...gateways(6), draining, evicted(7)]).minAvailable).toBe(6);
  expect(budgetOf(6, [...gateways(5), draining, evicted(7), evicted(7)]).minAvailable).toBe(5);
  const updateRevision = 'bbbbb22222';
  expect(budgetOf(6, [...gateways(6), evicted(7)], { updateRevision }).minAvailable).toBe(6);
  // Otherwise, with a successor for it, the next one may go.
  expect(budgetOf(4, [...left, evicted(7)]).minAvailable).toBe(3);
});

test('the budget falls only as the API server counts a marked gateway out, and rises at once', () => {
  const six = gateways(6);
  const leaving = (isReady: boolean) => six.with(5, gatewayWith('web-aaaaa-5', { ...marked, isReady }));
  const budget = (crew: readonly ObservedGateway[], minAvailable: number, currentHealthy: number) =>
    budgetOf(3, crew, { budget: { minAvailable, currentHealthy } }).minAvailable;
  // Marked, and ready still: by the operator's sight, or by the API server's.
  expect(budget(leaving(true), 5, 6)).toBe(5);
  expect(budget(leaving(false), 5, 6)).toBe(5);
  expect(budget(leaving(true), 5, 5)).toBe(5);
  expect(budget(leaving(false), 5, 5)).toBe(4);
  expect(budget(six, 2, 3)).toBe(5);
  // Nothing is held of what was never asked for, nor for a gateway that is lost.
  expect(budget(leaving(true), 4, 6)).toBe(4);
  expect(budget(gateways(3), 5, 3)).toBe(2);
});

test('a marked gateway that is still counted lends its place to nobody, while an evicted one moves its clients', () => {
  const evicted = gatewayWith('web-aaaaa-9', { isTerminating: true }, { connections: 7, at: begin });
  const leaving = (isReady: boolean) => [...gateways(6), gatewayWith('web-aaaaa-8', { ...marked, isReady }), evicted];
  const budget = (isReady: boolean, currentHealthy: number) =>
    budgetOf(6, leaving(isReady), { budget: { minAvailable: 7, currentHealthy } }).minAvailable;
  // Seven are counted of which one is marked: none of the other six may go.
  expect(budget(true, 7)).toBe(7);
  expect(budget(false, 7)).toBe(7);
  expect(budget(true, 6)).toBe(7);
  expect(budget(false, 6)).toBe(6);
});

test('a share of the gateways is a share of those that serve', () => {
  const budget = (replicas: number, count: number) =>
    planPool(
      observedWith({
        pool: poolWith({
          replicas,
          disruption: {
            maxUnavailable: '25%',
            nodeAutoscalerEviction: 'Allow',
          },
        }),
        gateways: gateways(count),
      }),
    ).budget.minAvailable;
  expect([budget(4, 4), budget(4, 8), budget(0, 4), budget(4, 2)]).toEqual([3, 6, 3, 3]);
});

test('an unready gateway that serves is not evictable for that; where none serves, every broken pod is', () => {
  const waiting = {
    ready: false,
    waitingFor: ['the bus: connect ECONNREFUSED'],
  };
  const away = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { containersReady: false, isReady: false }, waiting));
  expect(budgetOf(2, away)).toEqual({
    minAvailable: 1,
    unhealthyPods: 'IfHealthyBudget',
  });
  // The budget must be right before the outage begins.
  expect(budgetOf(2, gateways(2)).unhealthyPods).toBe('IfHealthyBudget');
  const broken = {
    serving: 'Unknown' as const,
    containersReady: false,
    isReady: false,
  };
  expect(budgetOf(2, gateways(2, broken)).unhealthyPods).toBe('AlwaysAllow');
  expect(budgetOf(2, gateways(2, { isRunning: false, containersReady: false, isReady: false })).unhealthyPods).toBe('AlwaysAllow');
  expect(budgetOf(2, [gatewayWith('web-aaaaa-0', { isTerminating: true })]).unhealthyPods).toBe('IfHealthyBudget');
});

test('Ready and Available still ask for the desired number only', () => {
  expect(planPool(observedWith({ pool: poolWith({ replicas: 3 }), gateways: gateways(6) })).minAvailable).toBe(2);
});
