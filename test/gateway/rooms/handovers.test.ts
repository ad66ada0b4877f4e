import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { plainEncoding, v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import { FanOut } from '../../../gateway/rooms/fan-out.ts';
import { Handovers } from '../../../gateway/rooms/handovers.ts';
import type { Member } from '../../../gateway/rooms/members.ts';
import { Room } from '../../../gateway/rooms/room.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { readFrames } from '../../support/frames.ts';
import { logBatch, publication, sum } from '../../support/publications.ts';

const zero = (): number => 0;
const gauges = {
  connectionsMax: zero,
  sockets: zero,
  subscriptions: zero,
  rooms: zero,
  busUp: () => true,
  stretchedRooms: zero,
  fanOutShare: zero,
};

/** A room with windows of 100 ms, and what its members are sent. */
function hosting() {
  const clock = new FakeClock();
  const fanOut = new FanOut({ clock, onSlice: () => {} });
  const metrics = new GatewayMetrics(new Registry(), gauges);
  const room = new Room({
    channel: 'c',
    policy: defaultPolicy,
    position: { epoch: 'e', offset: 0 },
    surroundings: { fanOut, metrics, clock, done: new DoneFlushes() },
    onActive() {},
  });
  let offset = 0;
  return {
    clock,
    room,
    join: (hasPosition: boolean) => {
      const frames: Buffer[] = [];
      const write = (bytes: Buffer): boolean => frames.push(bytes) > 0;
      const socket = { writableLength: 0, write, once: () => {} } as unknown as Duplex;
      const connection = new Connection({
        id: 1,
        encoding: v1Encoding,
        wire: { socket, close: () => {}, terminate: () => {} },
        now: 0,
        onClose: () => {},
      });
      const memberClass = (hasPosition ? v1Encoding.handover : v1Encoding).classAt('full');
      const member: Member = { connection, room, memberClass, asked: undefined, active: true, index: -1 };
      room.join(member);
      return { member, frames };
    },
    like: (count: number): void => {
      const likes = Array.from({ length: count }, () => publication('like', { conflation: sum('k') }));
      room.receive(logBatch(offset + 1, likes));
      offset += count;
    },
  };
}

/** The items of the batches that were sent since the last look. */
function itemsOf({ frames }: { readonly frames: Buffer[] }): readonly object[] {
  return frames
    .splice(0)
    .flatMap((bytes) => readFrames(bytes))
    .flatMap(({ payload }) => (JSON.parse(payload.toString()) as { items: object[] }).items);
}

test('a member that came with a position is told what sums are made of, for ten seconds; the others are not', async () => {
  const { clock, room, join, like } = hosting();
  const [settled, moved] = [join(false), join(true)];
  like(3);
  await clock.advance(1);
  expect(itemsOf(settled)).toEqual([{ offset: 3, count: 3, data: 'like' }]);
  expect(itemsOf(moved)).toEqual([{ offset: 3, count: 3, parts: [1, 1, 1, 1, 1], data: 'like' }]);
  await clock.advance(limits.handoverMs - 2);
  like(2);
  await clock.advance(1);
  expect(itemsOf(moved)).toEqual([{ offset: 5, count: 2, parts: [1, 1, 1], data: 'like' }]);
  expect(moved.member.memberClass.encoding).toBe(v1Encoding.handover);
  await clock.advance(200);
  itemsOf(settled);
  like(2);
  await clock.advance(1);
  expect([itemsOf(settled), itemsOf(moved)]).toEqual(Array.from({ length: 2 }, () => [{ offset: 7, count: 2, data: 'like' }]));
  expect(moved.member.memberClass).toBe(settled.member.memberClass);
  room.close();
});

test('a member keeps its density and its encoding through changes of density, and none is kept that left', async () => {
  const { clock, room, join, like } = hosting();
  const [first, second] = [join(true), join(true)];
  room.changeDensity(first.member, 20);
  expect(first.member.memberClass).toBe(v1Encoding.handover.classAt('dense20'));
  room.leave(second.member);
  await clock.advance(limits.handoverMs);
  like(2);
  expect(first.member.memberClass).toBe(v1Encoding.classAt('dense20'));
  expect([second.member.memberClass, room.size]).toEqual([v1Encoding.handover.classAt('full'), 1]);
  room.close();
});

test('who comes and goes in a quiet room is forgotten in time, and told of once', () => {
  const handovers = new Handovers();
  const members = [1, 2, 3].map((index) => ({ active: index !== 2 }) as Member);
  for (const [index, member] of members.entries()) handovers.add(member, index);
  expect(handovers.over(limits.handoverMs - 1)).toEqual([]);
  expect(handovers.over(limits.handoverMs + 1)).toEqual([members[0]]);
  expect(handovers.over(limits.handoverMs + 9)).toEqual([members[2]]);
  expect(handovers.over(Infinity)).toEqual([]);
});

test('an encoding that can not say sums has no other for a handover', () => {
  expect(plainEncoding.handover).toBe(plainEncoding);
  expect(v1Encoding.handover).not.toBe(v1Encoding);
  expect(v1Encoding.handover.handover).toBe(v1Encoding.handover);
});
