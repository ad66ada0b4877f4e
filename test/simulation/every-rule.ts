import { expect } from 'vitest';
import { checkAccounts, checkEveryoneIsAtTheEnd, checkNothingIsMissing, checkSums } from './checks.ts';
import { Random } from './random.ts';
import { simulate, type Seeds } from './simulate.ts';
import type { Troubles, World } from './world.ts';

/** Each trouble in half of the worlds, whatever the others are. */
function troublesOf(seed: number): Troubles {
  const random = new Random(seed);
  // Neighbouring seeds have neighbouring first numbers.
  for (let index = 0; index < 5; index++) random.fraction();
  const hasClockSteps = random.chance(0.1);
  const half = (): boolean => random.chance(0.5);
  const history = random.pick(['none', 'short', 'whole', 'whole'] as const);
  return {
    budgets: half(),
    conflation: half(),
    likes: random.chance(0.3),
    expiry: half(),
    moves: half(),
    densities: half(),
    stalls: half(),
    breaks: half(),
    busInterruptions: half(),
    failovers: random.pick([false, 'whole', true] as const),
    clockSteps: hasClockSteps,
    busyLoops: half(),
    history,
    rewinds: half(),
    snapshots: half(),
    recalls: half() && !hasClockSteps,
    pull: history !== 'none' && half(),
    streams: half(),
  };
}

/** Whether nothing may be lost on the way to anybody. */
function mustBeWhole({ troubles, hasGivenUpReads }: World): boolean {
  const { history, failovers, stalls, clockSteps } = troubles;
  return history === 'whole' && failovers !== true && !stalls && !clockSteps && !hasGivenUpReads;
}

/** Where nothing holds viewers up, gaps have no other reason than what the bus has lost. */
function checkReasons({ troubles, viewers }: World): void {
  if (troubles.stalls) return;
  for (const { ledger } of viewers) for (const { reason } of ledger.gaps) expect(reason).not.toBe('slow');
}

/** Worlds in which all rules meet, five hundred or more: with their seeds none of them is met by chance only. */
export async function simulateEveryRule(seeds: Seeds): Promise<void> {
  const met = await simulate(seeds, troublesOf, check);
  met.expectMet({
    moves: 500,
    resumesRecovered: 750,
    resumesRefused: 250,
    resumedPublications: 15_000,
    rewound: 200,
    streamResumes: 150,
    streamGaps: 50,
    stepsToPull: 350,
    stepsToSocket: 250,
    segments: 200,
    snapshots: 350,
    recalls: 250,
    recalledInTime: 250,
    continuedEpochs: 200,
    holesFilled: 125,
    holesNotFilled: 50,
    gapsMissed: 500,
    gapsSlow: 25,
    gapsEpoch: 30,
    gapsReconnect: 125,
    sampled: 25_000,
    conflated: 10_000,
    cutDown: 5,
    expired: 4_000,
    skippedForSlow: 500,
  });
}

function check(world: World): void {
  checkEveryoneIsAtTheEnd(world);
  checkAccounts(world);
  checkReasons(world);
  if (!mustBeWhole(world)) return;
  checkNothingIsMissing(world);
  if (!world.troubles.expiry && !world.troubles.recalls) checkSums(world);
}
