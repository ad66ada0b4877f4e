import { expect, test } from 'vitest';
import { begin, gatewayWith, poolWith } from './pool-fixture.ts';
import { drainDeadline, drainState, mayAbort } from '../../../operator/decide/drain.ts';
import type { ObservedGateway, PolledGateway } from '../../../operator/decide/observed.ts';

const { drain } = poolWith({ drain: { propagationSeconds: 10, connectionsPerSecond: 200, deadlineSeconds: 60 } }).spec;

/** A gateway that was marked `seconds` ago. */
function marked(seconds: number, fields: Partial<ObservedGateway> = {}, polled: Partial<PolledGateway> = {}): ObservedGateway {
  const startedAt = begin - seconds * 1000;
  return gatewayWith(
    'web-aaaaa-0',
    { drain: { startedAt, deadlineAt: drainDeadline(startedAt, drain) }, serving: 'False', ...fields },
    polled,
  );
}

function stateOf(gateway: ObservedGateway): string {
  return drainState(gateway, drain, begin).state;
}

test('the annotations, the clock and the last poll say where a drain is', () => {
  expect(stateOf(gatewayWith('web-aaaaa-0'))).toBe('serving');
  expect(stateOf(marked(9.999))).toBe('propagating');
  expect(stateOf(marked(10))).toBe('evicting');
  expect(stateOf(marked(30, {}, { connections: 0 }))).toBe('empty');
  expect(stateOf(marked(60))).toBe('overdue');
});

test('an endpoint that is still listed as ready holds the eviction up, to the deadline at most', () => {
  expect(stateOf(marked(30, { endpointReady: true }))).toBe('propagating');
  expect(stateOf(marked(30, { endpointReady: false }))).toBe('evicting');
  expect(stateOf(marked(60, { endpointReady: true }))).toBe('overdue');
});

test('no connections at a time when new ones could still come does not count as empty', () => {
  expect(stateOf(marked(5, {}, { connections: 0 }))).toBe('propagating');
  expect(stateOf(marked(30, {}, { connections: 0, at: begin - 25_000 }))).toBe('evicting');
});

test('what another pod at the same address said does not count', () => {
  expect(stateOf(marked(30, {}, { connections: 0, uid: 'another' }))).toBe('evicting');
});

test('a gateway that is not running has nobody to wait for', () => {
  expect(stateOf(marked(1, { isRunning: false }))).toBe('empty');
});

test('a mark that nobody can read begins anew; one without a deadline has the deadline of the spec', () => {
  expect(stateOf(marked(1, { drain: { startedAt: undefined, deadlineAt: begin } }))).toBe('unreadable');
  expect(stateOf(marked(1, { drain: { startedAt: begin - 59_000, deadlineAt: undefined } }))).toBe('evicting');
  expect(stateOf(marked(1, { drain: { startedAt: begin - 60_000, deadlineAt: undefined } }))).toBe('overdue');
});

test('a deadline that somebody has put off by hand ends where the spec says, and an earlier one holds', () => {
  const until = (deadlineAt: number): string => stateOf(marked(60, { drain: { startedAt: begin - 60_000, deadlineAt } }));
  expect(until(begin + 3_600_000)).toBe('overdue');
  expect(stateOf(marked(30, { drain: { startedAt: begin - 30_000, deadlineAt: begin + 3_600_000 } }))).toBe('evicting');
  expect(stateOf(marked(30, { drain: { startedAt: begin - 30_000, deadlineAt: begin } }))).toBe('overdue');
});

test.each([
  ['Never', 5, false],
  ['Never', 30, false],
  ['BeforeEvictionStarted', 5, true],
  ['BeforeEvictionStarted', 30, false],
  ['Always', 5, true],
  ['Always', 30, true],
  ['Always', 60, false],
] as const)('abortOnDemand %s, %d s after the mark: may be taken back is %s', (abortOnDemand, seconds, expected) => {
  expect(mayAbort(marked(seconds), { ...drain, abortOnDemand }, begin)).toBe(expected);
});

test('a drain whose pod has begun to move clients has begun, whatever the clock says', () => {
  expect(mayAbort(marked(5, {}, { drainState: 'draining' }), drain, begin)).toBe(false);
});
