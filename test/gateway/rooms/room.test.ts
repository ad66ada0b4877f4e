import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { defaultPolicy, type ChannelPolicy } from '../../../core/policy/policy.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import type { ClassRecord } from '../../../gateway/rooms/flush-records.ts';
import { FanOut, type Flush } from '../../../gateway/rooms/fan-out.ts';
import { Room } from '../../../gateway/rooms/room.ts';
import type { Member } from '../../../gateway/rooms/members.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { densityFor } from '../../../gateway/merging/density.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { readFrames } from '../../support/frames.ts';
import { logBatch, publication } from '../../support/publications.ts';

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

function policyOf(publicationsPerSecond: number): ChannelPolicy {
  return { ...defaultPolicy, channel: 'c', budget: { publicationsPerSecond } };
}

class CountedFanOut extends FanOut {
  readonly flushes: Flush[] = [];

  override add(flush: Flush): void {
    this.flushes.push(flush);
    super.add(flush);
  }
}

interface Viewer {
  readonly member: Member;
  readonly frames: Buffer[];
}

/** A room at offset 0 on a gateway without a network. */
class Hosting {
  readonly clock = new FakeClock();
  readonly fanOut = new CountedFanOut({ clock: this.clock, onSlice: () => {} });
  readonly metrics = new GatewayMetrics(new Registry(), gauges);
  readonly room: Room;
  #offset = 0;

  constructor(policy: ChannelPolicy) {
    const surroundings = { fanOut: this.fanOut, metrics: this.metrics, clock: this.clock, done: new DoneFlushes<readonly ClassRecord[]>() };
    this.room = new Room({ channel: 'c', policy, position: { epoch: 'e', offset: 0 }, surroundings, onActive() {} });
  }

  join(count: number, asked: number | undefined): readonly Viewer[] {
    const { room } = this;
    return Array.from({ length: count }, () => {
      const frames: Buffer[] = [];
      const write = (bytes: Buffer): boolean => frames.push(bytes) > 0;
      const socket = { writableLength: 0, write, once: () => {} } as unknown as Duplex;
      const wire = { socket, close: () => {}, terminate: () => {} };
      const connection = new Connection({ id: 1, encoding: v1Encoding, wire, now: 0, onClose: () => {} });
      const memberClass = v1Encoding.classAt(densityFor(asked, room.policy));
      const member: Member = { connection, room, memberClass, asked, active: true, index: -1 };
      room.join(member);
      return { member, frames };
    });
  }

  publish(count: number): void {
    this.room.receive(
      logBatch(
        this.#offset + 1,
        Array.from({ length: count }, () => publication('x')),
      ),
    );
    this.#offset += count;
  }
}

/** The spans of the batches that a viewer was sent. */
function spansOf({ frames }: Viewer): readonly unknown[] {
  return frames
    .flatMap((bytes) => readFrames(bytes))
    .map(({ payload }) => {
      const { after, upto, leftOut } = JSON.parse(payload.toString()) as Record<string, unknown>;
      return [after, upto, leftOut];
    });
}

test('a policy that moves members to other classes costs one frame and one flush for each pair of classes, whoever they are', async () => {
  const hosting = new Hosting(policyOf(5));
  // Under this policy nobody gets more than 5 a second: all are in the one class.
  const [slow, medium, all] = [hosting.join(300, 5), hosting.join(200, 20), hosting.join(10, undefined)];
  hosting.publish(5);
  hosting.publish(2);
  await hosting.clock.advance(100);
  // The burst of a second is used up: the last two were left out, and nobody was told yet.
  for (const viewer of [...slow, ...medium, ...all]) expect(spansOf(viewer)).toEqual([[0, 5, 0]]);

  const before = hosting.fanOut.flushes.length;
  expect(hosting.room.setPolicy(policyOf(50))).toBe(true);
  hosting.room.settle(hosting.room.everyone());
  const moves = hosting.fanOut.flushes.slice(before);
  expect(moves.flatMap(({ deliveries }) => deliveries.map(({ members }) => members.length))).toEqual([300, 200]);
  // Nothing is written at once, however many they are: that is the business of slices.
  for (const viewer of [...slow, ...medium]) expect(viewer.frames).toHaveLength(1);
  expect([slow, medium, all].map(([viewer]) => viewer?.member.memberClass.density)).toEqual(['dense5', 'dense20', 'full']);

  await hosting.clock.advance(0);
  for (const group of [slow, medium]) {
    expect(new Set(group.map(({ frames }) => frames[1])).size).toBe(1);
    for (const viewer of group)
      expect(spansOf(viewer)).toEqual([
        [0, 5, 0],
        [5, 7, 2],
      ]);
  }
  await hosting.clock.advance(1_000);
  hosting.publish(1);
  await hosting.clock.advance(0);
  for (const viewer of [...slow, ...medium]) expect(spansOf(viewer).at(-1)).toEqual([7, 8, 0]);
  for (const viewer of all)
    expect(spansOf(viewer).slice(1)).toEqual([
      [5, 7, 2],
      [7, 8, 0],
    ]);
  hosting.room.close();
});

test('the same policy again changes nothing: nobody is moved, and a stretched window stays stretched', async () => {
  const hosting = new Hosting(policyOf(5));
  const [viewer] = hosting.join(1, 5);
  hosting.room.setCadence({ windowMs: 700, budgetFactor: 1 });
  expect(hosting.room.setPolicy(policyOf(5))).toBe(false);
  hosting.room.settle(hosting.room.everyone());
  expect(hosting.fanOut.flushes).toEqual([]);
  hosting.publish(1);
  hosting.publish(1);
  await hosting.clock.advance(699);
  expect(viewer?.frames).toHaveLength(1);
  await hosting.clock.advance(1);
  expect(viewer?.frames).toHaveLength(2);
  hosting.room.close();
});

test('flushes that wait for an earlier one are counted, and are written after it', async () => {
  const hosting = new Hosting({ ...defaultPolicy, merge: { ...defaultPolicy.merge, windowMilliseconds: 0 } });
  const [viewer] = hosting.join(1, undefined);
  const held = async (): Promise<number> => (await hosting.metrics.heldFlushes.get()).values[0]?.value ?? 0;
  // The fan-out has its turn when the clock advances: until then 16 flushes may be under way, and what comes after is
  // one.
  for (let batch = 0; batch < 16; batch++) hosting.publish(1);
  expect(await held()).toBe(0);
  for (let batch = 0; batch < 5; batch++) hosting.publish(1);
  expect(await held()).toBe(1);
  expect(hosting.fanOut.flushes).toHaveLength(16);
  await hosting.clock.advance(0);
  expect(viewer && spansOf(viewer).slice(-2)).toEqual([
    [15, 16, 0],
    [16, 21, 0],
  ]);
  expect(hosting.fanOut.isIdle).toBe(true);
  hosting.room.close();
});

test('a room that closes while a flush is under way begins no other', async () => {
  const hosting = new Hosting({ ...defaultPolicy, merge: { ...defaultPolicy.merge, windowMilliseconds: 0 } });
  const [viewer] = hosting.join(1, undefined);
  for (let batch = 0; batch < 20; batch++) hosting.publish(1);
  if (viewer !== undefined) hosting.room.leave(viewer.member);
  hosting.room.close();
  await hosting.clock.advance(10_000);
  expect(hosting.fanOut.flushes).toHaveLength(16);
  expect(viewer?.frames).toEqual([]);
});
