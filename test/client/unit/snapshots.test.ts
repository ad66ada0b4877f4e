import { expect, test } from 'vitest';
import { Cursor, type Told } from '../../../client/cursor.ts';
import type { BarrageError } from '../../../client/errors.ts';
import { heldForSnapshotBytesMax, heldForSnapshotMax, type AwaitingBatch } from '../../../client/snapshot-gate.ts';
import { Snapshots, type GetState } from '../../../client/snapshots.ts';
import { Random } from '../../simulation/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const bounds = { baseMs: 500, capMs: 20_000 };

/** The spans of a channel, a cursor that follows them, and the snapshots of its subscriber. */
class Channel {
  readonly clock = new FakeClock();
  readonly cursor = new Cursor<AwaitingBatch>();
  /** What the subscriber was told: `snapshot 3`, `4`, `gap to 7`. */
  readonly told: string[] = [];
  readonly errors: BarrageError[] = [];
  readonly asked: number[] = [];
  readonly snapshots: Snapshots<AwaitingBatch>;
  offset = 0;

  constructor(getState: GetState, random: () => number = () => 0.5) {
    this.snapshots = new Snapshots({
      getState: (position) => {
        this.asked.push(position.offset);
        return getState(position);
      },
      times: { clock: this.clock, random, bounds: () => bounds },
      position: () => this.cursor.position,
      onSnapshot: ({ offset }, state) => this.told.push(`snapshot ${offset} of ${String(state)}`),
      onError: (error) => this.errors.push(error),
      tell: (told) => this.#note(told),
    });
  }

  joined(): void {
    this.snapshots.arrived(this.cursor.subscribed({ epoch: 'e', offset: this.offset }, false));
    this.snapshots.joined();
  }

  /** One batch of so many publications. */
  publish(count = 1, data = 'x'): void {
    const after = this.offset;
    this.offset += count;
    const publications = Array.from({ length: count }, () => ({ data }));
    this.snapshots.arrived(this.cursor.batch({ epoch: 'e', after, upto: this.offset, publications }));
  }

  /** Publications that do not come. */
  lose(count = 1): void {
    const after = this.offset;
    this.offset += count;
    this.snapshots.arrived(this.cursor.gap({ epoch: 'e', after, upto: this.offset, reason: 'slow' }));
  }

  #note(told: readonly Told<AwaitingBatch>[]): void {
    for (const each of told) this.told.push(each.kind === 'gap' ? `gap to ${each.to.offset}` : `${each.deliverAfter}-${each.batch.upto}`);
  }
}

/** A state that the test gives, or fails to give, when it wants. */
class States {
  readonly #waiting: { readonly resolve: (state: unknown) => void; readonly reject: (cause: unknown) => void }[] = [];

  readonly get: GetState = () => new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));

  give(state: unknown): void {
    this.#waiting.shift()?.resolve(state);
  }

  fail(cause: unknown): void {
    this.#waiting.shift()?.reject(cause);
  }
}

test('the position comes first, then the state, then what followed the position, each once', async () => {
  const states = new States();
  const channel = new Channel(states.get);
  channel.offset = 5;
  channel.joined();
  channel.publish();
  channel.publish(2);
  await channel.clock.advance(1_000);
  expect([channel.asked, channel.told]).toEqual([[5], []]);
  states.give('five or more');
  await channel.clock.advance(0);
  channel.publish();
  expect(channel.told).toEqual(['snapshot 5 of five or more', '5-6', '6-8', '8-9']);
  // A subscription that is in force again, and goes on, needs no other one.
  channel.joined();
  await channel.clock.advance(60_000);
  expect(channel.asked).toEqual([5]);
});

test('after a gap the state is asked for again, within the base of the back-off; nothing in between is told', async () => {
  const states = new States();
  const channel = new Channel(states.get);
  channel.joined();
  states.give('first');
  await channel.clock.advance(10_000);
  channel.lose();
  channel.publish();
  await channel.clock.advance(249);
  expect(channel.asked).toEqual([0]);
  await channel.clock.advance(1);
  channel.publish();
  states.give('second');
  await channel.clock.advance(0);
  expect([channel.asked, channel.told]).toEqual([
    [0, 2],
    ['snapshot 0 of first', 'gap to 1', 'snapshot 2 of second', '2-3'],
  ]);
});

test('a state that is older than a gap is not used', async () => {
  const states = new States();
  const channel = new Channel(states.get);
  channel.joined();
  channel.publish();
  channel.lose();
  channel.publish();
  await channel.clock.advance(100);
  states.give('too old');
  await channel.clock.advance(1_000);
  states.give('good');
  await channel.clock.advance(0);
  channel.publish();
  expect([channel.asked, channel.told, channel.errors]).toEqual([[0, 3], ['snapshot 3 of good', '3-4'], []]);
});

test.each([
  ['a rejected promise', () => Promise.reject(new Error('HTTP 500')), 'snapshot', 'getState failed: HTTP 500'],
  [
    'a function that throws',
    (): never => {
      throw new Error('no such table');
    },
    'snapshot',
    'getState failed: no such table',
  ],
  ['a promise that is never kept', () => new Promise(() => {}), 'timeout', 'getState gave no state in 30000 ms'],
] as const)('%s is an error that may pass: it is tried again ever more rarely', async (_, getState, code, message) => {
  const channel = new Channel(getState);
  channel.joined();
  await channel.clock.advance(300_000);
  expect(channel.errors.length).toBeGreaterThanOrEqual(6);
  expect(channel.errors.length).toBeLessThanOrEqual(40);
  for (const error of channel.errors) expect(error).toMatchObject({ code, message, retry: true });
  channel.snapshots.end();
  await channel.clock.advance(60_000);
  expect(channel.clock.pending).toBe(0);
});

test('a state that comes after its time, or after the end, changes nothing', async () => {
  const states = new States();
  const channel = new Channel(states.get);
  channel.joined();
  await channel.clock.advance(30_000);
  states.give('late');
  await channel.clock.advance(0);
  expect([channel.told, channel.errors.length]).toEqual([[], 1]);
  await channel.clock.advance(20_000);
  channel.snapshots.end();
  states.give('too late');
  await channel.clock.advance(60_000);
  channel.publish();
  expect([channel.told, channel.clock.pending]).toEqual([[], 0]);
});

test.each([
  ['publications', heldForSnapshotMax, 1, 'x'],
  ['batches', heldForSnapshotMax, 0, 'x'],
  ['bytes', 8, 1, 'x'.repeat(heldForSnapshotBytesMax / 8)],
])('so many %s wait for a state; one more, and another is asked for, with an error', async (_, batches, size, data) => {
  for (const more of [0, 1]) {
    const states = new States();
    const channel = new Channel(states.get);
    channel.joined();
    for (let batch = 0; batch < batches + more; batch++) {
      // An empty batch accounts for a publication that was left out.
      if (size === 0) channel.snapshots.arrived(channel.cursor.batch({ epoch: 'e', after: batch, upto: batch + 1, publications: [] }));
      else channel.publish(size, data);
    }
    states.give('state');
    await channel.clock.advance(0);
    if (more === 0) expect([channel.told.length, channel.errors]).toEqual([1 + batches, []]);
    else {
      expect([channel.told, channel.errors]).toMatchObject([[], [{ code: 'snapshot', retry: true }]]);
      await channel.clock.advance(1_000);
      states.give('another');
      await channel.clock.advance(0);
      expect(channel.told).toEqual([`snapshot ${batches + 1} of another`]);
    }
  }
});

test('a channel with many gaps asks ever more rarely, and often again after a calm time', async () => {
  const channel = new Channel(
    () => Promise.resolve('state'),
    () => 0.999,
  );
  channel.joined();
  await channel.clock.advance(0);
  for (let gap = 0; gap < 3_000; gap++) {
    channel.lose();
    await channel.clock.advance(100);
  }
  // 300 s of gaps: 0.5 + 1 + 2 + … + 16 s, and then one in 20 s.
  expect(channel.asked.length).toBeLessThan(25);
  await channel.clock.advance(60_000);
  const before = channel.asked.length;
  channel.lose();
  await channel.clock.advance(500);
  expect(channel.asked.length).toBe(before + 1);
});

/**
 * The application's truth is the number of publications so far; a state is that number at the moment when it is read,
 * anywhere between the question and the answer.
 */
async function runWorld(seed: number): Promise<void> {
  const random = new Random(seed);
  let known = 0;
  let snapshots = 0;
  const channel: Channel = new Channel(async () => {
    await new Promise<void>((resolve) => void channel.clock.after(random.below(2_000), resolve));
    if (random.chance(0.2)) throw new Error('not now');
    const state = channel.offset;
    await new Promise<void>((resolve) => void channel.clock.after(random.below(2_000), resolve));
    return state;
  }, random.fraction);
  const read = (): void => {
    for (const line of channel.told.splice(0)) {
      const [from = 0, to = 0] = (line.match(/\d+/g) ?? []).map(Number);
      if (line.startsWith('gap')) continue;
      if (line.startsWith('snapshot')) {
        // Position and state: the state has everything up to the position.
        expect(to).toBeGreaterThanOrEqual(from);
        expect(from).toBeGreaterThanOrEqual(known);
        known = from;
        snapshots++;
      } else {
        expect(snapshots).toBeGreaterThan(0);
        // No hole between the snapshot and the stream, nor a repetition.
        expect(from).toBe(known);
        known = to;
      }
    }
  };
  channel.joined();
  for (let step = 0; step < 300; step++) {
    if (random.chance(0.03)) channel.lose(1 + random.below(5));
    else if (random.chance(0.5)) channel.publish(1 + random.below(3));
    else if (random.chance(0.05)) channel.joined();
    await channel.clock.advance(random.below(400));
    read();
  }
  await channel.clock.advance(600_000);
  read();
  expect(known).toBe(channel.offset);
}

test('whatever happens, the states and the stream after each make up everything that was published', async () => {
  for (let seed = 1; seed <= 300; seed++) await runWorld(seed);
});
