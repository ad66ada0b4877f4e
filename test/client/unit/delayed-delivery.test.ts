import { expect, test } from 'vitest';
import { DelayedDelivery } from '../../../client/delayed-delivery.ts';
import { heldPublicationsMax } from '../../../client/holdback.ts';
import { ServerClock } from '../../../client/server-clock.ts';
import type { Step } from '../../../client/step.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Scene {
  readonly clock: FakeClock;
  readonly serverClock: ServerClock;
  readonly delivery: DelayedDelivery;
  /** `[time, offset]` of each delivered publication. */
  readonly delivered: (readonly [number, number])[];
  readonly early: number[];
}

/** A gateway whose clock says `told` when the client's says 0, or says nothing. */
function scene(delay: () => number, told: number | 'nothing' = 1_000_000): Scene {
  const clock = new FakeClock();
  const serverClock = new ServerClock();
  if (told !== 'nothing') serverClock.greeted(told, 0);
  const delivered: (readonly [number, number])[] = [];
  const early: number[] = [];
  const deliver = (step: Step): void => {
    if (step.kind === 'batch') for (const { offset } of step.batch.publications) delivered.push([clock.time, offset]);
  };
  const onEarly = (count: number): void => void early.push(count);
  return { clock, serverClock, delivered, early, delivery: new DelayedDelivery({ delay, clock, serverClock, deliver, onEarly }) };
}

/** A batch of publications that follow `after`, accepted at these times of the gateway's clock. */
function batch(after: number, times: readonly (number | undefined)[]): Step {
  const publications = times.map((acceptedAt, index) => ({
    channel: 'c',
    offset: after + 1 + index,
    data: 'x',
    ...(acceptedAt === undefined ? {} : { acceptedAt }),
  }));
  return { kind: 'batch', batch: { epoch: 'e', after, upto: after + times.length, publications } };
}

test('each is delivered when it is as old as the delay, and at most 50 ms later', async () => {
  const { clock, delivery, delivered } = scene(() => 1_000);
  await clock.advance(100);
  // 60, 30 and 0 ms old when they arrive.
  delivery.add([batch(0, [1_000_040, 1_000_070, 1_000_100])]);
  expect([delivery.held, delivery.isEmpty]).toEqual([3, false]);
  await clock.advance(900);
  expect(delivered).toEqual([]);
  await clock.advance(1_000);
  expect(delivered.map(([, offset]) => offset)).toEqual([1, 2, 3]);
  for (const [index, due] of [1_040, 1_070, 1_100].entries()) {
    expect(delivered[index]?.[0]).toBeGreaterThanOrEqual(due);
    expect(delivered[index]?.[0]).toBeLessThanOrEqual(due + 50);
  }
  expect([delivery.held, clock.pending]).toEqual([0, 0]);
});

test('without a delay everything is delivered at once, and no timer is set', () => {
  const { clock, delivery, delivered } = scene(() => 0);
  delivery.add([batch(0, [1_000_000, 2_000_000])]);
  expect(delivered).toEqual([
    [0, 1],
    [0, 2],
  ]);
  expect(clock.pending).toBe(0);
});

test('a player that comes nearer to live, or falls behind, is followed within 250 ms', async () => {
  let delayMs = 60_000;
  const { clock, delivery, delivered } = scene(() => delayMs);
  delivery.add([batch(0, [1_000_000])]);
  await clock.advance(10_000);
  expect(delivered).toEqual([]);
  delayMs = 90_000;
  await clock.advance(70_000);
  expect(delivered).toEqual([]);
  delayMs = 5_000;
  await clock.advance(250);
  expect(delivered).toHaveLength(1);
});

test.each([NaN, -1, '5', undefined, null])('a delay of %s changes nothing: a player that has not begun has none', async (given) => {
  let delay: unknown = 500;
  const { clock, delivery, delivered } = scene(() => delay as number);
  delivery.add([batch(0, [1_000_000])]);
  delay = given;
  await clock.advance(499);
  expect(delivered).toEqual([]);
  await clock.advance(51);
  expect(delivered).toHaveLength(1);
});

test.each<readonly [string, number | 'nothing', number | undefined]>([
  ['a publisher whose clock is an hour ahead', 1_000_000, 4_600_000],
  ['a gateway whose clock is an hour behind', 1_000_000 - 3_600_000, 1_000_000],
  ['a gateway that has told no time', 'nothing', 1_000_000],
  ['a gateway that tells no times of publications', 1_000_000, undefined],
])('%s holds a publication for the delay, and no longer', async (_what, told, acceptedAt) => {
  const { clock, delivered, early, delivery } = scene(() => 2_000, told);
  delivery.add([batch(0, [acceptedAt])]);
  await clock.advance(1_999);
  expect(delivered).toEqual([]);
  await clock.advance(51);
  expect([delivered.length, early]).toEqual([1, []]);
});

test('one past the bound, the oldest are delivered before their time, in order, and told', () => {
  const { delivered, early, delivery } = scene(() => Infinity);
  for (let after = 0; after < heldPublicationsMax; after += 500)
    delivery.add([
      batch(
        after,
        Array.from({ length: 500 }, () => 1_000_000),
      ),
    ]);
  expect([delivery.held, delivered.length, early]).toEqual([heldPublicationsMax, 0, []]);
  delivery.add([batch(heldPublicationsMax, [1_000_000])]);
  expect(delivered.map(([, offset]) => offset)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  expect([delivery.held, early]).toEqual([heldPublicationsMax - 499, [500]]);
});

test('what a listener causes comes after everybody has heard what caused it', () => {
  const heard: number[] = [];
  const delivery: DelayedDelivery = new DelayedDelivery({
    delay: () => 0,
    clock: new FakeClock(),
    serverClock: new ServerClock(),
    deliver: (step) => {
      if (step.kind !== 'batch') return;
      // A first listener causes a step, and a second one hears the present step.
      if (step.batch.upto === 1) delivery.add([batch(2, [0])]);
      heard.push(step.batch.upto);
    },
    onEarly: () => {},
  });
  delivery.add([batch(0, [0]), batch(1, [0])]);
  expect(heard).toEqual([1, 2, 3]);
});

test('at its end what is held is handed out, or never delivered; either way no timer stays', async () => {
  const handed = scene(() => 1_000);
  handed.delivery.add([batch(0, [1_000_000])]);
  handed.delivery.end('hand-out');
  expect([handed.delivered.length, handed.early, handed.clock.pending]).toEqual([1, [1], 0]);
  const discarded = scene(() => 1_000);
  discarded.delivery.add([batch(0, [1_000_000])]);
  discarded.delivery.end('discard');
  await discarded.clock.advance(5_000);
  expect([discarded.delivered, discarded.early, discarded.clock.pending]).toEqual([[], [], 0]);
});
