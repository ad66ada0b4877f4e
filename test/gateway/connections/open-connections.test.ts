import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import type { Wire } from '../../../gateway/connections/connection.ts';
import { OpenConnections } from '../../../gateway/connections/open-connections.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import type { Rooms } from '../../../gateway/rooms/rooms.ts';
import { gauges } from '../../simulation/gateway.ts';
import { CostedClock } from '../../support/costed-clock.ts';

const pingIntervalMs = 25_000;
/** What one ping costs: measured as 8.5 µs on sockets of the loopback. */
const writeMs = 0.0085;

/** The product's connections over wires that are not real: each write takes its time. */
class Gateway {
  readonly clock = new CostedClock();
  readonly looks = new Map<number, number>();
  readonly closed: number[] = [];
  terminated = 0;
  writeMs = writeMs;
  #lastId = 0;
  readonly connections = new OpenConnections({
    rooms: {} as Rooms,
    metrics: new GatewayMetrics(new Registry(), gauges),
    clock: this.clock,
    times: { pingIntervalMs, idleTimeoutMs: 60_000 },
    nextId: () => ++this.#lastId,
    reachOf: () => ({ direct: 'none', isEncrypted: false }),
    listen: () => ({ message: () => {}, ping: () => {} }),
    onLook: ({ id }) => void this.looks.set(id, (this.looks.get(id) ?? 0) + 1),
  });

  open(count: number): void {
    for (let opened = 0; opened < count; opened++)
      this.connections.open(v1Encoding, this.#wire(this.#lastId + 1), { headers: {}, socket: {} });
  }

  #wire(id: number): Wire {
    const cost = (): boolean => {
      this.clock.time += this.writeMs;
      return true;
    };
    const close = (): void => {
      cost();
      this.closed.push(id);
    };
    return {
      socket: { writableLength: 0, write: cost, once() {} } as unknown as Duplex,
      close,
      terminate: () => {
        cost();
        this.terminated++;
      },
    };
  }
}

test('100,000 silent connections are each looked at once in a ping interval, and pinged, with no turn above the bound', async () => {
  const gateway = new Gateway();
  gateway.open(100_000);
  await gateway.clock.advance(pingIntervalMs);
  expect(gateway.looks.size).toBeGreaterThan(0.95 * 100_000);
  expect([...gateway.looks.values()].every((looks) => looks === 1)).toBe(true);
  // A 250th of them at a time: 400 pings.
  expect(gateway.clock.longestTurnMs).toBeLessThan(5);
});

test('where a write takes so long that a part of them is above the bound, the turn is cut in slices', async () => {
  const gateway = new Gateway();
  gateway.writeMs = 0.25;
  gateway.open(20_000);
  // Silent for half of the interval: from now on each look is a ping, 80 of them in a turn.
  await gateway.clock.advance(pingIntervalMs);
  expect(gateway.clock.longestTurnMs).toBeGreaterThan(5);
  expect(gateway.clock.longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
});

test('a few connections are looked at as often as many: not at all turns', async () => {
  const gateway = new Gateway();
  gateway.open(3);
  await gateway.clock.advance(4 * pingIntervalMs);
  for (const looks of gateway.looks.values()) {
    expect(looks).toBeGreaterThanOrEqual(3);
    expect(looks).toBeLessThanOrEqual(5);
  }
});

test('silent ones are closed after the idle time, and within a ping interval of it', async () => {
  const gateway = new Gateway();
  gateway.open(50);
  await gateway.clock.advance(59_000);
  expect(gateway.closed).toEqual([]);
  await gateway.clock.advance(1_000 + pingIntervalMs + 100);
  expect(gateway.closed).toHaveLength(50);
});

test('all are cut off in slices', async () => {
  const gateway = new Gateway();
  gateway.open(10_000);
  gateway.clock.turn(() => gateway.connections.terminate());
  expect(gateway.terminated).toBeLessThan(10_000);
  await gateway.clock.advance(1_000);
  expect(gateway.terminated).toBe(10_000);
  expect(gateway.clock.longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
});
