import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage } from '../../../client/barrage.ts';
import { closeCodes } from '../../../core/close-codes.ts';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { createLogger } from '../../../core/process/logging.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { createRedisBus, type RedisBus } from '../../../core/redis/bus.ts';
import { Gateway } from '../../../gateway/gateway.ts';
import type { Publication } from '../../../core/publication.ts';
import { publication as publicationOf } from '../../support/publications.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestClient, V1Client } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 30_000, interval: 5 });
}

const keep = { size: 5_000, ttlSeconds: 300 };

/** Accepted now: a resume gives nothing that is older than the policy keeps. */
function publication(text: string): Publication {
  return publicationOf(text, { acceptedAt: Date.now() });
}

/** A gateway, and a publisher's bus, on one real Redis. */
async function start(history: typeof keep | undefined): Promise<{ redis: RedisServer; gateway: Gateway; publisher: RedisBus }> {
  const redis = await RedisServer.start();
  const [bus, publisher] = [createRedisBus({ url: redis.url, prefix: 'h' }), createRedisBus({ url: redis.url, prefix: 'h' })];
  const read = readSettings({ BARRAGE_GATEWAY_PORT: '0', BARRAGE_DRAIN_MS: '0' });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const { channels } = policyFileSchema.parse({ channels: [{ channel: '*', ...(history === undefined ? {} : { history }) }] });
  const logger = createLogger({ part: 'test', level: 'silent' });
  const gateway = await Gateway.start({
    settings: read.settings,
    bus,
    policies: new Policies(channels),
    registry: new Registry(),
    logger,
  });
  onTestFinished(async () => {
    await gateway.close();
    await Promise.all([bus.close(), publisher.close()]);
    await redis.dispose();
  });
  await until(() => bus.state().up && publisher.state().up);
  return { redis, gateway, publisher };
}

async function holes(gateway: Gateway): Promise<Readonly<Record<string, number>>> {
  const { values } = await gateway.metrics.holesClosed.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
}

/** An SDK client that is subscribed, and what it hears. */
async function subscribed(gateway: Gateway) {
  const client = new Barrage(`ws://127.0.0.1:${gateway.port}/`);
  onTestFinished(() => client.close());
  const heard: string[] = [];
  const gaps: unknown[] = [];
  client.on('gap', (gap) => gaps.push(gap));
  const subscription = client.subscribe('video:1');
  subscription.on('publication', ({ data }) => heard.push(String(data)));
  await until(() => subscription.state === 'subscribed');
  return { subscription, heard, gaps };
}

test('a gateway’s subscriptions are cut off again and again while backends publish: every client gets everything, and notices nothing', async () => {
  const { redis, gateway, publisher } = await start(keep);
  const { heard, gaps } = await subscribed(gateway);
  const plain = await TestClient.open(gateway.port);
  await plain.ask({ op: 'subscribe', channel: '1@video' });

  let published = 0;
  const publish = async (): Promise<void> => {
    await publisher.log.append('video:1', [publication(`${published++}`), publication(`${published++}`)], keep);
  };
  // However the kill and the publications fall, some publication is missed in the end.
  for (let round = 0; round < 3 || (await holes(gateway))['filled'] === 0; round++) {
    expect(round).toBeLessThan(200);
    for (let index = 0; index < 20; index++) await publish();
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    // The new subscription needs some turns of this process: these are missed.
    await publisher.log.append('video:1', [publication(`${published++}`)], keep);
    for (let index = 0; index < 20; index++) await publish();
    await until(() => heard.length >= published);
  }
  const all = Array.from({ length: published }, (_, index) => `${index}`);
  expect(heard).toEqual(all);
  expect(gaps).toEqual([]);
  const texts: string[] = [];
  for (let index = 0; index < published; index++) texts.push(await plain.nextText());
  expect(texts).toEqual(all);
  const { filled, ...others } = await holes(gateway);
  expect(filled).toBeGreaterThan(0);
  expect(others).toEqual({ too_large: 0, lost: 0, unavailable: 0 });
});

test('what was missed just before a quiet time is found without a further publication', async () => {
  const { redis, gateway, publisher } = await start(keep);
  const { heard } = await subscribed(gateway);
  await publisher.log.append('video:1', [publication('first')], keep);
  await until(() => heard.length === 1);
  // Mostly the gateway is not subscribed again before these.
  await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await publisher.log.append('video:1', [publication('second'), publication('last')], keep);
  await until(() => heard.length === 3);
  expect(heard).toEqual(['first', 'second', 'last']);
});

test('without a history the same is a gap, as ever, and nothing is read', async () => {
  const { redis, gateway, publisher } = await start(undefined);
  const client = new Barrage(`ws://127.0.0.1:${gateway.port}/`);
  onTestFinished(() => client.close());
  const gaps: unknown[] = [];
  client.on('gap', (gap) => gaps.push(gap));
  const subscription = client.subscribe('video:1');
  await until(() => subscription.state === 'subscribed');
  // However the kill and the publications fall, some publication is missed in the end.
  for (let round = 0; gaps.length === 0; round++) {
    expect(round).toBeLessThan(200);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await publisher.log.append('video:1', [publication('missed')]);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect((await gateway.metrics.holesFound.get()).values).toEqual([{ labels: {}, value: 0 }]);
});

test('a history that is too short for the hole: the gap is told with its offsets, and counted', async () => {
  const { redis, gateway, publisher } = await start(keep);
  const client = new Barrage(`ws://127.0.0.1:${gateway.port}/`);
  onTestFinished(() => client.close());
  const gaps: unknown[] = [];
  client.on('gap', ({ from, to, reason }) => gaps.push([from?.offset, to.offset, reason]));
  const subscription = client.subscribe('video:1');
  const heard: string[] = [];
  subscription.on('publication', ({ data }) => heard.push(String(data)));
  await until(() => subscription.state === 'subscribed');
  await publisher.log.append('video:1', [publication('first')], keep);
  await until(() => heard.length === 1);
  const short = { size: 1, ttlSeconds: 300 };
  let last = 1;
  for (let round = 0; gaps.length === 0; round++) {
    expect(round).toBeLessThan(200);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await publisher.log.append('video:1', [publication('missed')], short);
    last = (await publisher.log.append('video:1', [publication('kept')], short)).lastOffset;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const end = last;
  await until(() => subscription.position?.offset === end);
  expect((await holes(gateway))['lost']).toBeGreaterThan(0);
});

test('a client of the SDK that loses its connection goes on without a gap', async () => {
  const { gateway, publisher } = await start(keep);
  const client = new Barrage(`ws://127.0.0.1:${gateway.port}/`);
  onTestFinished(() => client.close());
  const heard: string[] = [];
  const gaps: unknown[] = [];
  client.on('gap', (gap) => gaps.push(gap));
  client.on('error', () => {});
  const subscription = client.subscribe('video:1', { rewind: 5 });
  subscription.on('publication', ({ data }) => heard.push(String(data)));
  await until(() => subscription.state === 'subscribed');
  expect(subscription.recovered).toBeUndefined();
  let published = 0;
  for (let round = 0; round < 3; round++) {
    const lost = new Promise<void>((resolve) => subscription.on('state', (state) => state === 'subscribing' && resolve()));
    for (const room of gateway.rooms.openRooms()) for (const { connection } of room.everyone()) connection.close(closeCodes.idle);
    await lost;
    for (let index = 0; index < 20; index++) await publisher.log.append('video:1', [publication(`${published++}`)], keep);
    await until(() => heard.length >= published);
  }
  expect(heard).toEqual(Array.from({ length: published }, (_, index) => `${index}`));
  expect([gaps, subscription.recovered]).toEqual([[], true]);
});

test('an epoch that ended with a failover is good up to its last offset that is known', async () => {
  const { redis, gateway, publisher } = await start(keep);
  const [before, back, ahead] = await Promise.all([1, 2, 3].map(() => V1Client.open(gateway.port)));
  if (before === undefined || back === undefined || ahead === undefined) throw new Error('no client');
  const { epoch } = await publisher.log.append('video:1', [publication('a')], keep);
  expect(await before.subscribe('video:1')).toEqual({ epoch, offset: 1 });
  await before.leave();
  await publisher.log.append('video:1', [publication('b')], keep);
  await redis.command('HSET', 'h:{video:1}:record', 'run', 'a master that was');
  const after = await publisher.log.append('video:1', [publication('c')], keep);
  expect(after.epoch).not.toBe(epoch);

  expect(await back.subscribe('video:1', { since: { epoch, offset: 1 } })).toEqual({ epoch: after.epoch, offset: 1, recovered: true });
  await until(() => back.reached('video:1') === 3);
  expect(back.items('video:1').map(({ data }) => data)).toEqual(['b', 'c']);
  // Offset 3 of the earlier epoch was another publication, which the failover lost.
  expect(await ahead.subscribe('video:1', { since: { epoch, offset: 3 } })).toEqual({ epoch: after.epoch, offset: 3, recovered: false });
});

test('the epoch changes while clients watch, and nothing is lost: they go on in the new epoch without a gap', async () => {
  const { redis, gateway, publisher } = await start(keep);
  const { subscription, heard, gaps } = await subscribed(gateway);
  await publisher.log.append('video:1', [publication('a')], keep);
  await until(() => heard.length === 1);
  await redis.command('HSET', 'h:{video:1}:record', 'run', 'a master that was');
  const { epoch } = await publisher.log.append('video:1', [publication('b')], keep);
  await until(() => heard.length === 2);
  await publisher.log.append('video:1', [publication('c')], keep);
  await until(() => heard.length === 3);
  expect([heard, gaps, subscription.position]).toEqual([['a', 'b', 'c'], [], { epoch, offset: 3 }]);

  expect((await holes(gateway))['filled']).toBe(1);
});
