import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { openClientLog } from '../../../gateway/accounts/client-log.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { plainEncoding, v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { Aging } from '../../../gateway/moving/aging.ts';
import { Random } from '../../simulation/random.ts';
import { CostedClock } from '../../support/costed-clock.ts';
import { recordedLog } from '../../support/recorded-log.ts';

/** What became of one client, in milliseconds since it came. */
interface Fate {
  readonly cameAt: number;
  readonly toldAt: number[];
  closedAt?: number;
  code?: number;
}

type Kind = 'moves' | 'stays' | 'plain';

const ageMs = 600_000;

/** The product's moves over connections that are not real, on a clock of its own. */
class Crowd {
  readonly clock = new CostedClock();
  readonly fates: Fate[] = [];
  readonly registry = new Registry();
  readonly aging: Aging;
  isHeld = false;
  /** What a write or a close takes, in milliseconds. */
  costMs = 0;
  readonly log = recordedLog('debug');
  readonly #connections = new Map<number, Connection>();

  constructor({ acceptsPerSecond = 2_000, ageMaxSeconds = ageMs / 1000, seed = 1 } = {}) {
    const random = new Random(seed);
    const { logger } = this.log;
    this.aging = new Aging({
      connections: this.#connections,
      settings: { connectionAgeMaxSeconds: ageMaxSeconds, acceptsPerSecond },
      isHeld: () => this.isHeld,
      clock: this.clock,
      random: () => random.fraction(),
      registry: this.registry,
      clients: openClientLog({ logger, registry: new Registry(), clock: this.clock, trustedProxies: [] }),
    });
  }

  come(count: number, kind: Kind): void {
    for (let come = 0; come < count; come++) this.#connect(kind);
  }

  /** The client of a fate leaves by itself. */
  leave(id: number): void {
    this.#connections.get(id)?.ended();
    this.#connections.delete(id);
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms, async () => {});
  }

  get open(): readonly Connection[] {
    return [...this.#connections.values()];
  }

  async moved(how: string): Promise<number> {
    const { values } = (await this.registry.getSingleMetric('barrage_gateway_connections_aged_total')?.get()) ?? { values: [] };
    return values.find(({ labels }) => labels['how'] === how)?.value ?? 0;
  }

  async waitSeconds(): Promise<number> {
    const read = await this.registry.getSingleMetric('barrage_gateway_aged_wait_seconds')?.get();
    return read?.values[0]?.value ?? NaN;
  }

  #connect(kind: Kind): void {
    const fate: Fate = { cameAt: this.clock.time, toldAt: [] };
    const id = this.fates.push(fate) - 1;
    const sinceItCame = (): number => this.clock.time - fate.cameAt;
    const write = (bytes: Buffer): boolean => {
      this.clock.time += this.costMs;
      fate.toldAt.push(sinceItCame());
      expect(JSON.parse(bytes.subarray(bytes.indexOf('{')).toString())).toEqual({ type: 'reconnect', afterMs: 500 });
      if (kind === 'moves') this.clock.after(500, () => this.leave(id));
      return true;
    };
    const close = ({ code }: { readonly code: number }): void => {
      this.clock.time += this.costMs;
      fate.closedAt = sinceItCame();
      fate.code = code;
      this.#connections.delete(id);
    };
    const socket = { writableLength: 0, write, once() {} } as unknown as Duplex;
    const wire = { socket, close, terminate() {} };
    const encoding = kind === 'plain' ? plainEncoding : v1Encoding;
    const connection = new Connection({ id, encoding, wire, now: this.clock.time, onClose() {} });
    this.#connections.set(id, connection);
    this.aging.opened(connection);
  }
}

/** Most of these moments within any second. */
function mostInASecond(moments: readonly number[]): number {
  const sorted = moments.toSorted((one, other) => one - other);
  let [first, most] = [0, 0];
  for (const [index, at] of sorted.entries()) {
    while ((sorted[first] ?? at) <= at - 1_000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

test.each([1, 2, 3, 4, 5])(
  'everybody leaves in the last quarter of the age: told once, or closed with 1012; who stays is closed (seed %i)',
  async (seed) => {
    const crowd = new Crowd({ seed });
    for (const kind of ['moves', 'stays', 'plain'] as const) {
      crowd.come(100, kind);
      await crowd.advance(10_000);
    }
    await crowd.advance(0.75 * ageMs - 31_000);
    expect(crowd.open).toHaveLength(300);
    // A wall clock that is set to another day changes nothing.
    crowd.clock.wallAheadMs = 86_400_000;
    await crowd.advance(ageMs);
    expect(crowd.open).toEqual([]);
    const [moving, staying, plain] = [crowd.fates.slice(0, 100), crowd.fates.slice(100, 200), crowd.fates.slice(200)];
    for (const fate of [...moving, ...staying]) expect(fate.toldAt).toHaveLength(1);
    for (const { toldAt, closedAt } of moving) expect([closedAt, (toldAt[0] ?? NaN) <= ageMs]).toEqual([undefined, true]);
    for (const { toldAt, closedAt = NaN, code } of staying) {
      expect(closedAt - (toldAt[0] ?? NaN)).toBeGreaterThanOrEqual(15_000);
      expect([code, closedAt <= ageMs + 15_100]).toEqual([1012, true]);
    }
    for (const { toldAt, closedAt = NaN, code } of plain) expect([toldAt, code, closedAt <= ageMs]).toEqual([[], 1012, true]);
    expect([await crowd.moved('hint'), await crowd.moved('overdue'), await crowd.moved('close')]).toEqual([200, 100, 100]);
    expect(await crowd.waitSeconds()).toBe(0);
    const told = crowd.log.lines.filter(({ event }) => event === 'move-told');
    expect(told).toHaveLength(200);
    expect(told[0]).not.toHaveProperty('url');
  },
);

test('no second sees more than the bound and one burst, however many are due; the wait tells how late the next one is', async () => {
  // 10 moves a second; 3,000 would be due within 120 s.
  const crowd = new Crowd({ acceptsPerSecond: 40 });
  crowd.come(1_500, 'moves');
  crowd.come(1_500, 'plain');
  await crowd.advance(ageMs);
  expect(await crowd.waitSeconds()).toBeGreaterThan(10);
  await crowd.advance(300_000);
  expect(crowd.open).toEqual([]);
  const left = crowd.fates.map(({ toldAt, closedAt }) => closedAt ?? toldAt[0] ?? NaN);
  // 2.5 at once, and 10 within the second.
  expect(mostInASecond(left)).toBeLessThanOrEqual(13);
  // Nor do moves come too slowly: all were moved in the time that the rate needs.
  expect(Math.max(...left) - Math.min(...left)).toBeLessThan(3_000 * 100 + 15_000);
  expect(await crowd.waitSeconds()).toBe(0);
});

test('while it is held nobody moves; afterwards who was told before is told again, and not closed at once', async () => {
  const crowd = new Crowd();
  crowd.come(400, 'stays');
  while ((await crowd.moved('hint')) < 5) await crowd.advance(1_000);
  const told = await crowd.moved('hint');
  crowd.isHeld = true;
  await crowd.advance(ageMs);
  expect([await crowd.moved('hint'), await crowd.moved('overdue')]).toEqual([told, 0]);
  expect(await crowd.waitSeconds()).toBeGreaterThan(300);
  crowd.isHeld = false;
  await crowd.advance(14_000);
  expect([await crowd.moved('hint'), await crowd.moved('overdue')]).toEqual([400 + told, 0]);
  expect(await crowd.waitSeconds()).toBe(0);
  await crowd.advance(30_000);
  expect([await crowd.moved('overdue'), crowd.open.length]).toEqual([400, 0]);
});

test('who left before, or while the walk waits for them, is not moved', async () => {
  const crowd = new Crowd();
  crowd.come(10, 'plain');
  await crowd.advance(0.75 * ageMs - 2_000);
  crowd.isHeld = true;
  await crowd.advance(ageMs);
  for (let id = 0; id < 10; id++) crowd.leave(id);
  expect(await crowd.waitSeconds()).toBe(0);
  crowd.isHeld = false;
  await crowd.advance(ageMs);
  expect(await crowd.moved('close')).toBe(0);
});

test('who comes during a walk has an age of its own', async () => {
  const crowd = new Crowd();
  for (let round = 0; round < 100; round++) {
    crowd.come(1, 'plain');
    await crowd.advance(ageMs / 20);
  }
  await crowd.advance(ageMs);
  for (const { closedAt } of crowd.fates) {
    expect(closedAt).toBeGreaterThan(0.75 * ageMs - 1_000);
    expect(closedAt).toBeLessThanOrEqual(ageMs);
  }
});

test('off: no timer, and no connection has a time', async () => {
  const crowd = new Crowd({ ageMaxSeconds: 0 });
  crowd.come(3, 'plain');
  expect(crowd.clock.pending).toBe(0);
  expect(crowd.open.map(({ agedAt }) => agedAt)).toEqual([undefined, undefined, undefined]);
  expect(await crowd.waitSeconds()).toBe(0);
});

test('once closed, it moves nobody', async () => {
  const crowd = new Crowd();
  crowd.come(3, 'plain');
  crowd.aging.close();
  expect(crowd.clock.pending).toBe(0);
});

test('100,000 connections that came together, and a slow machine: no turn above the bound', async () => {
  const crowd = new Crowd({ acceptsPerSecond: 100_000, ageMaxSeconds: 300 });
  crowd.come(100_000, 'plain');
  crowd.costMs = 0.1;
  // An event loop that stood still: everybody is due at once.
  crowd.clock.time += 300_000;
  await crowd.advance(15_000);
  expect(crowd.clock.longestTurnMs).toBeGreaterThan(4);
  expect(crowd.clock.longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
  expect(await crowd.moved('close')).toBeGreaterThan(10_000);
});
