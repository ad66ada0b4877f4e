import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Barrage, type Gap } from '../../client/barrage.ts';
import type { Bus } from '../../core/bus/bus.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { Policies, defaultPolicy } from '../../core/policy/policy.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { createRedisBus } from '../../core/redis/bus.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { RedisServer } from '../support/redis-server.ts';

vi.setConfig({ testTimeout: 30_000 });

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 5 });
}

/** A real gateway on this bus. */
async function gatewayOn(bus: Bus, port = 0, windowMilliseconds = 100): Promise<Gateway> {
  const read = readSettings({
    BARRAGE_GATEWAY_PORT: String(port),
    BARRAGE_BACKOFF_BASE_MS: '10',
    BARRAGE_BACKOFF_CAP_MS: '50',
    BARRAGE_DRAIN_MS: '0',
  });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const policies = new Policies([
    { ...defaultPolicy, merge: { ...defaultPolicy.merge, windowMilliseconds }, access: { ...defaultPolicy.access, publish: 'Public' } },
  ]);
  const logger = createLogger({ part: 'test', level: 'silent' });
  return Gateway.start({ settings: read.settings, bus, policies, registry: new Registry(), logger });
}

function client(port: number): Barrage {
  const barrage = new Barrage(`ws://127.0.0.1:${port}/`);
  onTestFinished(() => barrage.close());
  return barrage;
}

/** Passes everything on to a gateway, and lets the test say more to the clients. */
async function relayTo(
  port: number,
): Promise<{ readonly port: number; readonly say: (message: object) => void; readonly cut: () => void }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  server.on('connection', (near) => {
    const far = new WebSocket(`ws://127.0.0.1:${port}/`, 'barrage.v1');
    far.on('message', (data, isBinary) => near.send(data, { binary: isBinary }));
    near.on('message', (data, isBinary) => far.send(data, { binary: isBinary }));
    far.on('close', () => near.close(1012));
    near.on('close', () => far.close());
  });
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const say = (message: object): void => {
    for (const socket of server.clients) socket.send(JSON.stringify(message));
  };
  const cut = (): void => {
    for (const socket of server.clients) socket.terminate();
  };
  return { port: (server.address() as AddressInfo).port, say, cut };
}

test('what one client publishes another gets, text and bytes, with its place, and both are counted', async () => {
  const bus = createMemoryBus();
  const gateway = await gatewayOn(bus);
  onTestFinished(async () => {
    await gateway.close();
    await bus.close();
  });
  const [writer, reader] = [client(gateway.port), client(gateway.port)];
  const subscription = reader.subscribe('video:1');
  const data: unknown[] = [];
  subscription.on('publication', (publication) => data.push(publication.data));
  await until(() => subscription.state === 'subscribed' && writer.state === 'open');
  const first = await writer.publish('video:1', '弹幕');
  const second = await writer.publish('video:1', Uint8Array.from([0, 128, 255]));
  expect(second).toEqual({ epoch: first.epoch, offset: first.offset + 1 });
  await until(() => data.length === 2);
  expect(data).toEqual(['弹幕', Uint8Array.from([0, 128, 255])]);
  expect(subscription.position).toEqual(second);
  expect(await writer.counts('video:1')).toEqual({ members: 1 });
  await subscription.setDensity(5);
  await subscription.setDensity(undefined);
  expect(await reader.ping()).toBeGreaterThan(0);
});

test('a gateway that is replaced leaves a gap of just what was published meanwhile', async () => {
  const bus = createMemoryBus();
  const other = await gatewayOn(bus);
  const first = await gatewayOn(bus);
  const { port } = first;
  const writer = client(other.port);
  const reader = client(port);
  const gaps: Gap[] = [];
  reader.on('gap', (gap) => gaps.push(gap));
  const subscription = reader.subscribe('video:1');
  const offsets: number[] = [];
  subscription.on('publication', ({ offset }) => offsets.push(offset));
  await until(() => subscription.state === 'subscribed' && writer.state === 'open');
  const { epoch } = await writer.publish('video:1', 'one');
  await until(() => offsets.length === 1);
  await first.close();
  await until(() => reader.state !== 'open');
  await writer.publish('video:1', 'missed');
  const second = await gatewayOn(bus, port);
  onTestFinished(async () => {
    for (const gateway of [second, other]) await gateway.close();
    await bus.close();
  });
  await until(() => subscription.state === 'subscribed');
  await writer.publish('video:1', 'three');
  await until(() => offsets.length === 2);
  expect(offsets).toEqual([1, 3]);
  expect(gaps).toEqual([{ channel: 'video:1', from: { epoch, offset: 1 }, to: { epoch, offset: 2 }, reason: 'reconnect' }]);
});

test('a move between two gateways under a steady stream misses and repeats nothing', async () => {
  const redis = await RedisServer.start();
  const buses = [0, 1].map(() => createRedisBus({ url: redis.url, prefix: 'move' }));
  const [first, second] = await Promise.all([gatewayOn(buses[0] as Bus), gatewayOn(buses[1] as Bus)]);
  onTestFinished(async () => {
    for (const gateway of [first, second]) await gateway.close();
    for (const bus of buses) await bus.close();
    await redis.dispose();
  });
  const relay = await relayTo(first.port);
  const [writer, reader] = [client(second.port), client(relay.port)];
  const gaps: Gap[] = [];
  reader.on('gap', (gap) => gaps.push(gap));
  const subscription = reader.subscribe('video:1');
  const offsets: number[] = [];
  subscription.on('publication', ({ offset }) => offsets.push(offset));
  await until(() => subscription.state === 'subscribed' && writer.state === 'open');
  let hellos = 0;
  reader.on('hello', () => hellos++);
  for (let count = 1; count <= 300; count++) {
    await writer.publish('video:1', 'x');
    if (count === 100) relay.say({ type: 'reconnect', url: `ws://127.0.0.1:${second.port}/`, afterMs: 0 });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await until(() => offsets.length >= 300);
  expect(offsets).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  expect([gaps, hellos, reader.state]).toEqual([[], 1, 'open']);
  // The old connection was left: only the new gateway still has a member.
  await until(() => first.rooms.size === 0 && second.rooms.counts('video:1').ready === 1);
});

test('likes that a client adds up over moves and reconnects, with windows of other lengths, are as many as were published', async () => {
  const redis = await RedisServer.start();
  const buses = [0, 1].map(() => createRedisBus({ url: redis.url, prefix: 'likes' }));
  const [first, second] = await Promise.all([gatewayOn(buses[0] as Bus, 0, 70), gatewayOn(buses[1] as Bus, 0, 110)]);
  onTestFinished(async () => {
    for (const gateway of [first, second]) await gateway.close();
    for (const bus of buses) await bus.close();
    await redis.dispose();
  });
  const relays = await Promise.all([relayTo(first.port), relayTo(second.port)]);
  const [writer, stayer, reader] = [client(first.port), client(second.port), client(relays[0]?.port ?? 0)];
  stayer.subscribe('video:1');
  reader.on('error', () => {});
  let missing = 0;
  reader.on('gap', ({ from, to }) => (missing += to.offset - (from?.offset ?? 0)));
  const subscription = reader.subscribe('video:1');
  let counted = 0;
  subscription.on('publication', ({ count }) => (counted += count ?? 1));
  await until(() => subscription.state === 'subscribed' && writer.state === 'open');
  const moves = Array.from({ length: 6 }, (_, index) => 100 * (index + 1));
  let at = 0;
  let last = 0;
  for (let sent = 1; sent <= 700; sent++) {
    last = (await writer.publish('video:1', 'like', { conflateKey: 'like', conflate: 'Sum' })).offset;
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (!moves.includes(sent)) continue;
    // Every second time the connection breaks instead, and the client comes back through its own address.
    const from = relays[at];
    at = sent % 200 === 0 ? 0 : 1 - at;
    if (sent % 200 === 0) from?.cut();
    else from?.say({ type: 'reconnect', url: `ws://127.0.0.1:${relays[at]?.port}/`, afterMs: 0 });
  }
  await until(() => subscription.position?.offset === last);
  expect(counted + missing).toBe(700);
});
