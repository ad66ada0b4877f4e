import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Barrage } from '../../../client/barrage.ts';
import { TestPool } from '../../support/gateway-pool.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until, V1Client } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

interface Bounds {
  readonly baseMs: number;
  readonly capMs: number;
}

async function askedOf(port: number): Promise<{ readonly urls: readonly string[]; readonly backoff: Bounds }> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/connect?channel=video:1`);
  return (await response.json()) as { readonly urls: readonly string[]; readonly backoff: Bounds };
}

function helloOf(client: V1Client): unknown {
  return client.messages.find((message) => message.type === 'hello')?.backoff;
}

function isTold(client: V1Client, base: number): boolean {
  return client.messages.some((message) => message.type === 'backoff' && message.baseMs === base);
}

/**
 * Dials at once.
 * @returns the Retry-After of those that were refused; where the machine stands still, a second's budget may let one in
 */
async function refusalsOf(port: number, dials: number): Promise<readonly number[]> {
  const outcomes = Array.from({ length: dials }, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    onTestFinished(() => socket.terminate());
    socket.on('error', () => {});
    return new Promise<number | undefined>((resolve) => {
      socket.on('open', () => resolve(undefined));
      socket.on('unexpected-response', (_request, response) => {
        expect(response.statusCode).toBe(503);
        resolve(Number(response.headers['retry-after']));
      });
    });
  });
  return (await Promise.all(outcomes)).filter((seconds) => seconds !== undefined);
}

/** A client that comes back until it is taken. */
async function connected(barrage: TestStandalone): Promise<V1Client> {
  for (;;) {
    try {
      return await barrage.v1();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

test('hello and /v1/connect agree while there is no crowd; hello grows with the connections, and those who came before are told', async () => {
  const barrage = await TestStandalone.start({
    BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '10',
    BARRAGE_BACKOFF_BASE_MS: '100',
    BARRAGE_PING_INTERVAL_MS: '1000',
  });
  const first = await barrage.v1();
  // 1.5 × 1 connection ÷ 10 a second.
  expect(helloOf(first)).toEqual({ baseMs: 150, capMs: 20_000 });
  const plain = await barrage.plain();
  expect((await askedOf(barrage.port)).backoff).toEqual({ baseMs: 100, capMs: 20_000 });
  const third = await connected(barrage);
  expect(helloOf(third)).toEqual({ baseMs: 450, capMs: 20_000 });
  await until(() => isTold(first, 450));
  await third.leave();
  await until(() => isTold(first, 300));
  expect(plain.texts).toEqual([]);
});

test('beyond the budget a dial is refused with Retry-After, and /v1/connect says by what time those who wait are through', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '1' });
  await barrage.v1();
  const refused = await refusalsOf(barrage.port, 20);
  expect(refused.length).toBeGreaterThan(10);
  expect(Math.min(...refused)).toBeGreaterThanOrEqual(1);
  const { backoff } = await askedOf(barrage.port);
  // One a second: some of the 20 may be through by now on a machine that stood still.
  expect(backoff.baseMs).toBeGreaterThan(1_000);
  expect(backoff.baseMs).toBeLessThanOrEqual(20_000);
  expect(backoff.capMs).toBe(2 * backoff.baseMs);
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="rate"')).toBe(refused.length);
});

test('a gateway that refuses names the others first; the base is for as many gateways as would take its clients, also when they are fewer', async () => {
  const pool = await TestPool.start(['a', 'b', 'c'], {
    BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '1',
    BARRAGE_PING_INTERVAL_MS: '1000',
  });
  await pool.pushToAll();
  const [best = ''] = (await askedOf(pool.member('a').port)).urls;
  const member = pool.members.find(({ entry }) => entry.url === best);
  if (member === undefined) throw new Error(`${best} is none of the pool's`);
  const client = await V1Client.open(member.port);
  onTestFinished(() => client.socket.terminate());
  // 1.5 × 1 connection ÷ 2 others ÷ 1 a second.
  expect(helloOf(client)).toEqual({ baseMs: 750, capMs: 750 });
  const leaving = pool.members.find((each) => each !== member)?.name;
  const gateways = pool.members.map(({ entry }) => (entry.name === leaving ? { ...entry, state: 'draining' as const } : entry));
  await pool.pushToAll(pool.document({ epoch: 2, gateways }));
  await until(() => isTold(client, 1500));

  await refusalsOf(member.port, 9);
  const { urls } = await askedOf(member.port);
  expect(urls).toHaveLength(2);
  expect(urls.at(-1)).toBe(best);
});

test('clients of the SDK beyond the budget ask, and come back until all are there', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '8', BARRAGE_BACKOFF_BASE_MS: '100' });
  const clients = Array.from({ length: 16 }, () => {
    const client = new Barrage(`ws://127.0.0.1:${barrage.port}/`);
    client.on('error', () => {});
    onTestFinished(() => client.close());
    return client;
  });
  await until(() => clients.every(({ state }) => state === 'open'));
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="rate"')).toBeGreaterThan(0);
});
