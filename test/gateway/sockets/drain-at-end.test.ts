import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { TestPool } from '../../support/gateway-pool.ts';
import { TestProcess } from '../../support/process.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestClient, V1Client, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

type Variables = Readonly<Record<string, string>>;
/** A drain that would take so long that only its rate, or a hurry, ends it within a test. */
const long = { BARRAGE_DRAIN_MS: '600000', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '1' };

/** The all-in-one process, and where its clients connect. */
async function standalone(variables: Variables = {}): Promise<{ readonly process: TestProcess; readonly port: number }> {
  const started = new TestProcess('standalone/main.ts', { BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0', ...variables });
  const [port] = await started.said(/ws:\/\/localhost:(\d+)\/[\s\S]*Ctrl-C/);
  return { process: started, port: Number(port) };
}

async function plainClients(count: number, port: number): Promise<readonly TestClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => TestClient.open(port)));
  for (const { socket } of clients) onTestFinished(() => socket.terminate());
  return clients;
}

function closed(clients: readonly TestClient[]): number {
  return clients.filter(({ closing }) => closing !== undefined).length;
}

/** A folder for one test. */
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'barrage-drain-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

test('by default SIGTERM ends it within ten seconds with status 0, after everybody was asked to come back, one after the other', async () => {
  const { process: started, port } = await standalone();
  const clients = await plainClients(40, port);
  const from = performance.now();
  started.terminate();
  expect(await started.ended()).toBe(0);
  const tookMs = performance.now() - from;
  process.stdout.write(`left after ${Math.round(tookMs)} ms\n`);
  // Evenly over 3.15 s: a drain that is held up goes on at its rate, so that it is never over sooner.
  expect(tookMs).toBeGreaterThan(2_500);
  expect(tookMs).toBeLessThan(10_000);
  for (const client of clients) expect((await client.closed()).code).toBe(1012);
});

test('SIGTERM with a rate: connections end at that rate, also for longer than ten seconds, and the process when none is left', async () => {
  const { process: started, port } = await standalone({ ...long, BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '10' });
  const clients = await plainClients(110, port);
  const endings: number[] = [];
  for (const { socket } of clients) socket.on('close', () => endings.push(performance.now()));
  const from = performance.now();
  started.terminate();
  // Two waits, each with its own limit, for what takes eleven seconds where nothing is in the way.
  await until(() => endings.length >= 50);
  expect(await started.ended()).toBe(0);
  expect(performance.now() - from).toBeGreaterThan(10_000);
  for (const client of clients) expect((await client.closed()).code).toBe(1012);
  // Counted from the signal: an ending that is seen late, as the first may be, makes it seem slower and never faster.
  const rate = (endings.length * 1000) / ((endings.at(-1) ?? 0) - from);
  process.stdout.write(`left at ${rate.toFixed(1)} connections a second, set to 10\n`);
  // It is never faster than it was told to be; a busy machine may make it slower.
  expect(rate).toBeLessThan(11);
});

test('a second signal ends it at once, with status 0, but for one that comes together with the first', async () => {
  const { process: started, port } = await standalone(long);
  const clients = await plainClients(20, port);
  started.terminate();
  started.terminate('SIGINT');
  started.terminate();
  await until(() => closed(clients) >= 2);
  expect(closed(clients)).toBeLessThan(10);
  const from = performance.now();
  started.terminate('SIGINT');
  expect(await started.ended()).toBe(0);
  const tookMs = performance.now() - from;
  process.stdout.write(`hastened, it left after ${Math.round(tookMs)} ms\n`);
  expect(tookMs).toBeLessThan(4_500 + 500);
  for (const client of clients) expect((await client.closed()).code).toBe(1012);
});

const policyOf = (publish: 'Public' | 'Backend') => `channels:\n  - channel: "video:*"\n    access: { publish: ${publish} }\n`;

/** Both ways to run a gateway: each with what it prints when it is there. */
async function gatewayWith(kind: 'standalone' | 'gateway', variables: Variables): Promise<{ process: TestProcess; port: number }> {
  if (kind === 'standalone') return standalone(variables);
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const started = new TestProcess('gateway/main.ts', { BARRAGE_GATEWAY_PORT: '0', BARRAGE_REDIS_URL: redis.url, ...variables });
  const port = await started.port();
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, 50);
  return { process: started, port };
}

test.each(['standalone', 'gateway'] as const)(
  'who has not left yet is served as before, in a %s process: publications, pings, and a policy that changes meanwhile',
  async (kind) => {
    const file = join(await folder(), 'policy.yaml');
    await writeFile(file, policyOf('Public'));
    const variables = { ...long, BARRAGE_POLICY_FILE: file, BARRAGE_PING_INTERVAL_MS: '1000' };
    const { process: started, port } = await gatewayWith(kind, variables);
    // They go in the order in which they came.
    const early = await plainClients(15, port);
    const last = await V1Client.open(port);
    onTestFinished(() => last.socket.terminate());
    await last.subscribe('video:1');
    started.terminate();
    await until(() => closed(early) > 0);
    const pings = last.pings;
    expect(await last.command('publish', { channel: 'video:1', data: 'still here' })).toMatchObject({ result: { offset: 1 } });
    await until(() => last.items('video:1').length === 1);
    await writeFile(file, policyOf('Backend'));
    const isRefused = async (): Promise<boolean> =>
      (await last.command('publish', { channel: 'video:1', data: 'x' })).error?.code === 'forbidden';
    await until(isRefused, 50);
    await until(() => last.pings > pings);
    expect(last.closing).toBeUndefined();
    await until(() => closed(early) > 2);
    started.terminate();
    expect(await started.ended()).toBe(0);
  },
);

test("who leaves late is sent where the newest document says, and an operator's drain goes on at its rate", async () => {
  const pool = await TestPool.start(['a', 'b', 'c'], { ...long, BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '1000' });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => pool.member(name));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three members were started');
  await pool.pushToAll(pool.document({ gateways: [a.entry, b.entry] }));
  const clients = await Promise.all(Array.from({ length: 60 }, () => V1Client.open(a.port)));
  for (const { socket } of clients) onTestFinished(() => socket.terminate());
  const urls: string[] = [];
  const from = performance.now();
  for (const { socket, messages } of clients)
    socket.on('message', () => {
      const told = messages.at(-1);
      if (told?.type !== 'reconnect' || told.url === undefined) return;
      urls.push(told.url);
      socket.close();
    });
  await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 20 }));
  await until(() => urls.length >= 10);
  const { drain } = await a.status();
  const left = pool.leave('a');
  await until(() => urls.length >= 20);
  const during = await a.status();
  expect(during.drain.startedAt).toBe(drain.startedAt);
  expect(during.drain.movedConnections).toBeGreaterThanOrEqual(20);
  const before = urls.length;
  await a.put('pool', pool.push(pool.document({ epoch: 2, gateways: [c.entry] })));
  await left;
  expect(performance.now() - from).toBeGreaterThan(2_700);
  expect(urls).toHaveLength(60);
  // Some were told, perhaps, while the document was on its way; from some moment on everybody is sent to the new
  // gateway.
  const first = urls.indexOf(c.entry.url);
  expect(first).toBeGreaterThanOrEqual(before);
  expect(new Set(urls.slice(0, first))).toEqual(new Set([b.entry.url]));
  expect(new Set(urls.slice(first))).toEqual(new Set([c.entry.url]));
});
