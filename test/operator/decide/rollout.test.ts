import { expect, test } from 'vitest';
import { begin, gatewayWith, poolWith } from './pool-fixture.ts';
import { retirable, reviewOf, rolloutState, surgeOf, type RolloutInput } from '../../../operator/decide/rollout.ts';

const update = 'bbbbb22222';
const old = (slot: number, fields = {}, polled = {}) => gatewayWith(`web-aaaaa-${slot}`, fields, polled);
const current = (slot: number, fields = {}) => gatewayWith(`web-bbbbb-${slot}`, { revision: update, ...fields });

function input(live: RolloutInput['live'], desired: number, maxSurge: number | string = '25%'): RolloutInput {
  const { spec } = poolWith({ updateStrategy: { type: 'SurgeAndDrain', maxSurge } });
  return { spec, desired, updateRevision: update, keptRevision: undefined, live, refused: new Set(), now: begin, quotaRefuses: false };
}

function retired(...of: Parameters<typeof input>): readonly string[] {
  return retirable(input(...of), new Set()).map(({ name }) => name);
}

test('the surge is the share rounded up, no more than there are old ones, and none for an empty pool', () => {
  const live = [old(0), old(1), old(2), old(3), old(4)];
  expect(surgeOf(input(live, 5))).toBe(2);
  expect(surgeOf(input(live.slice(0, 1), 5))).toBe(1);
  expect(surgeOf(input(live, 0))).toBe(0);
  expect(surgeOf(input([current(0)], 5))).toBe(0);
});

test('where neither surge nor unavailability is allowed, one surges, or nothing would ever happen', () => {
  const spec = poolWith({
    updateStrategy: { type: 'SurgeAndDrain', maxSurge: 0 },
    disruption: { maxUnavailable: 0, nodeAutoscalerEviction: 'Allow' },
  }).spec;
  expect(surgeOf({ ...input([old(0)], 1), spec })).toBe(1);
});

test('as many as desired stay; without a surge one fewer', () => {
  expect(retired([old(0), old(1)], 2)).toEqual([]);
  expect(retired([old(0), old(1), current(0)], 2)).toEqual(['web-aaaaa-0']);
  expect(retired([old(0), old(1)], 2, 0)).toEqual(['web-aaaaa-0']);
});

test('where a new gateway waits for a host port, old ones go first, no more than may be missing', () => {
  const unscheduled = { containersReady: false, isRunning: false, phase: 'Pending' } as const;
  const words = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.";
  const waiting = current(0, { ...unscheduled, obstacle: { reason: 'Unschedulable', message: words } });
  expect(retired([old(0), old(1), waiting], 2)).toEqual(['web-aaaaa-0']);
  expect(retired([old(1), waiting], 2)).toEqual([]);
});

test('where no node has taken a new gateway for a minute, one old one makes room', () => {
  const homeless = (ms: number, desired = 4, maxUnavailable = 2) => {
    const obstacle = { reason: 'Unschedulable', message: '0/4 nodes are available: 4 Insufficient cpu.' };
    const waiting = current(0, {
      containersReady: false,
      isRunning: false,
      phase: 'Pending',
      serving: 'Unknown',
      polled: undefined,
      obstacle,
      createdAt: begin - ms,
    });
    const { updateStrategy, ...others } = poolWith({ disruption: { maxUnavailable } as never }).spec;
    const spec = { ...others, updateStrategy: { ...updateStrategy, maxSurge: 1 } };
    const live = [...Array.from({ length: desired }, (_, slot) => old(slot)), waiting];
    return { ...input(live, 4), spec };
  };
  const names = (of: RolloutInput) => retirable(of, new Set()).map(({ name }) => name);
  expect(names(homeless(59_999))).toEqual([]);
  expect(reviewOf(homeless(59_999))).toEqual([1]);
  expect(names(homeless(60_000))).toEqual(['web-aaaaa-0']);
  expect(reviewOf(homeless(60_000))).toEqual([]);
  // A template that no node ever takes costs one gateway, though two may be missing.
  expect(names(homeless(86_400_000, 3))).toEqual([]);
  expect(names(homeless(86_400_000, 4, 0))).toEqual([]);
});

test('where a quota refuses a new gateway, one old one makes room, if one may be missing', () => {
  const live = [old(0), old(1), old(2)];
  const names = (maxUnavailable: number, quotaRefuses = true, of = live) => {
    const { spec } = poolWith({ disruption: { maxUnavailable } as never });
    return retirable({ ...input(of, 3), spec, quotaRefuses }, new Set()).map(({ name }) => name);
  };
  expect(names(2)).toEqual(['web-aaaaa-0']);
  expect(names(2, false)).toEqual([]);
  expect(names(2, true, live.slice(1))).toEqual([]);
  expect(names(0)).toEqual([]);
});

test('a gateway that may not be changed stays, and another one leaves in its place', () => {
  const of = input([old(0), old(1), current(0)], 2);
  expect(retirable(of, new Set()).map(({ name }) => name)).toEqual(['web-aaaaa-0']);
  expect(retirable({ ...of, refused: new Set(['web-aaaaa-0']) }, new Set()).map(({ name }) => name)).toEqual(['web-aaaaa-1']);
});

test('an old gateway that nobody is on goes at once', () => {
  expect(retired([old(0), old(1, { isRunning: false, containersReady: false })], 2)).toEqual(['web-aaaaa-1']);
});

test('an old gateway that is broken but holds connections goes when the new revision has shown that it works', () => {
  const broken = old(1, { containersReady: false });
  expect(retired([old(0), broken], 2)).toEqual([]);
  expect(retired([old(0), broken, current(0, { containersReady: false })], 2)).toEqual([]);
  expect(retired([old(0), broken, current(0)], 2)).toEqual(['web-aaaaa-1']);
});

test('the state is told in words with numbers', () => {
  expect(rolloutState(input([current(0), current(1)], 2), [])).toEqual({
    state: 'complete',
    message: '2 of 2 gateways are ready and up to date',
  });
  expect(rolloutState(input([old(0), old(1), current(0, { containersReady: false })], 2), [])).toMatchObject({ state: 'waiting' });
  expect(rolloutState(input([old(0), current(0)], 2), [old(1)])).toEqual({
    state: 'progressing',
    message: '1 of 2 gateways is of the new revision, 1 of them ready; 1 old one is left, 1 draining',
  });
});
