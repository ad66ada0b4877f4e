import { expect, test } from 'vitest';
import { begin, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import type { PoolAction } from '../../../operator/decide/actions.ts';
import type { ObservedGateway } from '../../../operator/decide/observed.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';
import { withSteadyTimes, type TimeMemory } from '../../../operator/decide/steady-times.ts';

const hourMs = 3_600_000;
const drain = { propagationSeconds: 10, connectionsPerSecond: 1, deadlineSeconds: 100, abortOnDemand: 'BeforeEvictionStarted' } as const;

/** An operator that looks at a pool every second, with a wall clock that a test may set. */
class Watcher {
  /** How far the wall clock is ahead of the time that others go by, in milliseconds. */
  aheadMs = 0;
  replicas = 2;
  #memory: TimeMemory | undefined;

  /** @param atMs true time since `begin` */
  look(
    atMs: number,
    gateways: readonly ObservedGateway[],
  ): { readonly gateways: readonly ObservedGateway[]; readonly actions: readonly PoolAction[] } {
    const now = begin + atMs + this.aheadMs;
    const monotonic = 5_000_000 + atMs;
    // Ages of answers are right whatever the wall clock shows.
    const answered = gateways.map((gateway): ObservedGateway => ({ ...gateway, polled: gateway.polled && { ...gateway.polled, at: now } }));
    const steady = withSteadyTimes(answered, this.#memory, { now, monotonic });
    this.#memory = steady.memory;
    const pool = poolWith({ replicas: this.replicas, drain });
    return { gateways: steady.gateways, actions: planPool(observedWith({ now, monotonic, pool, gateways: steady.gateways })).actions };
  }
}

const others = [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1')];
const told = { drainState: 'draining', connections: 50 } as const;

/** A third gateway whose drain began at a time by the clock of the operator that marked it. */
function leaver(startedAt: number, polled: object = told): ObservedGateway {
  const mark = { startedAt, deadlineAt: startedAt + drain.deadlineSeconds * 1000 };
  return gatewayWith('web-aaaaa-2', { drain: mark, serving: 'False', isReady: false }, polled);
}

const jumps = [hourMs, -hourMs, 30_000, -30_000, 23 * hourMs];
const moments = [5, 15, 60, 99];

test.each(jumps.flatMap((jump) => moments.map((moment) => [jump / 1000, moment] as const)))(
  'a drain ends at its deadline though the clock is set by %d s after %d s',
  (jump, moment) => {
    const watcher = new Watcher();
    watcher.look(-1_000, [...others, gatewayWith('web-aaaaa-2')]);
    let endedAt: number | undefined;
    for (let second = 0; endedAt === undefined && second < 200; second += 1) {
      if (second === moment) watcher.aheadMs = jump * 1000;
      const { actions } = watcher.look(second * 1000, [...others, leaver(begin)]);
      expect(actions.map(({ kind }) => kind)).not.toContain('mark-draining');
      if (actions.some(({ kind }) => kind === 'delete-pod')) endedAt = second;
    }
    expect(endedAt).toBe(drain.deadlineSeconds);
  },
);

test.each(jumps)('a drain is aborted while nobody has moved though the clock is set by %d ms', (jump) => {
  const watcher = new Watcher();
  const waiting = leaver(begin, { drainState: 'serving', connections: 50 });
  watcher.look(-1_000, [...others, gatewayWith('web-aaaaa-2')]);
  watcher.look(1_000, [...others, waiting]);
  watcher.aheadMs = jump;
  watcher.replicas = 3;
  expect(watcher.look(4_000, [...others, waiting]).actions.map(({ kind }) => kind)).toEqual(['unmark-draining']);
});

test.each([hourMs, 30_000, 0])('a drain that another leader began ends in its time, though its clock was %d ms ahead', (ahead) => {
  const watcher = new Watcher();
  const seconds = Array.from({ length: 200 }, (_, second) => second);
  // Taken over after 40 s.
  const ended = seconds.find((second) => {
    const { actions } = watcher.look((40 + second) * 1000, [...others, leaver(begin + ahead)]);
    return actions.some(({ kind }) => kind === 'delete-pod');
  });
  // What the earlier one has seen may count anew, and no more than that.
  expect(ended).toBeGreaterThanOrEqual(drain.deadlineSeconds - 40);
  expect(ended).toBeLessThanOrEqual(drain.deadlineSeconds);
});

test.each(jumps)('an ended pod keeps its place for 30 s though the clock is off by %d ms', (jump) => {
  const watcher = new Watcher();
  watcher.look(-1_000, [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1')]);
  watcher.aheadMs = jump;
  const ended = gatewayWith('web-aaaaa-1', { phase: 'Failed', isRunning: false, isReady: false, containersReady: false, endedAt: begin });
  const removed = Array.from({ length: 100 }, (_, second) => second).find((second) =>
    watcher.look(second * 1000, [gatewayWith('web-aaaaa-0'), ended]).actions.some(({ kind }) => kind === 'delete-pod'),
  );
  // Its end may be as old as the last look: a second.
  expect(removed).toBeGreaterThanOrEqual(29);
  expect(removed).toBeLessThanOrEqual(31);
});

test('times stay as they were written while the clocks run alike, so that their order stays', () => {
  const watcher = new Watcher();
  const crew = [0, 1, 2].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { createdAt: begin - slot * 1_000 }));
  watcher.look(0, crew);
  watcher.aheadMs = 900;
  expect(watcher.look(60_000, crew).gateways.map(({ createdAt }) => createdAt)).toEqual(crew.map(({ createdAt }) => createdAt));
});
