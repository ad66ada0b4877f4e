import { expect, test } from 'vitest';
import { World, type Troubles } from './world.ts';

const none: Troubles = {
  budgets: false,
  conflation: false,
  likes: false,
  expiry: false,
  moves: false,
  densities: false,
  stalls: false,
  breaks: false,
  busInterruptions: false,
  failovers: false,
  clockSteps: false,
  busyLoops: false,
  history: 'none',
};

/** Runs seeds first, first + 1, …; a failure names its seed, so that it can be run again alone. */
async function simulate(
  first: number,
  seeds: number,
  troublesOf: (seed: number) => Troubles,
  check: (world: World) => void | Promise<void>,
): Promise<void> {
  for (let seed = first; seed < first + seeds; seed++) {
    const world = new World(seed, troublesOf(seed));
    try {
      await world.run(60);
      await check(world);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    } finally {
      world.close();
    }
  }
}

function checkEveryoneIsAtTheEnd(world: World): void {
  for (const viewer of world.viewers) {
    if (viewer.isGone) continue;
    expect(viewer.cursor.position).toEqual({ epoch: world.log.epoch, offset: world.log.offset });
    viewer.application?.checkAll();
  }
}

function checkAccounts(world: World): void {
  for (const { offered, settled, pending } of world.accounts()) {
    expect(pending).toBe(0);
    expect(settled).toBe(offered);
  }
}

function checkNothingIsMissing(world: World): void {
  for (const viewer of world.viewers) expect(viewer.gaps).toEqual([]);
}

function checkSums(world: World): void {
  for (const viewer of world.viewers) expect(viewer.wrongSums).toEqual([]);
}

const seedsEach = 700;

test('without troubles every viewer gets everything from its joining on, once and in order', async () => {
  await simulate(
    1,
    seedsEach,
    () => none,
    (world) => {
      checkEveryoneIsAtTheEnd(world);
      checkNothingIsMissing(world);
      checkAccounts(world);
      for (const viewer of world.viewers)
        if (!viewer.isGone) expect(viewer.delivered).toBe(world.log.offset - (viewer.joinedAt?.offset ?? 0));
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
  await simulate(10_000, seedsEach, troubles, (world) => {
    checkEveryoneIsAtTheEnd(world);
    checkNothingIsMissing(world);
    checkAccounts(world);
    for (const viewer of world.viewers)
      if (!viewer.isGone) expect(viewer.delivered + viewer.leftOut).toBe(world.log.offset - (viewer.joinedAt?.offset ?? 0));
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
  await simulate(20_000, seedsEach, troubles, (world) => {
    checkEveryoneIsAtTheEnd(world);
    checkNothingIsMissing(world);
    checkAccounts(world);
    if (!world.leavesSumsOut) checkSums(world);
    for (const viewer of world.viewers)
      if (!viewer.isGone) expect(viewer.delivered + viewer.leftOut).toBe(world.log.offset - (viewer.joinedAt?.offset ?? 0));
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
  let cutDown = 0;
  await simulate(60_000, seedsEach, troubles, (world) => {
    checkEveryoneIsAtTheEnd(world);
    checkAccounts(world);
    checkSums(world);
    for (const viewer of world.viewers) cutDown += viewer.cutDown;
  });
  // The seeds meet what they are for.
  expect(cutDown).toBeGreaterThan(50);
});

test('stalled readers are bounded and told of every gap; nobody else notices', async () => {
  await simulate(
    30_000,
    seedsEach,
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
    });
    await simulate(first, seedsEach, troubles, (world) => {
      checkEveryoneIsAtTheEnd(world);
      checkAccounts(world);
    });
  },
);

/** Everybody is at the end, and has had or been told of each publication since it joined: there was no gap. */
function checkNobodyNoticed(world: World): void {
  checkEveryoneIsAtTheEnd(world);
  checkNothingIsMissing(world);
  checkAccounts(world);
  checkSums(world);
  for (const viewer of world.viewers)
    if (!viewer.isGone) expect(viewer.delivered + viewer.leftOut).toBe(world.log.offset - (viewer.joinedAt?.offset ?? 0));
}

test('with a history no viewer notices that a gateway was cut off from the bus, nor a failover that lost nothing', async () => {
  const troubles = (seed: number): Troubles => ({
    ...none,
    busInterruptions: true,
    likes: seed % 2 === 0,
    moves: seed % 3 === 0,
    failovers: seed % 5 === 0 ? 'whole' : false,
    history: 'whole',
  });
  let filled = 0;
  await simulate(70_000, 400, troubles, async (world) => {
    checkNobodyNoticed(world);
    for (const { metrics } of world.gateways) {
      for (const { labels, value } of (await metrics.holesClosed.get()).values) {
        if (labels.result === 'filled') filled += value;
        else expect(value).toBe(0);
      }
    }
  });
  expect(filled).toBeGreaterThan(100);
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
  let resumed = 0;
  await simulate(80_000, 400, troubles, async (world) => {
    checkNobodyNoticed(world);
    for (const { metrics } of world.gateways) resumed += (await metrics.resumedPublications.get()).values[0]?.value ?? 0;
  });
  expect(resumed).toBeGreaterThan(1_000);
});
