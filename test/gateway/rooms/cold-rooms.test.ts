import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { ColdRooms } from '../../../gateway/rooms/cold-rooms.ts';

/** Opens so many rooms at a time; how many were, and what the last one was told. */
function open(rooms: ColdRooms, count: number, now: number, connection?: object): readonly [opened: number, last: string] {
  let opened = 0;
  let last = '';
  for (let room = 0; room < count; room++) {
    last = rooms.open(connection, now);
    if (last === 'opened') opened++;
  }
  return [opened, last];
}

test('a connection may open all its subscriptions at once and not one more, then its rate, and others are not refused for it', () => {
  const rooms = new ColdRooms(0);
  const connection = {};
  expect(open(rooms, limits.subscriptionsPerConnectionMax, 0, connection)).toEqual([128, 'opened']);
  expect(rooms.open(connection, 0)).toBe('connection_rate');
  expect(rooms.open({}, 0)).toBe('opened');
  expect(open(rooms, 100, 1000, connection)).toEqual([limits.coldRoomsOfConnectionPerSecondMax, 'connection_rate']);
});

test('a gateway may open its burst of rooms at once and not one more, then its rate, whoever wants them', () => {
  const rooms = new ColdRooms(0);
  expect(open(rooms, limits.coldRoomsBurst, 0)).toEqual([limits.coldRoomsBurst, 'opened']);
  expect(rooms.open(undefined, 0)).toBe('gateway_rate');
  const connection = {};
  expect(open(rooms, 2, 0, connection)).toEqual([1, 'gateway_rate']);
  expect(open(rooms, 2000, 1000)).toEqual([limits.coldRoomsPerSecondMax, 'gateway_rate']);
});

test('a room that the gateway does not open costs its connection nothing', () => {
  const rooms = new ColdRooms(0);
  open(rooms, limits.coldRoomsBurst, 0);
  const connection = {};
  expect(open(rooms, 1000, 0, connection)).toEqual([1, 'gateway_rate']);
  expect(open(rooms, 1000, 1000, connection)).toEqual([limits.subscriptionsPerConnectionMax, 'connection_rate']);
});

test('a hundred thousand clients of a message centre may each open the room of their user as fast as they are accepted', () => {
  const rooms = new ColdRooms(0);
  for (let client = 0; client < 100_000; client++) expect(rooms.open({}, 0)).toBe('opened');
  expect(open(rooms, limits.coldRoomsBurst + 1, 0)).toEqual([limits.coldRoomsBurst, 'gateway_rate']);
});

test('a backend is bounded by the rate of the gateway alone', () => {
  const rooms = new ColdRooms(0);
  expect(open(rooms, 1000, 0)).toEqual([1000, 'opened']);
});
