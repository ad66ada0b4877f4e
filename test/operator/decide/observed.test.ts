import { expect, test } from 'vitest';
import { isAvailable, isIdle, isServable, pollOf } from '../../../operator/decide/observed.ts';
import { begin, gatewayWith } from './pool-fixture.ts';

test('the answer of another pod that has the address now is none', () => {
  const gateway = gatewayWith('a', {}, { connections: 5 });
  expect(pollOf(gateway)?.connections).toBe(5);
  expect(pollOf({ ...gateway, uid: 'another' })).toBeUndefined();
  expect(pollOf(gatewayWith('a', { polled: undefined }))).toBeUndefined();
});

test('a gateway may serve while it runs and does not leave', () => {
  expect(isServable(gatewayWith('a'))).toBe(true);
  const mark = { startedAt: begin, deadlineAt: begin + 1000 };
  for (const lacking of [{ isRunning: false }, { phase: 'Pending' as const }, { isTerminating: true }, { drain: mark }])
    expect(isServable(gatewayWith('a', lacking))).toBe(false);
});

test('a gateway is idle when it does not run, says so, or was never ready', () => {
  expect(isIdle(gatewayWith('a', { isRunning: false }, { connections: 5 }))).toBe(true);
  expect(isIdle(gatewayWith('a', {}, { connections: 0 }))).toBe(true);
  expect(isIdle(gatewayWith('a', { polled: undefined, serving: 'Unknown', containersReady: false }))).toBe(true);
  expect(isIdle(gatewayWith('a', { polled: undefined }))).toBe(false);
  expect(isIdle(gatewayWith('a', { containersReady: false, polled: undefined }))).toBe(false);
});

test('a gateway is available when Services lead to it: one that is about to become Ready does not stand in for another', () => {
  expect(isAvailable(gatewayWith('a'))).toBe(true);
  for (const lacking of [{ isReady: false }, { serving: 'False' as const }, { containersReady: false }, { isTerminating: true }])
    expect(isAvailable(gatewayWith('a', lacking))).toBe(false);
});
