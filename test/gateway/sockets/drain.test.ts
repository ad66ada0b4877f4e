import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Gap } from '../../../client/barrage.ts';
import { TestPool, type PoolMember } from '../../support/gateway-pool.ts';
import { TestClient, V1Client, refusedUpgrade, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

/** A viewer with the SDK: what it got, and how often it was greeted after the first time. */
class Viewer {
  readonly barrage: Barrage;
  readonly channel: string;
  readonly offsets: number[] = [];
  readonly gaps: Gap[] = [];
  readonly errors: string[] = [];
  hellos = 0;

  constructor(port: number, channel: string) {
    this.channel = channel;
    this.barrage = new Barrage(`ws://127.0.0.1:${port}/`);
    onTestFinished(() => this.barrage.close());
    this.barrage.on('hello', () => this.hellos++);
    this.barrage.on('error', ({ message }) => this.errors.push(message));
    this.barrage.on('gap', (gap) => this.gaps.push(gap));
    this.barrage.subscribe(channel).on('publication', ({ offset }) => this.offsets.push(offset));
  }
}

async function viewers(count: number, member: PoolMember): Promise<readonly Viewer[]> {
  const all = Array.from({ length: count }, (_, index) => new Viewer(member.port, `video:${index % 5}`));
  await until(() => member.gateway.rooms.subscriptions === count, 10);
  return all;
}

async function plainClients(count: number, port: number): Promise<readonly TestClient[]> {
  const all = await Promise.all(Array.from({ length: count }, () => TestClient.open(port)));
  for (const client of all) onTestFinished(() => client.socket.terminate());
  return all;
}

test('a drain under load: the set rate, one move for each client of ours, no gap and no repetition, 1012 for the others', async () => {
  const pool = await TestPool.start(['a', 'b', 'c']);
  await pool.pushToAll();
  const a = pool.member('a');
  const watching = await viewers(300, a);
  const plain = await plainClients(100, a.port);
  for (const client of plain) await client.ask({ op: 'subscribe', channel: '0@video' });

  let published = 0;
  let isPublishing = true;
  const writer = new Barrage(`ws://127.0.0.1:${pool.member('b').port}/`);
  onTestFinished(() => writer.close());
  await until(() => writer.state === 'open');
  const publishing = (async (): Promise<void> => {
    for (; isPublishing; published++) {
      for (let channel = 0; channel < 5; channel++) await writer.publish(`video:${channel}`, 'x');
      // Below the rate of commands that one connection may send.
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  })();

  const { status, body } = await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 100 }));
  expect([status, body.drain?.state]).toEqual([200, 'draining']);
  const startedAt = performance.now();
  // The gateway's own count, over a window of more than two seconds in the middle.
  await until(async () => (await a.status()).drain.movedConnections >= 50, 20);
  // The times are taken before the first answer and after the second: however long one takes, the rate does not seem
  // higher than it is.
  const from = { at: performance.now(), moved: (await a.status()).drain.movedConnections };
  await until(async () => (await a.status()).drain.movedConnections >= 320, 20);
  const to = { moved: (await a.status()).drain.movedConnections, at: performance.now() };
  const rate = ((to.moved - from.moved) * 1000) / (to.at - from.at);
  expect(to.at - from.at).toBeGreaterThan(2_000);
  // Never faster than it was told, which is what protects the others; how near it comes from below depends on the
  // machine's other work, and is printed: the benchmark `drain` measures it.
  process.stdout.write(`drained at ${rate.toFixed(1)} connections a second, set to 100\n`);
  expect(rate).toBeGreaterThan(30);
  expect(rate).toBeLessThan(110);

  await until(async () => (await a.status()).drain.state === 'drained', 20);
  expect(performance.now() - startedAt).toBeGreaterThan(3_500);
  expect((await a.status()).drain.movedConnections).toBe(400);
  isPublishing = false;
  await publishing;
  await until(() => watching.every(({ offsets }) => offsets.at(-1) === published), 20);
  const everything = Array.from({ length: published }, (_, index) => index + 1);
  for (const viewer of watching) {
    expect([viewer.gaps, viewer.errors]).toEqual([[], []]);
    // Whoever came first got the first publication; all were there before it.
    expect(viewer.offsets).toEqual(everything);
    expect(viewer.hellos).toBe(2);
    expect(viewer.barrage.state).toBe('open');
  }
  for (const client of plain) expect((await client.closed()).code).toBe(1012);
  expect(await a.metric('barrage_gateway_connections_moved_total{how="hint"}')).toBe(300);
  expect(await a.metric('barrage_gateway_connections_moved_total{how="close"}')).toBe(100);
  expect(await a.metric('barrage_gateway_connections_moved_total{how="overdue"}')).toBe(0);
  expect(await a.metric('barrage_gateway_drain_state')).toBe(2);

  // Everybody of one channel is where the placement says: on one gateway.
  const [b, c] = [pool.member('b').gateway.rooms, pool.member('c').gateway.rooms];
  expect(b.subscriptions + c.subscriptions).toBe(300);
  for (let channel = 0; channel < 5; channel++)
    expect([b, c].map((rooms) => rooms.counts(`video:${channel}`).ready).toSorted((one, other) => one - other)).toEqual([0, 60]);
});

test('a draining gateway is not ready and takes nobody, and says so; called off, it serves again and keeps those who stayed', async () => {
  const pool = await TestPool.start(['a', 'b']);
  await pool.pushToAll();
  const a = pool.member('a');
  const clients = await plainClients(50, a.port);
  await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 20 }));
  expect(await a.ready()).toEqual({ status: 503, text: expect.stringContaining('draining') });
  expect(await refusedUpgrade(a.port)).toMatchObject({ status: 503 });
  await until(async () => (await a.status()).drain.movedConnections >= 10, 10);
  expect(await a.metric('barrage_gateway_drain_state')).toBe(1);
  expect(await a.put('drain', pool.command('a', { command: 'abort-drain' }))).toMatchObject({
    status: 200,
    body: { drain: { state: 'serving' } },
  });
  expect(await a.ready()).toEqual({ status: 200, text: 'ready\n' });
  const left = await a.status();
  expect([left.drain.state, left.drain.startedAt]).toEqual(['serving', undefined]);
  await (await TestClient.open(a.port)).leave();
  const staying = clients.filter(({ closing }) => closing === undefined);
  expect(staying.length).toBeGreaterThanOrEqual(50 - left.drain.movedConnections);
  for (const client of staying) expect(await client.ask({ op: 'subscribe', channel: '1@video' })).toBe('{"result":true}');

  // And again, with the rest.
  await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 1_000 }));
  await until(async () => (await a.status()).drain.state === 'drained', 10);
  for (const client of clients) expect((await client.closed()).code).toBe(1012);
});

test('the same command again, or one with another rate, goes on from where the drain is', async () => {
  const pool = await TestPool.start(['a', 'b']);
  await pool.pushToAll();
  const a = pool.member('a');
  await plainClients(60, a.port);
  const command = pool.command('a', { command: 'drain', connectionsPerSecond: 10 });
  const first = await a.put('drain', command);
  await until(async () => (await a.status()).drain.movedConnections >= 3, 10);
  const again = await a.put('drain', command);
  expect(again.body.drain?.startedAt).toBe(first.body.drain?.startedAt);
  expect(again.body.drain?.movedConnections).toBeGreaterThanOrEqual(3);
  await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 2_000 }));
  await until(async () => (await a.status()).drain.state === 'drained', 10);
});

test('at the deadline those who are left are closed', async () => {
  const pool = await TestPool.start(['a', 'b']);
  await pool.pushToAll();
  const a = pool.member('a');
  const watching = await viewers(20, a);
  const plain = await plainClients(20, a.port);
  await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 1, deadlineSeconds: 1 }));
  await until(async () => (await a.status()).drain.state === 'drained', 20);
  for (const client of plain) expect((await client.closed()).code).toBe(1012);
  // A client of ours that is closed goes on trying; a gateway that takes nobody is its address still.
  expect(watching.filter(({ barrage }) => barrage.state === 'closed')).toEqual([]);
});

test('a client that was told to move and stays is closed, within its bounded time', async () => {
  const pool = await TestPool.start(['a', 'b']);
  await pool.pushToAll();
  const a = pool.member('a');
  const deaf = await V1Client.open(a.port);
  onTestFinished(() => deaf.socket.terminate());
  await deaf.subscribe('video:1');
  await a.put('drain', pool.command('a', { command: 'drain', connectionsPerSecond: 1_000 }));
  await until(() => deaf.messages.some(({ type }) => type === 'reconnect'));
  expect(deaf.messages.find(({ type }) => type === 'reconnect')).toEqual({
    type: 'reconnect',
    url: pool.member('b').entry.url,
    afterMs: 500,
  });
  await vi.waitUntil(() => deaf.closing !== undefined, { timeout: 25_000, interval: 50 });
  expect(deaf.closing?.code).toBe(1012);
  expect(deaf.messages.filter(({ type }) => type === 'reconnect')).toHaveLength(1);
  expect(await a.metric('barrage_gateway_connections_moved_total{how="overdue"}')).toBe(1);
});

test('a gateway that is ended while it knows where else to go moves clients of ours without a gap, and closes the others', async () => {
  const pool = await TestPool.start(['a', 'b'], { BARRAGE_DRAIN_MS: '600000', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '30' });
  await pool.pushToAll();
  const a = pool.member('a');
  const watching = await viewers(40, a);
  const plain = await plainClients(10, a.port);
  const writer = new Barrage(`ws://127.0.0.1:${pool.member('b').port}/`);
  onTestFinished(() => writer.close());
  await until(() => writer.state === 'open');
  const left = pool.leave('a');
  for (let round = 0; round < 60; round++) {
    for (let channel = 0; channel < 5; channel++) await writer.publish(`video:${channel}`, 'x');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await left;
  await until(() => watching.every(({ offsets }) => offsets.at(-1) === 60), 20);
  for (const viewer of watching) {
    expect([viewer.gaps, viewer.errors, viewer.hellos, viewer.offsets.length]).toEqual([[], [], 2, 60]);
  }
  for (const client of plain) expect((await client.closed()).code).toBe(1012);
});

test('commands that are forged, for another, older, late or garbage change nothing', async () => {
  const pool = await TestPool.start(['a', 'b']);
  await pool.pushToAll();
  const a = pool.member('a');
  const stranger = await TestPool.start([]);
  expect(await a.put('drain', stranger.command('a', { command: 'drain' }))).toMatchObject({
    status: 403,
    body: { error: { code: 'forged' } },
  });
  expect(await a.put('drain', pool.command('b', { command: 'drain' }))).toMatchObject({ status: 409 });
  expect(await a.put('drain', pool.command('a', { command: 'drain', issuedAt: 1_000 }))).toMatchObject({ status: 409 });
  for (const garbage of ['', '{', '[]', '{"document":"{}","signature":""}', 'x'.repeat(10_000)])
    expect(await a.put('drain', garbage)).toMatchObject({ status: 400, body: { error: { code: 'malformed' } } });
  expect(await a.put('drain', 'x'.repeat(20_000))).toMatchObject({ status: 413 });
  expect((await a.status()).drain).toMatchObject({ state: 'serving', movedConnections: 0 });
  const abort = pool.command('a', { command: 'abort-drain' });
  await a.put('drain', abort);
  const older = pool.command('a', { command: 'drain', issuedAt: Date.now() - 10_000 });
  expect(await a.put('drain', older)).toMatchObject({ status: 409, body: { error: { message: 'a later command was followed already' } } });
});
