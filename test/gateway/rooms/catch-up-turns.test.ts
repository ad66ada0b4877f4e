import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { limits } from '../../../core/limits.ts';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { createLogger } from '../../../core/process/logging.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import { FanOut } from '../../../gateway/rooms/fan-out.ts';
import { Rooms } from '../../../gateway/rooms/rooms.ts';
import { gauges } from '../../simulation/gateway.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { publication } from '../../support/publications.ts';

const channel = 'video:1';
const returning = 1_000;

/** One room with a member who stayed, and what each write to a client was, in order. */
class Stage {
  readonly clock = new FakeClock();
  readonly writes: { readonly client: number; readonly text: string }[] = [];
  readonly metrics = new GatewayMetrics(new Registry(), gauges);
  readonly rooms: Rooms;
  readonly #log = createMemoryBus().log;

  constructor() {
    const written = { channels: [{ channel: 'video:*', history: {}, merge: { windowMilliseconds: 0 } }] };
    this.rooms = new Rooms({
      log: this.#log,
      policies: new Policies(policyFileSchema.parse(written).channels),
      surroundings: {
        fanOut: new FanOut({ clock: this.clock, onSlice() {} }),
        metrics: this.metrics,
        clock: this.clock,
        done: new DoneFlushes(),
      },
      logger: createLogger({ part: 'test', level: 'silent' }),
      share: 0.6,
    });
  }

  client(id: number): Connection {
    const socket = {
      writableLength: 0,
      write: (bytes: Buffer) => {
        this.writes.push({ client: id, text: bytes.toString() });
        return true;
      },
    };
    const wire = { socket: socket as unknown as Duplex, close: () => {}, terminate: () => {} };
    return new Connection({ id, encoding: v1Encoding, wire, now: this.clock.time, onClose: () => {} });
  }

  async publish(text: string): Promise<void> {
    await this.#log.append(channel, [publication(text, { acceptedAt: this.clock.wall() })], { size: 100, ttlSeconds: 300 });
  }
}

test('a thousand members that come back are given what they missed a few at a time: live publications go out in between', async () => {
  const stage = new Stage();
  const { clock, rooms, writes } = stage;
  const stayed = stage.client(0);
  const entered = rooms.join(stayed, { channel, by: 'client' });
  await clock.advance(10);
  const joined = await entered;
  for (const text of ['a', 'b', 'c']) await stage.publish(text);
  await clock.advance(10);
  const since = joined.kind === 'joined' ? joined.position : undefined;
  const before = writes.length;
  const results = Array.from({ length: returning }, (_, index) => rooms.join(stage.client(1 + index), { channel, by: 'client', since }));
  await stage.publish('live');
  await clock.advance(0);

  const live = writes.slice(before).findIndex(({ client, text }) => client === 0 && text.includes('live'));
  expect(live).toBeGreaterThanOrEqual(0);
  expect(live).toBeLessThanOrEqual(limits.catchUpsUnderWayMax);
  expect((await Promise.all(results)).every((result) => result.kind === 'joined' && result.recovered)).toBe(true);
  expect(stage.metrics.catchUpTurns.waiting).toBe(0);
  // Nobody is given anything twice, or in another order.
  for (let client = 1; client <= returning; client++) {
    const given = writes.filter((write) => write.client === client).flatMap(({ text }) => text.match(/"data":"\w+"/g) ?? []);
    expect(given).toEqual(['a', 'b', 'c', 'live'].map((text) => `"data":"${text}"`));
  }
  await rooms.close();
});
