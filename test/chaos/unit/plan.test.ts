import { expect, test } from 'vitest';
import { shortRounds } from '../short-rounds.ts';
import { deedsOf, redisModes, roundInWords, roundOf } from '../plan.ts';

const wishes = { seed: 7, mode: 'standalone', actions: 40, spanMs: 30_000 } as const;

test('a seed and a number give the same round, others give others', () => {
  expect(roundOf(wishes, 3)).toEqual(roundOf(wishes, 3));
  expect(roundOf(wishes, 3)).not.toEqual(roundOf(wishes, 4));
  expect(roundOf(wishes, 3)).not.toEqual(roundOf({ ...wishes, seed: 8 }, 3));
});

test.each(redisModes)('%s: rounds have all deeds of the mode and no others, in the order of their times', (mode) => {
  const rounds = Array.from({ length: 30 }, (_, number) => roundOf({ ...wishes, mode }, number));
  const actions = rounds.flatMap((round) => round.actions);
  expect(new Set(actions.map(({ deed }) => deed))).toEqual(deedsOf(mode));
  for (const { actions: own } of rounds) {
    expect(own.map(({ atMs }) => atMs)).toEqual(own.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
    for (const { atMs, forMs, target } of own) {
      expect(atMs).toBeLessThan(wishes.spanMs);
      expect(forMs).toBeGreaterThanOrEqual(0);
      expect(target).toBeLessThan(1);
    }
  }
});

test('a round can be of some deeds alone', () => {
  const { actions } = roundOf({ ...wishes, deeds: ['gateway-kill', 'redis-cut'] }, 0);
  expect(new Set(actions.map(({ deed }) => deed))).toEqual(new Set(['gateway-kill', 'redis-cut']));
  expect(new Set(roundOf({ ...wishes, deeds: ['redis-cut'] }, 0).actions.map(({ deed }) => deed))).toEqual(new Set(['redis-cut']));
});

test('the short form does most of what can be done', () => {
  const done = new Set(shortRounds.flatMap((round) => roundOf(round, 0).actions.map(({ deed }) => deed)));
  const all = new Set(redisModes.flatMap((mode) => [...deedsOf(mode)]));
  expect(shortRounds.map(({ mode }) => mode)).toEqual(redisModes);
  expect([...all].filter((deed) => !done.has(deed))).toEqual(['viewers-pause', 'redis-pause', 'redis-lose', 'failover']);
});

test('a round is printed so that people can read what was done', () => {
  const action = { deed: 'gateway-pause', atMs: 1200, forMs: 3400, target: 0.5 } as const;
  expect(roundInWords({ number: 2, actions: [action, { ...action, deed: 'policy-edit', forMs: 0 }] })).toBe(
    'round 2\n    1.2 s  gateway-pause for 3.4 s (0.500)\n    1.2 s  policy-edit (0.500)\n',
  );
});
