import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Placement } from '../../../core/pool/placement.ts';
import { openClientLog } from '../../../gateway/accounts/client-log.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { Drainer } from '../../../gateway/moving/drainer.ts';
import { limits } from '../../../core/limits.ts';
import { CostedClock } from '../../support/costed-clock.ts';
import { gatewayNamed, poolDocument } from '../../support/pool-document.ts';
import { recordedLog, type RecordedLine } from '../../support/recorded-log.ts';

/**
 * When one client was told to move, and when the gateway closed its connection, in milliseconds since the drain began.
 */
interface Fate {
  toldAt?: number;
  closedAt?: number;
}

/** The product's drain over connections that are not real, on a clock of its own. */
class Draining {
  readonly fates: Fate[] = [];
  readonly #clock = new CostedClock();
  /** What a write or a close takes, in milliseconds. */
  costMs = 0;
  readonly #beganAt = this.#clock.time;
  readonly #connections = new Map<number, Connection>();
  readonly #drainer: Drainer;
  readonly #log = recordedLog('debug');

  /**
   * @param isDeaf whether clients stay when they are told to move; else each goes at the end of the time that it is
   * given
   */
  constructor(count: number, { isDeaf }: { readonly isDeaf: boolean }) {
    for (let id = 0; id < count; id++) this.#connect(id, isDeaf);
    const placement = new Placement(poolDocument({ gateways: [gatewayNamed('a'), gatewayNamed('b')] }));
    this.#drainer = new Drainer({
      connections: this.#connections,
      placement: () => placement,
      uid: 'uid-a',
      clock: this.#clock,
      registry: new Registry(),
      logger: this.#log.logger,
      clients: openClientLog({ logger: this.#log.logger, registry: new Registry(), clock: this.#clock, trustedProxies: [] }),
    });
  }

  /** Lines of the log with this name. */
  logged(event: string): readonly RecordedLine[] {
    return this.#log.lines.filter((line) => line.event === event);
  }

  /** Ends the process, and returns how long it took to have nobody left, in milliseconds. */
  async finish(withinMs: number, connectionsPerSecond?: number): Promise<number> {
    let overAt: number | undefined;
    const finished = this.#drainer.finish({ withinMs, connectionsPerSecond }).then(() => (overAt = this.#elapsedMs));
    while (overAt === undefined && this.#elapsedMs < 2 * withinMs) await this.#clock.advance(1);
    return await finished;
  }

  /** Ends it without waiting for anybody. */
  async hasten(): Promise<void> {
    let isOver = false;
    void this.#drainer.finish({ withinMs, connectionsPerSecond: undefined }).then(() => (isOver = true));
    this.#drainer.hasten();
    while (!isOver) await this.#clock.advance(1);
  }

  get longestTurnMs(): number {
    return this.#clock.longestTurnMs;
  }

  get #elapsedMs(): number {
    return this.#clock.time - this.#beganAt;
  }

  #connect(id: number, isDeaf: boolean): void {
    const fate: Fate = {};
    this.fates.push(fate);
    const write = (bytes: Buffer): boolean => {
      this.#clock.time += this.costMs;
      fate.toldAt = this.#elapsedMs;
      const { afterMs } = JSON.parse(bytes.subarray(bytes.indexOf('{')).toString()) as { readonly afterMs: number };
      if (!isDeaf) this.#clock.after(afterMs, () => this.#leave(id));
      return true;
    };
    const socket = { writableLength: 0, write, once() {} } as unknown as Duplex;
    const close = (): void => {
      this.#clock.time += this.costMs;
      fate.closedAt = this.#elapsedMs;
      this.#connections.delete(id);
    };
    const wire = { socket, close, terminate() {} };
    this.#connections.set(id, new Connection({ id, encoding: v1Encoding, wire, now: this.#clock.time, onClose() {} }));
  }

  #leave(id: number): void {
    this.#connections.get(id)?.ended();
    this.#connections.delete(id);
  }
}

// Of six seconds the last 1.8 are the last call, and who is told to move has half a second for it.
const withinMs = 6_000;
const deadlineMs = 4_200;

test.each([
  ['evenly', undefined],
  ['at a rate at which the last are told just before the deadline', 36],
])('who is told to move before the last call (%s) still moves by itself, and is not closed', async (_, connectionsPerSecond) => {
  const draining = new Draining(150, { isDeaf: false });
  const tookMs = await draining.finish(withinMs, connectionsPerSecond);
  const toldAt = draining.fates.map((fate) => fate.toldAt ?? Infinity);
  expect(Math.max(...toldAt)).toBeLessThan(deadlineMs);
  if (connectionsPerSecond !== undefined) expect(Math.max(...toldAt)).toBeGreaterThan(deadlineMs - 100);
  expect(draining.fates.filter(({ closedAt }) => closedAt !== undefined)).toEqual([]);
  expect(tookMs).toBeLessThan(withinMs);
  expect(draining.logged('drain-began')).toMatchObject([{ connections: 150 }]);
  expect(draining.logged('move-told').map((line) => line['connection'])).toEqual(draining.fates.map((_fate, id) => id));
  expect(draining.logged('drain-ended')).toMatchObject([{ moved: 150 }]);
});

test('who was told and stays is closed in the last call, evenly, and nobody is left at its end', async () => {
  const draining = new Draining(150, { isDeaf: true });
  expect(await draining.finish(withinMs, 36)).toBeLessThanOrEqual(withinMs);
  const closedAt = draining.fates.map((fate) => fate.closedAt ?? Infinity);
  expect(Math.min(...closedAt)).toBeGreaterThanOrEqual(deadlineMs);
  expect(Math.max(...closedAt)).toBeLessThanOrEqual(withinMs);
  const inFirstHalf = closedAt.filter((at) => at < (deadlineMs + withinMs) / 2).length;
  expect(inFirstHalf).toBeGreaterThan(70);
  expect(inFirstHalf).toBeLessThan(80);
});

test('who was not told by the deadline is closed in the last call, and nobody else', async () => {
  const draining = new Draining(150, { isDeaf: false });
  expect(await draining.finish(withinMs, 10)).toBeLessThanOrEqual(withinMs);
  const closed = draining.fates.filter(({ closedAt }) => closedAt !== undefined);
  // In 4.2 s ten a second were told; that moment itself belongs to the last call.
  expect(closed).toHaveLength(150 - 41);
  for (const { toldAt, closedAt } of closed) {
    expect(toldAt).toBeUndefined();
    expect(closedAt).toBeGreaterThanOrEqual(deadlineMs);
  }
});

test('thousands at any rate, and all at once at the end, hold no turn longer than the bound', async () => {
  const fast = new Draining(3_000, { isDeaf: false });
  fast.costMs = 0.1;
  await fast.finish(withinMs, 100_000);
  const hastened = new Draining(3_000, { isDeaf: true });
  hastened.costMs = 0.1;
  await hastened.hasten();
  expect(hastened.fates.every(({ closedAt }) => closedAt !== undefined)).toBe(true);
  for (const { longestTurnMs } of [fast, hastened]) {
    expect(longestTurnMs).toBeGreaterThan(5);
    expect(longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
  }
});
