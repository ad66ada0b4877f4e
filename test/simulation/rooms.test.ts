import { expect, test } from 'vitest';
import {
  checkAccounts,
  checkEverythingIsAccountedFor,
  checkEveryoneIsAtTheEnd,
  checkNobodyNoticed,
  checkNothingIsLeftOut,
  checkNothingIsMissing,
  checkSums,
} from './checks.ts';
import { simulate } from './simulate.ts';
import { noTroubles as none, type Troubles } from './world.ts';

const file = 'test/simulation/rooms.test.ts';
const seedsEach = 450;

test('without troubles every viewer gets everything from its joining on, once and in order', async () => {
  await simulate(
    { first: 1, seeds: seedsEach, file },
    () => none,
    (world) => {
      checkEveryoneIsAtTheEnd(world);
      checkNothingIsMissing(world);
      checkAccounts(world);
      checkNothingIsLeftOut(world);
    },
  );
});

test('budgets, conflation, expiry, densities and busy loops leave out on purpose: counted, never a gap', async () => {
  const troubles = (seed: number): Troubles => ({
    ...none,
    budgets: seed % 2 === 0,
    conflation: true,
    expiry: seed % 3 === 0,
    densities: true,
    busyLoops: seed % 4 < 2,
  });
  await simulate({ first: 10_000, seeds: seedsEach, file }, troubles, (world) => {
    checkEveryoneIsAtTheEnd(world);
    checkNothingIsMissing(world);
    checkAccounts(world);
    checkEverythingIsAccountedFor(world);
  });
});

test('a move loses nothing and repeats nothing, also without history', async () => {
  const troubles = (seed: number): Troubles => ({
    ...none,
    moves: true,
    budgets: seed % 3 === 0,
    conflation: seed % 2 === 0,
    densities: seed % 5 === 0,
  });
  await simulate({ first: 20_000, seeds: seedsEach, file }, troubles, (world) => {
    checkEveryoneIsAtTheEnd(world);
    checkNothingIsMissing(world);
    checkAccounts(world);
    checkSums(world);
    checkEverythingIsAccountedFor(world);
  });
});

test('what a viewer adds up is what was published or was told to be missing, over moves, reconnects and interruptions', async () => {
  const troubles = (seed: number): Troubles => ({
    ...none,
    likes: true,
    moves: true,
    breaks: seed % 2 === 0,
    stalls: seed % 5 === 0,
    busInterruptions: seed % 3 === 0,
    failovers: seed % 7 === 0,
  });
  const met = await simulate({ first: 60_000, seeds: seedsEach, file }, troubles, (world) => {
    checkEveryoneIsAtTheEnd(world);
    checkAccounts(world);
    checkSums(world);
  });
  met.expectMet({ cutDown: 50 });
});

test('stalled readers are bounded and told of every gap; nobody else notices', async () => {
  await simulate(
    { first: 30_000, seeds: seedsEach, file },
    () => ({ ...none, stalls: true, conflation: true }),
    (world) => {
      checkEveryoneIsAtTheEnd(world);
      checkAccounts(world);
    },
  );
});

test.each([40_000, 41_000])(
  'whatever happens, a viewer ends at the end of the log, and what it did not get it was told of (%i)',
  async (first) => {
    const troubles = (seed: number): Troubles => ({
      budgets: seed % 2 === 0,
      conflation: seed % 3 === 0,
      likes: false,
      expiry: seed % 5 === 0,
      moves: true,
      densities: true,
      stalls: seed % 2 === 1,
      breaks: true,
      busInterruptions: true,
      failovers: seed % 2 === 0,
      clockSteps: seed % 7 === 0,
      busyLoops: seed % 4 === 0,
      history: (['none', 'whole', 'short'] as const)[seed % 3] ?? 'none',
      rewinds: seed % 2 === 0,
      snapshots: seed % 5 < 2,
      recalls: seed % 4 === 3 && seed % 7 > 0,
      streams: false,
      pull: seed % 3 > 0 && seed % 7 < 3,
    });
    await simulate({ first, seeds: seedsEach, file }, troubles, (world) => {
      checkEveryoneIsAtTheEnd(world);
      checkAccounts(world);
    });
  },
);

test('with a history no viewer notices that a gateway was cut off from the bus, nor a failover that lost nothing', async () => {
  const troubles = (seed: number): Troubles => ({
    ...none,
    busInterruptions: true,
    likes: seed % 2 === 0,
    moves: seed % 3 === 0,
    failovers: seed % 5 === 0 ? 'whole' : false,
    history: 'whole',
  });
  const met = await simulate({ first: 70_000, seeds: seedsEach, file }, troubles, checkNobodyNoticed);
  met.expectMet({ holesFilled: 100, continuedEpochs: 50 });
  expect(met.rules.holesNotFilled).toBe(0);
});

test('with a history a viewer that comes back or moves gets exactly what it missed, sums included, also over a new epoch', async () => {
  const troubles = (seed: number): Troubles => ({
    ...none,
    breaks: true,
    moves: seed % 2 === 0,
    likes: seed % 3 === 0,
    busInterruptions: seed % 5 === 0,
    failovers: seed % 4 === 1 ? 'whole' : false,
    history: 'whole',
  });
  const met = await simulate({ first: 80_000, seeds: seedsEach, file }, troubles, checkNobodyNoticed);
  met.expectMet({ resumedPublications: 1_000, continuedEpochs: 50 });
});
