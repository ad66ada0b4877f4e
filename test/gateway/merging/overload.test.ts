import type { Duplex } from 'node:stream';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import type { ChannelLog, LogSubscriber } from '../../../core/bus/bus.ts';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { priorities } from '../../../core/publication.ts';
import { plainEncoding } from '../../../gateway/encoding/encodings.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import type { ClassRecord } from '../../../gateway/rooms/flush-records.ts';
import { FanOut } from '../../../gateway/rooms/fan-out.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { Rooms } from '../../../gateway/rooms/rooms.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { publication } from '../../support/publications.ts';

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

/** The rooms of a gateway on a loop whose time passes by writing to sockets alone: so much for each write. */
class BusyLoop {
  readonly clock = new FakeClock();
  readonly metrics = new GatewayMetrics(new Registry(), gauges);
  readonly rooms: Rooms;
  writingMs = 0;
  readonly #subscribers = new Map<string, LogSubscriber>();
  readonly #offsets = new Map<string, number>();
  /** The greatest age at which the oldest publication of a batch was written to the last member, by channel. */
  readonly worstMs = new Map<string, number>();

  constructor(policies: object[] = []) {
    const { clock, metrics } = this;
    const fanOut = new FanOut({ clock, onSlice: () => {} });
    const log: ChannelLog = {
      subscribe: async (channel, subscriber) => {
        this.#subscribers.set(channel, subscriber);
        return { epoch: 'e', offset: 0 };
      },
      unsubscribe: (channel) => this.#subscribers.delete(channel),
      append: () => Promise.reject(new Error('nobody publishes here')),
      history: () => Promise.reject(new Error('nobody reads here')),
    };
    const surroundings = { fanOut, metrics, clock, done: new DoneFlushes<readonly ClassRecord[]>() };
    this.rooms = new Rooms({ log, policies: policiesOf(policies), surroundings, logger: pino({ level: 'silent' }), share: 0.6 });
    open.push(this.rooms);
  }

  async fill(channel: string, members: number, writeMs: number): Promise<void> {
    for (let left = members; left > 0; left--) {
      const write = (bytes: Buffer): boolean => {
        this.clock.time += writeMs;
        this.writingMs += writeMs;
        // A plain frame of less than 126 bytes has a header of two; its payload begins with when it was published.
        const ageMs = this.clock.time - Number(bytes.subarray(2, 2 + (bytes[1] ?? 0)).toString());
        if (left === 1) this.worstMs.set(channel, Math.max(this.worstMs.get(channel) ?? 0, ageMs));
        return true;
      };
      const socket = { writableLength: 0, write, once: () => {} } as unknown as Duplex;
      const wire = { socket, close: () => {}, terminate: () => {} };
      const connection = new Connection({ id: left, encoding: plainEncoding, wire, now: 0, onClose: () => {} });
      await this.rooms.join(connection, { channel, by: 'client' });
    }
    await this.clock.advance(0);
  }

  /** Publications of 100 bytes, in a bus batch each millisecond (or as often as there is one). */
  publish(channel: string, perSecond: number): void {
    const startedAt = this.clock.time;
    let sent = 0;
    this.clock.every(Math.max(1, 1000 / perSecond), () => {
      const due = Math.floor(((this.clock.time - startedAt) * perSecond) / 1000) - sent;
      if (due <= 0) return;
      sent += due;
      const publications = Array.from({ length: due }, () =>
        publication(String(this.clock.time).padEnd(100, ' '), { acceptedAt: this.clock.time }),
      );
      const firstOffset = (this.#offsets.get(channel) ?? 0) + 1;
      this.#offsets.set(channel, firstOffset + due - 1);
      this.#subscribers.get(channel)?.onBatch({ channel, epoch: 'e', firstOffset, publications });
    });
  }

  /** Lets seconds pass; the share of them that was spent writing. */
  async run(seconds: number): Promise<number> {
    const [startedAt, writingMs] = [this.clock.time, this.writingMs];
    await this.clock.advance(seconds * 1000);
    return (this.writingMs - writingMs) / (this.clock.time - startedAt);
  }

  leftOut(): number {
    return priorities.reduce((sum, priority) => sum + this.metrics.tally.count('budget', priority), 0);
  }

  /** Publications × members that are neither delivered nor left out. */
  pending(): number {
    return priorities.reduce((sum, priority) => sum + this.metrics.tally.pending(priority), 0);
  }
}

function policiesOf(policies: object[]): Policies {
  return new Policies(policyFileSchema.parse({ channels: policies }).channels);
}

const open: Rooms[] = [];
afterEach(() => {
  for (const rooms of open.splice(0)) void rooms.close();
});

/**
 * Each flush of 2,000 members at 30 µs takes 60 ms, and a window of 100 ms may have one; these have thirty and twenty a
 * second.
 */
const overloads: readonly { readonly what: string; readonly policies: object[]; readonly perSecond: number }[] = [
  { what: 'bytesMax', policies: [], perSecond: 20_000 },
  { what: 'publicationsMax', policies: [{ channel: '*', merge: { publicationsMax: 20 } }], perSecond: 400 },
];

test('a room whose windows are full before their end is slowed down: it falls behind no further, and takes no more than its share', async () => {
  for (const { what, policies, perSecond } of overloads) {
    const loop = new BusyLoop(policies);
    await loop.fill('large', 2_000, 0.03);
    loop.publish('large', perSecond);
    await loop.run(5);
    expect([what, loop.rooms.stretched]).toEqual([what, 1]);
    expect(loop.rooms.demand).toBeGreaterThan(1);
    const share = await loop.run(10);
    expect(share).toBeLessThan(0.65);
    // A window of a third of a second and its flush; without the slowing it is 5 s behind at this time.
    expect(loop.worstMs.get('large')).toBeLessThan(600);
    expect([what, loop.leftOut()]).toEqual([what, 0]);
  }
});

test('a room of five beside one that is overloaded keeps its pace', async () => {
  const loop = new BusyLoop();
  await loop.fill('small', 5, 0.03);
  await loop.fill('large', 2_000, 0.03);
  loop.publish('small', 50);
  loop.publish('large', 20_000);
  await loop.run(10);
  // Its window, and the slices of the large room that come first.
  expect(loop.worstMs.get('small')).toBeLessThan(100 + 3 * 20);
});

test('a room of which one flush takes longer than the longest window has one under way: the rest is left out, counted, and never late by more', async () => {
  const loop = new BusyLoop();
  await loop.fill('huge', 50_000, 0.03);
  loop.publish('huge', 10_000);
  await loop.run(20);
  // A flush of 1.5 s is written while the next is collected.
  expect(loop.worstMs.get('huge')).toBeLessThan(2 * 1_500 + 100);
  expect(loop.leftOut()).toBeGreaterThan(0);
  const { tally } = loop.metrics;
  expect(tally.count('offered', 'normal')).toBe(tally.count('delivered', 'normal') + loop.leftOut() + loop.pending());
  expect(loop.pending()).toBeLessThanOrEqual(50_000 * 10_000);
});

test('policies that come again, the same or with another limit, leave the windows stretched', async () => {
  for (const merge of [{}, { publicationsMax: 450 }]) {
    const loop = new BusyLoop();
    await loop.fill('large', 2_000, 0.03);
    loop.publish('large', 20_000);
    let turn = 0;
    loop.clock.every(100, () => loop.rooms.setPolicies(policiesOf(turn++ % 2 === 0 ? [{ channel: '*', merge }] : [])));
    await loop.run(5);
    expect(await loop.run(5)).toBeLessThan(0.65);
    expect(loop.worstMs.get('large')).toBeLessThan(600);
  }
});
