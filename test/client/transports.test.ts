import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type BarrageError, type BarrageOptions, type Gap, type Subscription, type TransportName } from '../../client/barrage.ts';
import { startNginx } from '../support/nginx.ts';
import { PickyProxy } from '../support/picky-proxy.ts';
import { SkippingClock } from '../support/skipping-clock.ts';
import { TestStandalone } from '../support/standalone.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 60_000 });

const policies = JSON.stringify({
  channels: [
    { channel: 'video:*', history: { size: 1000, ttlSeconds: 600 }, access: { publish: 'Public' } },
    { channel: 'plain:*', access: { publish: 'Public' } },
  ],
});
const variables = { BARRAGE_BACKOFF_BASE_MS: '20', BARRAGE_BACKOFF_CAP_MS: '100' };

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 30_000, interval: 5 });
}

async function proxyTo(barrage: TestStandalone): Promise<PickyProxy> {
  const proxy = await PickyProxy.start(barrage.port);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

function client(url: string, options: BarrageOptions = {}): Barrage {
  const barrage = new Barrage(url, options);
  onTestFinished(() => barrage.close());
  return barrage;
}

/** Lets time pass until the client is back at a WebSocket. A trial has real time for itself: its timers run too. */
async function goesBack(barrage: Barrage, clock: SkippingClock): Promise<void> {
  for (let trial = 0; trial < 10 && barrage.transport !== 'websocket'; trial++) {
    clock.skip(600_000);
    await vi.waitUntil(() => barrage.transport === 'websocket', { timeout: 3_000, interval: 5 }).catch(() => {});
  }
  expect(barrage.transport).toBe('websocket');
}

/** Asks one client, as a backend does, to come back over a transport. */
async function ask(server: TestStandalone, id: string, transport: string): Promise<unknown> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.publisherPort}/ws/v1`);
  onTestFinished(() => socket.close());
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  const answer = new Promise<unknown>((resolve) => socket.addEventListener('message', ({ data }) => resolve(JSON.parse(String(data)))));
  socket.send(JSON.stringify({ m: 'conn.call', p: { c: id, f: 'reconnect', a: [transport] }, i: 1 }));
  return answer;
}

/** What a subscription got. */
function received(subscription: Subscription): { readonly data: unknown[]; readonly gaps: Gap[]; readonly errors: BarrageError[] } {
  const all = { data: [] as unknown[], gaps: [] as Gap[], errors: [] as BarrageError[] };
  subscription.on('publication', ({ data }) => all.data.push(data));
  subscription.on('gap', (gap) => all.gaps.push(gap));
  subscription.on('error', (error) => all.errors.push(error));
  return all;
}

test('a client that pulls gets what is published from its subscribing on, text, bytes and counts, in order', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  await server.publish('video:1', 'before');
  const barrage = client(`ws://127.0.0.1:${server.port}/`, { transports: ['pull'] });
  const subscription = barrage.subscribe('video:1');
  const got = received(subscription);
  for (let number = 1; number <= 53; number++) await server.publish('video:2', `q${number}`);
  const rewound = received(barrage.subscribe('video:2', { rewind: 5 }));
  await until(() => subscription.state === 'subscribed' && rewound.data.length === 5);
  expect(rewound.data).toEqual(['q49', 'q50', 'q51', 'q52', 'q53']);
  expect([barrage.state, barrage.transport, subscription.position?.offset]).toEqual(['open', 'pull', 1]);
  const texts = Array.from({ length: 120 }, (_, index) => `p${index}`);
  for (const text of texts) await server.publish('video:1', text);
  await server.publish('video:1', Buffer.from([0, 255, 7]).toString('base64'), { t: 'binary' });
  await until(() => got.data.length === 121);
  expect(got.data).toEqual([...texts, Uint8Array.of(0, 255, 7)]);
  expect(got.gaps).toEqual([]);
});

test('what pull can not do is refused in words, and a channel without a history says so and waits', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  const barrage = client(`ws://127.0.0.1:${server.port}/`, { transports: ['pull'] });
  const subscription = barrage.subscribe('plain:1');
  const got = received(subscription);
  await until(() => got.errors.length > 0);
  expect(got.errors[0]).toMatchObject({ code: 'unsupported', retry: true, message: expect.stringContaining('keeps no history') });
  await expect(barrage.publish('video:1', 'x')).rejects.toMatchObject({ code: 'unsupported', retry: true });
  await expect(barrage.counts('video:1')).rejects.toMatchObject({ code: 'unsupported' });
  expect(await barrage.ping()).toBeGreaterThan(0);
  expect([subscription.state, got.errors.length]).toEqual(['subscribing', 1]);
});

test('where no WebSocket passes a client comes by another way, misses nothing, and goes back when one passes', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  const proxy = await proxyTo(server);
  proxy.webSockets = false;
  proxy.streams = false;
  const clock = new SkippingClock();
  const barrage = client(proxy.url, { clock });
  const told: TransportName[] = [];
  barrage.on('transport', (name) => told.push(name));
  barrage.on('error', () => {});
  const subscription = barrage.subscribe('video:1');
  const got = received(subscription);
  await until(() => subscription.state === 'subscribed');
  expect(barrage.transport).toBe('pull');
  const texts = Array.from({ length: 60 }, (_, index) => `p${index}`);
  for (const text of texts.slice(0, 20)) await server.publish('video:1', text);
  await until(() => got.data.length === 20);
  // Tried in vain, without an error or a gap.
  const before = proxy.refused.webSockets;
  clock.skip(60_000);
  await until(() => proxy.refused.webSockets > before);
  for (const text of texts.slice(20, 40)) await server.publish('video:1', text);
  await until(() => got.data.length === 40);
  proxy.webSockets = true;
  await goesBack(barrage, clock);
  for (const text of texts.slice(40)) await server.publish('video:1', text);
  await until(() => got.data.length === 60);
  expect(got.data).toEqual(texts);
  expect([got.gaps, told, got.errors]).toEqual([[], ['pull', 'websocket'], []]);
});

test('a gateway that has all its connections is pulled from, and a client goes back when there is room', async () => {
  const server = await TestStandalone.withPolicies(policies, { ...variables, BARRAGE_GATEWAY_CONNECTIONS_MAX: '2' });
  const url = `ws://127.0.0.1:${server.port}/`;
  const others = [client(url), client(url)];
  await until(() => others.every(({ transport }) => transport === 'websocket'));
  const clock = new SkippingClock();
  const second = client(url, { clock });
  second.on('error', () => {});
  const subscription = second.subscribe('video:1');
  const got = received(subscription);
  await until(() => subscription.state === 'subscribed');
  expect(second.transport).toBe('pull');
  await server.publish('video:1', 'one');
  await until(() => got.data.length === 1);
  for (const other of others) other.close();
  await goesBack(second, clock);
  await server.publish('video:1', 'two');
  await until(() => got.data.length === 2);
  expect([got.data, got.gaps]).toEqual([['one', 'two'], []]);
});

test('a paused client gets nothing, and goes on where it was', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  for (const transport of ['websocket', 'pull'] as const) {
    const channel = `video:${transport}`;
    const barrage = client(`ws://127.0.0.1:${server.port}/`, { transports: [transport] });
    const states: string[] = [];
    barrage.on('state', (state) => states.push(state));
    const subscription = barrage.subscribe(channel);
    const got = received(subscription);
    await until(() => subscription.state === 'subscribed');
    await server.publish(channel, 'one');
    await until(() => got.data.length === 1);
    barrage.pause();
    barrage.pause();
    await expect(barrage.ping()).rejects.toMatchObject({ code: 'disconnected', retry: true });
    for (const text of ['two', 'three']) await server.publish(channel, text);
    expect([barrage.state, barrage.transport, got.data]).toEqual(['paused', undefined, ['one']]);
    barrage.resume();
    await until(() => got.data.length === 3);
    expect([got.data, got.gaps, subscription.recovered]).toEqual([['one', 'two', 'three'], [], true]);
    expect(states).toEqual(['open', 'paused', 'connecting', 'open']);
    barrage.close();
    barrage.resume();
    expect(barrage.state).toBe('closed');
  }
});

test('a client speaks over an event stream as over a WebSocket: it publishes, counts, and gets all that comes', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  const proxy = await proxyTo(server);
  proxy.webSockets = false;
  const barrage = client(proxy.url);
  barrage.on('error', () => {});
  const subscription = barrage.subscribe('video:1');
  const plain = barrage.subscribe('plain:1');
  const [got, gotPlain] = [received(subscription), received(plain)];
  await until(() => subscription.state === 'subscribed' && plain.state === 'subscribed');
  expect(barrage.transport).toBe('sse');
  const offsets: number[] = [];
  for (const data of ['弹幕', Uint8Array.of(0, 255, 7), 'end']) offsets.push((await barrage.publish('video:1', data)).offset);
  await server.publish('plain:1', 'plain');
  await until(() => got.data.length === 3 && gotPlain.data.length === 1);
  expect([got.data, offsets, gotPlain.data]).toEqual([['弹幕', Uint8Array.of(0, 255, 7), 'end'], [1, 2, 3], ['plain']]);
  expect([await barrage.counts('video:1'), (await barrage.ping()) > 0]).toEqual([{ members: 1 }, true]);
  await expect(barrage.publish('video:1', 'x', { ttlMs: -1 })).rejects.toMatchObject({ code: 'bad_request', retry: false });
  await plain.unsubscribe();
  // Everything is cut: the stream comes back by itself, from its position.
  proxy.cut();
  for (const text of ['more', 'and more']) await server.publish('video:1', text);
  await until(() => got.data.length === 5);
  expect([got.data.slice(3), got.gaps, barrage.transport]).toEqual([['more', 'and more'], [], 'sse']);
});

test('a client follows a gateway that asks for another transport, where that serves all its channels', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  const proxy = await proxyTo(server);
  const clock = new SkippingClock();
  const barrage = client(proxy.url, { clock });
  const errors: BarrageError[] = [];
  barrage.on('error', (error) => errors.push(error));
  let clientId = '';
  barrage.on('hello', (hello) => (clientId = hello.client));
  const subscription = barrage.subscribe('video:1');
  const got = received(subscription);
  await until(() => subscription.state === 'subscribed');
  await server.publish('video:1', 'one');
  await until(() => got.data.length === 1);
  expect(await ask(server, clientId, 'pull')).toMatchObject({ E: null });
  await until(() => barrage.transport === 'pull');
  await server.publish('video:1', 'two');
  await until(() => got.data.length === 2);
  await goesBack(barrage, clock);
  // A channel that can't be pulled keeps the client where it is.
  const plain = barrage.subscribe('plain:1');
  await until(() => plain.state === 'subscribed');
  expect(errors).toEqual([]);
  proxy.say({ type: 'reconnect', afterMs: 0, transport: 'pull' });
  await until(() => errors.length > 0);
  expect(errors[0]).toMatchObject({ code: 'unsupported', retry: true });
  expect([barrage.transport, plain.state]).toEqual(['websocket', 'subscribed']);
  await server.publish('video:1', 'three');
  await until(() => got.data.length === 3);
  expect([got.data, got.gaps]).toEqual([['one', 'two', 'three'], []]);
  // What the application does not allow is passed over.
  const bound = client(proxy.url, { transports: ['websocket'] });
  await until(() => bound.state === 'open');
  const requests = proxy.passed.length;
  proxy.say({ type: 'reconnect', afterMs: 0, transport: 'pull' });
  expect(await bound.ping()).toBeGreaterThan(0);
  expect([bound.transport, proxy.passed.slice(requests).filter((path) => path.includes('/head'))]).toEqual(['websocket', []]);
});

test('behind an nginx that knows nothing of WebSockets a client streams', async () => {
  const server = await TestStandalone.withPolicies(policies, variables);
  const nginx = await startNginx(
    ({ port }) =>
      `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${server.port}; proxy_set_header Host $host:$server_port; } }`,
  );
  onTestFinished(() => nginx.stop());
  const barrage = client(`ws://127.0.0.1:${nginx.port}/`);
  barrage.on('error', () => {});
  const subscription = barrage.subscribe('video:1');
  const got = received(subscription);
  await until(() => barrage.transport === 'sse' && subscription.state === 'subscribed');
  await barrage.publish('video:1', 'through nginx');
  await until(() => got.data.length > 0);
  expect([got.data, got.gaps]).toEqual([['through nginx'], []]);
});

test('no orderly close leads to another transport, and no refused dial within a minute after a WebSocket', async () => {
  let isFull = false;
  const gateway: ScriptedGateway = await ScriptedGateway.start({
    isFull: () => isFull,
    directions: () => ({ urls: [gateway.url], backoff: { baseMs: 1, capMs: 20 }, epoch: 0 }),
  });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const clock = new SkippingClock();
  const barrage = client(gateway.url, { clock });
  const told: TransportName[] = [];
  barrage.on('transport', (name) => told.push(name));
  barrage.on('error', () => {});
  for (let connection = 1; connection <= 5; connection++) {
    await until(() => gateway.connections.length === connection && barrage.state === 'open');
    gateway.last.socket.close(1012);
  }
  await until(() => gateway.connections.length === 6 && barrage.state === 'open');
  isFull = true;
  gateway.last.socket.terminate();
  await until(() => gateway.refusals >= 6);
  expect([told, barrage.transport]).toEqual([['websocket'], undefined]);
  // After a minute it is another matter: the gateway answers requests, and takes no WebSocket.
  clock.skip(60_000);
  await until(() => barrage.transport === 'pull');
  expect(told).toEqual(['websocket', 'pull']);
});
