import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import type { Connection } from '../../../gateway/connections/connection.ts';
import { Delivery } from '../../../gateway/rooms/delivery.ts';
import { FanOut, type FannedOut, type Flush } from '../../../gateway/rooms/fan-out.ts';
import type { Member } from '../../../gateway/rooms/members.ts';

/** A fan-out on a loop whose time passes by writing: 5 µs for each write. */
class Loop {
  timeMs = 0;
  /** The process stands still for so long at its next write. */
  stillMs = 0;
  readonly slicesMs: number[] = [];
  readonly done: { readonly what: string; readonly at: number }[] = [];
  readonly #soon: (() => void)[] = [];
  readonly fanOut = new FanOut({
    clock: {
      monotonic: () => this.timeMs,
      soon: (callback) => {
        this.#soon.push(callback);
        return () => {};
      },
    },
    onSlice: (milliseconds) => this.slicesMs.push(milliseconds),
  });

  room(): FannedOut {
    return { spentMs: 0 };
  }

  flush(room: FannedOut, members: number, what: string, onDone: () => void = () => {}): Flush {
    const sendBatch = (): boolean => {
      this.timeMs += this.stillMs + 0.005;
      this.stillMs = 0;
      return true;
    };
    const connection = { sendBatch } as Partial<Connection> as Connection;
    const list = Array.from({ length: members }, () => ({ active: true, connection }) as Partial<Member> as Member);
    const span = { epoch: 'e', after: 0, upto: 1 };
    const rest = { frames: 1, publications: [], tallies: [], meter: { sent() {} } };
    const delivery = new Delivery({ span, frame: Buffer.alloc(1), members: list, ...rest });
    return {
      room,
      deliveries: [delivery],
      onDone: () => {
        this.done.push({ what, at: this.timeMs });
        onDone();
      },
    };
  }

  run(): void {
    for (let next = this.#soon.shift(); next !== undefined; next = this.#soon.shift()) next();
  }
}

test('however many large rooms flush, a small one waits for one turn of each', () => {
  for (const rooms of [10, 31, 200, 1_000]) {
    const loop = new Loop();
    for (let number = 0; number < rooms; number++) loop.fanOut.add(loop.flush(loop.room(), 640, 'large'));
    loop.fanOut.add(loop.flush(loop.room(), 5, 'small'));
    loop.run();
    const [first] = loop.done;
    expect(first?.what).toBe('small');
    // A turn is 64 writes.
    expect(first?.at).toBeCloseTo((rooms * 64 + 5) * 0.005, 6);
    expect(loop.done).toHaveLength(rooms + 1);
    expect(Math.max(...loop.slicesMs)).toBeLessThanOrEqual(limits.fanOutSliceMsMax);
    expect(loop.fanOut.isIdle).toBe(true);
  }
});

test('the flushes of one room are written one after the other, also one that is added when the first is done', () => {
  const loop = new Loop();
  const [room, other] = [loop.room(), loop.room()];
  loop.fanOut.add(
    loop.flush(room, 300, 'first', () => {
      loop.fanOut.add(loop.flush(room, 10, 'third'));
    }),
  );
  loop.fanOut.add(loop.flush(room, 10, 'second'));
  loop.fanOut.add(loop.flush(other, 1_000, 'other'));
  loop.run();
  expect(loop.done.map(({ what }) => what)).toEqual(['first', 'second', 'third', 'other']);
});

test('a room is charged for the time of its own writes', () => {
  const loop = new Loop();
  const [large, small] = [loop.room(), loop.room()];
  loop.fanOut.add(loop.flush(large, 2_000, 'large', () => (loop.timeMs += 7)));
  loop.fanOut.add(loop.flush(small, 100, 'small'));
  loop.run();
  expect(large.spentMs).toBeCloseTo(10, 6);
  expect(small.spentMs).toBeCloseTo(0.5, 6);
});

test('a room is not charged for a time in which the process stood still', () => {
  const loop = new Loop();
  const room = loop.room();
  loop.stillMs = 4_000;
  loop.fanOut.add(loop.flush(room, 128, 'interrupted'));
  loop.run();
  expect(loop.timeMs).toBeGreaterThan(4_000);
  expect(room.spentMs).toBeCloseTo(limits.flushStepMsMax + 64 * 0.005, 6);
});
