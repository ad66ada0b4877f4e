import { expect, test } from 'vitest';
import { Tally } from '../../../gateway/accounts/tally.ts';
import type { RoomLoad } from '../../../gateway/merging/cadence.ts';
import { BusiestRooms } from '../../../gateway/rooms/busiest-rooms.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { policyOf } from '../../support/mergers.ts';

interface TestRoom {
  readonly channel: string;
  size: number;
  readonly tally: Tally;
}

const policy = policyOf({});

function roomOf(channel: string, size: number): TestRoom {
  return { channel, size, tally: new Tally() };
}

function loadOf(publicationsPerSecond: number): RoomLoad {
  return { flushCostMs: 1, arrivalsPerSecond: publicationsPerSecond, publicationsPerSecond, bytesPerSecond: 0, policy };
}

function walkOver(rooms: readonly TestRoom[], loads: ReadonlyMap<TestRoom, RoomLoad>, clock = new FakeClock()): BusiestRooms<TestRoom> {
  const busiest = new BusiestRooms({ rooms: { openRooms: () => rooms, loads }, clock, onSlice() {} });
  busiest.walk();
  return busiest;
}

test('rooms come by publications × members, then by members; no more than twenty', () => {
  const [large, busy, calm] = [roomOf('large', 1_000), roomOf('busy', 10), roomOf('calm', 500)];
  const loads = new Map([
    [busy, loadOf(50)],
    [large, loadOf(1)],
  ]);
  const many = Array.from({ length: 40 }, (_, index) => roomOf(`small-${index}`, 1));
  const found = walkOver([...many, busy, calm, large], loads).found;
  expect(found.slice(0, 3).map(({ room }) => room.channel)).toEqual(['large', 'busy', 'calm']);
  expect(found).toHaveLength(20);
  expect(found[1]?.share).toBeCloseTo(0.01, 5);
  expect(found[2]).toMatchObject({ load: undefined, share: 0 });
});

test('losses are told a second, for rooms that were found before; a room that has closed is left out', () => {
  const clock = new FakeClock();
  const room = roomOf('video:1', 3);
  const busiest = walkOver([room], new Map(), clock);
  expect(busiest.found[0]).toMatchObject({ leftOutPerSecond: 0, lostPerSecond: 0 });
  room.tally.add('budget', [0, 4, 0, 0], 3);
  room.tally.add('slow', [0, 1, 0, 0], 1);
  clock.time += 2_000;
  busiest.walk();
  expect(busiest.found[0]).toMatchObject({ leftOutPerSecond: 6, lostPerSecond: 0.5 });
  room.size = 0;
  expect(busiest.found).toEqual([]);
});
