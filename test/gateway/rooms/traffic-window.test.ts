import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { busiestWindowSeconds, type BusiestChannels } from '../../../gateway/accounts/busiest-channels.ts';
import { Tally } from '../../../gateway/accounts/tally.ts';
import { TrafficWindow } from '../../../gateway/rooms/traffic-window.ts';
import { FakeClock } from '../../support/fake-clock.ts';

class TestRoom {
  readonly channel: string;
  readonly size = 10;
  readonly tally = new Tally();
  totals = { spentMs: 0, publications: 0 };

  constructor(channel: string) {
    this.channel = channel;
  }

  work(spentMs: number, publications: number): void {
    this.totals = { spentMs: this.totals.spentMs + spentMs, publications: this.totals.publications + publications };
    this.tally.add('delivered', [0, publications, 0], this.size);
  }
}

class World {
  readonly clock = new FakeClock();
  readonly metrics: { busiest: BusiestChannels; loopSlice: () => void } = { busiest: { loaded: [], dropping: [] }, loopSlice: () => {} };
  readonly window = new TrafficWindow({ clock: this.clock, metrics: this.metrics });

  room(channel: string): TestRoom {
    const room = new TestRoom(channel);
    this.window.noted(room);
    return room;
  }

  async endWindow(): Promise<void> {
    await this.clock.advance(busiestWindowSeconds * 1000);
  }

  get loaded(): readonly string[] {
    return this.metrics.busiest.loaded.map(({ channel }) => channel);
  }

  get dropping(): readonly string[] {
    return this.metrics.busiest.dropping.map(({ channel }) => channel);
  }
}

test('a window gives rates of what happened in it, the largest first', async () => {
  const world = new World();
  const [small, large] = [world.room('small'), world.room('large')];
  small.work(10 * busiestWindowSeconds, 20);
  large.work(100 * busiestWindowSeconds, 20 * busiestWindowSeconds);
  large.tally.add('budget', [0, 0, 3 * busiestWindowSeconds], 10);
  await world.endWindow();
  expect(world.loaded).toEqual(['large', 'small']);
  expect(world.dropping).toEqual(['large']);
  expect(world.metrics.busiest.loaded[0]).toEqual({
    channel: 'large',
    members: 10,
    loadRatio: 0.1,
    publicationsPerSecond: 20,
    deliveredPerSecond: 200,
    droppedPerSecond: { budget: 30, conflated: 0, expired: 0, recalled: 0, slow: 0, disconnected: 0 },
  });
});

test('a channel that cools is gone after its last window, and counts anew when it is back', async () => {
  const world = new World();
  const room = world.room('a');
  room.work(10, 10);
  await world.endWindow();
  expect(world.loaded).toEqual(['a']);
  await world.endWindow();
  expect(world.loaded).toEqual([]);
  world.window.noted(room);
  room.work(2 * busiestWindowSeconds, 3 * busiestWindowSeconds);
  await world.endWindow();
  expect(world.metrics.busiest.loaded[0]).toMatchObject({ loadRatio: 0.002, publicationsPerSecond: 3 });
});

test('the channel of one user is in no list', async () => {
  const world = new World();
  world.room('user:42').work(1000, 100);
  world.room('a').work(1, 1);
  await world.endWindow();
  expect(world.loaded).toEqual(['a']);
});

test('each list is bounded, and a closed room is in none', async () => {
  const world = new World();
  const rooms = Array.from({ length: 3 * limits.topChannelsMax }, (_, index) => world.room(`room:${index}`));
  for (const [index, room] of rooms.entries()) {
    room.work(index + 1, 1);
    room.tally.add('slow', [0, 1, 0], index + 1);
  }
  const last = rooms.at(-1);
  if (last !== undefined) world.window.closed(last);
  await world.endWindow();
  expect(world.loaded).toHaveLength(limits.topChannelsMax);
  expect(world.loaded[0]).toBe(`room:${rooms.length - 2}`);
  expect(world.dropping).toEqual(world.loaded);
  world.window.close();
});
