import { expect, test } from 'vitest';
import { busiestSecond, Crowd, type CrowdOptions } from './crowd.ts';
import { Random } from './random.ts';

const clients = 20_000;
const acceptsPerSecond = 2_000;
const three = [{}, {}, {}];
/** The shortest time in which all can be back, in milliseconds. */
const idealMs = (clients * 1000) / (acceptsPerSecond * three.length);
const seeds = [1, 2];

function crowd(seed: number, more: Partial<CrowdOptions> = {}): Crowd {
  return new Crowd({ seed, clients, acceptsPerSecond, survivors: three, asks: true, ...more });
}

function expectBack(world: Crowd, within: { readonly clients?: number; readonly idealMs?: number } = {}): void {
  expect(world.back).toBe(within.clients ?? clients);
  for (const { accepts } of world.survivors) expect(busiestSecond(accepts)).toBeLessThanOrEqual(1.2 * acceptsPerSecond);
  expect(world.lastBackAt).toBeLessThanOrEqual(2 * (within.idealMs ?? idealMs));
}

test.each(seeds)(
  '20,000 clients of a killed gateway come back to three others: nobody is refused, nobody later than twice the ideal (seed %i)',
  (seed) => {
    const world = crowd(seed);
    world.run();
    expectBack(world);
    expect(world.refusals).toBe(0);
    for (const { dials } of world.survivors) expect(busiestSecond(dials)).toBeLessThanOrEqual(1.2 * acceptsPerSecond);
  },
);

test.each([0.8, 1.25])('so it is where the crowd has changed since they were told, by a factor of %f', (factor) => {
  const base = 1.5 * idealMs * factor;
  const world = crowd(4, { told: { baseMs: base, capMs: 20_000 } });
  world.run();
  expectBack(world);
  expect(world.refusals).toBe(0);
});

test('the back-off of a few would bring them all at once: the budget refuses most, and still holds', () => {
  const world = crowd(5, { told: { baseMs: 500, capMs: 20_000 } });
  world.run();
  expectBack(world);
  expect(Math.max(...world.survivors.map(({ dials }) => busiestSecond(dials)))).toBeGreaterThan(3 * acceptsPerSecond);
});

test.each(seeds)('unequal shares: clients are placed by thirty channels of unequal size (seed %i)', (seed) => {
  const random = new Random(seed);
  const channels = Array.from({ length: clients }, () => `video:${Math.floor(30 * random.fraction() ** 2)}`);
  const world = crowd(seed, { channelOf: (client) => channels[client % clients] ?? '' });
  world.run();
  expectBack(world);
});

test.each(seeds)('all of one hot channel: the gateway that is its place names the others (seed %i)', (seed) => {
  const world = crowd(seed, { channelOf: () => 'video:1' });
  world.run();
  expectBack(world);
});

test.each(seeds)('one of the three is full, or drains: the others take them all (seed %i)', (seed) => {
  for (const refusing of [{ connections: 5, connectionsMax: 5 }, { isDraining: true }]) {
    const world = crowd(seed, { survivors: [refusing, {}, {}], channelOf: (client) => `video:${client % 50}` });
    world.run();
    expectBack(world, { idealMs: 1.5 * idealMs });
    expect(world.survivors[0]?.accepts).toEqual([]);
  }
});

test.each(seeds.slice(1))('another dies meanwhile, with 20,000 of its own (seed %i)', (seed) => {
  for (const channelOf of [undefined, (client: number): string => `video:${client % 50}`]) {
    const diesAt = idealMs / 2;
    const world = crowd(seed, { survivors: [{ connections: clients }, {}, {}], ...(channelOf === undefined ? {} : { channelOf }) });
    world.killLater(0, diesAt);
    world.run();
    // At best half of the first are back by then, a third of them in vain; two take the rest, and the second crowd.
    const left = clients / 2 + clients / 6 + clients;
    expectBack(world, { clients: 2 * clients, idealMs: diesAt + (left * 1000) / (2 * acceptsPerSecond) });
    expect(world.refusals).toBeLessThan(2 * clients);
  }
});

test('clients that never ask come back too, later', () => {
  const world = crowd(6, { asks: false, survivors: [{ isDraining: true }, {}, {}] });
  world.run();
  expect(world.back).toBe(clients);
  for (const { accepts } of world.survivors) expect(busiestSecond(accepts)).toBeLessThanOrEqual(1.2 * acceptsPerSecond);
});

test.each([
  [100, 2_000],
  [20_000, 1_000],
  [100_000, 2_000],
  [5_000, 50],
])('%i clients at %i a second to each of three', (many, perSecond) => {
  const world = new Crowd({ seed: 7, clients: many, acceptsPerSecond: perSecond, survivors: three, asks: true });
  world.run();
  expect(world.back).toBe(many);
  for (const { accepts } of world.survivors) expect(busiestSecond(accepts)).toBeLessThanOrEqual(1.2 * perSecond);
  // A few are spread by the least base.
  expect(world.lastBackAt).toBeLessThanOrEqual(Math.max(600, (2 * many * 1000) / (perSecond * 3)));
});
