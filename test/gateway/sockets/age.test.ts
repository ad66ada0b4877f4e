import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Gap } from '../../../client/barrage.ts';
import { Balancer } from '../../support/balancer.ts';
import { TestPool } from '../../support/gateway-pool.ts';
import { TestClient, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Connections are due when they are one or two seconds old: no setting takes so short an age. */
const young = { connectionAgeMaxSeconds: 2 };
const channels = ['video:0', 'video:1', 'video:2'] as const;

/** A client with the SDK: what it got, and how often it was greeted. */
class Viewer {
  readonly barrage: Barrage;
  readonly offsets: number[] = [];
  readonly gaps: Gap[] = [];
  readonly errors: string[] = [];
  readonly states = new Set<string>();
  hellos = 0;

  constructor(address: string, channel: string) {
    this.barrage = new Barrage(address);
    onTestFinished(() => this.barrage.close());
    this.barrage.on('hello', () => this.hellos++);
    this.barrage.on('state', (state) => this.states.add(state));
    this.barrage.on('error', ({ message }) => this.errors.push(message));
    this.barrage.on('gap', (gap) => this.gaps.push(gap));
    this.barrage.subscribe(channel).on('publication', ({ offset }) => this.offsets.push(offset));
  }
}

/** Real gateways behind a real balancer, their clients, and a writer that ages as they do. */
class Audience {
  readonly pool: TestPool;
  readonly balancer: Balancer;
  readonly viewers: readonly Viewer[];
  readonly #writer: Barrage;
  readonly #writing: Promise<number>;
  #isWriting = true;

  private constructor(
    parts: { readonly pool: TestPool; readonly balancer: Balancer; readonly viewers: readonly Viewer[] },
    writer: Barrage,
  ) {
    this.pool = parts.pool;
    this.balancer = parts.balancer;
    this.viewers = parts.viewers;
    this.#writer = writer;
    this.#writing = this.#write();
  }

  static async gather(names: readonly string[], path: (balancer: Balancer) => string): Promise<Audience> {
    const pool = await TestPool.start(names, {}, young);
    await pool.pushToAll();
    const balancer = await Balancer.start(pool.members.map(({ port }) => port));
    onTestFinished(() => balancer[Symbol.asyncDispose]());
    const viewers = Array.from({ length: 60 }, (_, index) => new Viewer(path(balancer), channels[index % 3] ?? ''));
    const writer = new Barrage(path(balancer));
    onTestFinished(() => writer.close());
    await until(() => writer.state === 'open' && viewers.every(({ barrage }) => barrage.state === 'open'), 20);
    await until(() => pool.members.reduce((sum, { gateway }) => sum + gateway.rooms.subscriptions, 0) >= 60, 20);
    return new Audience({ pool, balancer, viewers }, writer);
  }

  /** Stops publishing, and expects that everybody got everything once and in order, and always had a connection. */
  async expectAll(): Promise<void> {
    this.#isWriting = false;
    const published = await this.#writing;
    expect(published).toBeGreaterThan(0);
    await until(() => this.viewers.every(({ offsets }) => offsets.at(-1) === published), 20);
    const everything = Array.from({ length: published }, (_, index) => index + 1);
    for (const { gaps, offsets, states } of this.viewers) {
      expect(gaps).toEqual([]);
      expect(offsets).toEqual(everything);
      expect([...states]).toEqual(['open']);
    }
  }

  async metric(sample: string): Promise<number> {
    const values = await Promise.all(this.pool.members.map((member) => member.metric(sample)));
    return values.reduce((sum, value) => sum + value, 0);
  }

  async #write(): Promise<number> {
    for (let published = 0; ; published++) {
      if (!this.#isWriting) return published;
      for (const channel of channels) await this.#writer.publish(channel, 'x');
      // Below the rate of commands that one connection may send.
      await pause(25);
    }
  }
}

test.each([
  ['a balancer', (balancer: Balancer): string => `ws://127.0.0.1:${balancer.port}/`],
  ['a connect address', (balancer: Balancer): string => `http://127.0.0.1:${balancer.port}/`],
])('clients of ours behind %s move again and again under publishing, through their own address: no gap, no repetition', async (_, path) => {
  const audience = await Audience.gather(['a', 'b'], path);
  await until(() => audience.viewers.every(({ hellos }) => hellos >= 3), 30);
  await audience.expectAll();
  expect(audience.viewers.flatMap(({ errors }) => errors)).toEqual([]);
  expect(await audience.metric('barrage_gateway_connections_aged_total{how="hint"}')).toBeGreaterThanOrEqual(120);
  expect(await audience.metric('barrage_gateway_connections_aged_total{how="overdue"}')).toBe(0);
  expect(await audience.metric('barrage_gateway_connections_aged_total{how="close"}')).toBe(0);
  // A drain's figures are its own.
  expect(await audience.metric('barrage_gateway_connections_moved_total{how="hint"}')).toBe(0);
});

test('a balancer that has a new gateway in place of another one has all clients there, without a gap', async () => {
  const audience = await Audience.gather(['a', 'b'], (balancer) => `ws://127.0.0.1:${balancer.port}/`);
  const [a, b] = [audience.pool.member('a'), audience.pool.member('b')];
  audience.balancer.backends = [b.port];
  await until(async () => (await a.status()).connections === 0, 30);
  await audience.expectAll();
  expect((await b.status()).connections).toBeGreaterThanOrEqual(60);
});

test('a gateway that drains while its clients age moves each of them, without a gap', async () => {
  const audience = await Audience.gather(['a', 'b'], (balancer) => `ws://127.0.0.1:${balancer.port}/`);
  const a = audience.pool.member('a');
  await until(async () => (await a.metric('barrage_gateway_connections_aged_total{how="hint"}')) > 0, 20);
  audience.balancer.backends = [audience.pool.member('b').port];
  await a.put('drain', audience.pool.command('a', { command: 'drain', connectionsPerSecond: 20 }));
  await until(async () => (await a.status()).drain.state === 'drained', 30);
  await audience.expectAll();
  expect(await a.metric('barrage_gateway_connections_moved_total{how="close"}')).toBe(0);
});

test('a plain client is closed with 1012 and the reason, and may come back at once', async () => {
  const pool = await TestPool.start(['a'], {}, young);
  await pool.pushToAll();
  const a = pool.member('a');
  const client = await TestClient.open(a.port);
  await until(() => client.closing !== undefined, 20);
  expect(client.closing).toEqual({ code: 1012, reason: 'this connection has reached its greatest age, come back' });
  expect(await a.metric('barrage_gateway_connections_aged_total{how="close"}')).toBe(1);
  await (await TestClient.open(a.port)).leave();
});
