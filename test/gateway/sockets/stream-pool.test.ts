import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { EventStream } from '../../support/event-stream.ts';
import { RedisProxy } from '../../support/redis-proxy.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

const policies = `channels: [
  { channel: "video:*", history: { size: 1000, ttlSeconds: 600 }, access: { publish: Public }, merge: { windowMilliseconds: 20 } },
  { channel: "slow:*", history: { size: 1000, ttlSeconds: 600 }, merge: { windowMilliseconds: 700 } },
]`;

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());

function start(name: string, url = redis.url): Promise<TestStandalone> {
  return TestStandalone.withPolicies(policies, { BARRAGE_REDIS_URL: url, BARRAGE_GATEWAY_NAME: name });
}

function posts(barrage: TestStandalone, result: string): Promise<number> {
  return barrage.metric('barrage_gateway_stream_requests_total', `result="${result}"`);
}

test('commands reach a stream through any gateway of the pool, in their order', async () => {
  const [here, there] = [await start('here'), await start('there')];
  const stream = await EventStream.open(here.port);
  await stream.post([{ id: 1, op: 'subscribe', channel: 'video:1' }], there.port);
  await until(() => stream.of('reply').length === 1);
  await stream.post(
    Array.from({ length: 50 }, (_, index) => ({ id: 2 + index, op: 'publish', channel: 'video:1', data: String(index) })),
    there.port,
  );
  await until(() => stream.items('video:1').length === 50 && stream.of('reply').length === 51);
  expect(stream.data('video:1')).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
  expect(stream.of('reply').map(({ id }) => id)).toEqual(Array.from({ length: 51 }, (_, index) => 1 + index));
  expect([await posts(there, 'passed_on'), await posts(here, 'handed'), await posts(here, 'passed_on')]).toEqual([2, 0, 0]);
});

test('an ended stream has no commands at another gateway either, and a wrong secret commands nothing', async () => {
  const [here, there] = [await start('here'), await start('there')];
  const stream = await EventStream.open(here.port);
  const [client = ''] = stream.secret.split('.');
  const post = async (secret: string): Promise<number> => {
    const body = JSON.stringify({ stream: secret, commands: [{ id: 1, op: 'ping' }] });
    return (await fetch(`http://127.0.0.1:${there.port}/v1/stream`, { method: 'POST', body })).status;
  };
  expect(await post(`${client}.${'A'.repeat(22)}`)).toBe(404);
  stream.leave();
  await until(() => here.gateway.metrics.clients.kinds().sse === 0);
  expect(await post(stream.secret)).toBe(404);
  expect(await posts(there, 'gone')).toBe(2);
});

test('where the gateway of a stream does not answer, the client is told to come back, within the deadline', async () => {
  const proxy = await RedisProxy.before(redis);
  const [here, there] = [await start('here', proxy.url), await start('there')];
  const stream = await EventStream.open(here.port);
  proxy.become('silent');
  const answer = await stream.post([{ id: 1, op: 'ping' }], there.port);
  expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
    503,
    '1',
    { error: { code: 'unavailable', message: expect.stringContaining('may have arrived') } },
  ]);
  // And they did: a client that tries again must expect it.
  proxy.become('open');
  await until(() => stream.of('reply').length === 1);
  proxy.dispose();
});

test('a stream goes on at another gateway of the pool where it was lost, in all of its channels', async () => {
  const [one, two] = [await start('one'), await start('two')];
  const channels = ['video:2', 'video:3', 'slow:1'];
  const query = channels.map((channel) => `channel=${channel}`).join('&');
  // Somebody else holds the rooms open at the other gateway, with windows of their own.
  const other = await EventStream.open(two.port, { query });
  const publish = async (from: number, to: number): Promise<void> => {
    for (let index = from; index <= to; index++) for (const channel of channels) await one.publish(channel, String(index));
  };
  let stream = await EventStream.open(one.port, { query });
  const seen = new Map(channels.map((channel) => [channel, [] as string[]]));
  for (let round = 0; round < 6; round++) {
    await publish(round * 10 + 1, round * 10 + 10);
    await until(() => stream.of('batch').length > round % 3);
    stream.leave();
    for (const channel of channels) seen.get(channel)?.push(...stream.data(channel));
    stream = await EventStream.reopen(stream, { query, port: round % 2 === 0 ? two.port : one.port });
    expect(stream.of('subscribed').map(({ recovered }) => recovered)).toEqual([true, true, true]);
  }
  await until(() => channels.every((channel) => stream.data(channel).at(-1) === '60' || seen.get(channel)?.at(-1) === '60'));
  await until(() => channels.every((channel) => other.data(channel).at(-1) === '60'));
  const all = Array.from({ length: 60 }, (_, index) => String(index + 1));
  for (const channel of channels) expect([...(seen.get(channel) ?? []), ...stream.data(channel)]).toEqual(all);
});

test('a stream that was lost before a failover goes on in the new epoch, and one that lived through it has its places there', async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.dispose());
  const barrage = await start('one', own.url);
  const queries = ['channel=video:1', 'channel=video:1&channel=video:2'];
  const lost = await Promise.all(queries.map((query) => EventStream.open(barrage.port, { query })));
  const living = await Promise.all(queries.map((query) => EventStream.open(barrage.port, { query })));
  for (let index = 1; index <= 10; index++) await barrage.publish('video:1', String(index));
  await until(() => [...lost, ...living].every((stream) => stream.data('video:1').length === 10));
  for (const stream of lost) stream.leave();
  await own.command('SAVE');
  await own.restart('as-saved');
  await expect.poll(() => barrage.post('/v1/mesh/publish', { c: 'video:1', d: 'new' })).toMatchObject({ E: null });
  await until(() => living.every((stream) => stream.data('video:1').at(-1) === 'new'));
  for (const stream of living) stream.leave();
  for (const [index, query] of queries.entries()) {
    for (const before of [lost[index], living[index]]) {
      if (before === undefined) throw new Error('no stream');
      const again = await EventStream.reopen(before, { query });
      expect(again.of('subscribed')[0]).toMatchObject({ channel: 'video:1', recovered: true });
      await until(() => [...before.data('video:1'), ...again.data('video:1')].at(-1) === 'new');
      // A publication that was refused while Redis came back may have been stored all the same.
      const all = new Set([...before.data('video:1'), ...again.data('video:1')]);
      expect([...all]).toEqual([...Array.from({ length: 10 }, (_, each) => String(each + 1)), 'new']);
    }
  }
});

test('while the bus is away a stream is told so, and to come back', async () => {
  const proxy = await RedisProxy.before(redis);
  const barrage = await start('one', proxy.url);
  proxy.become('refused');
  await until(async () => (await barrage.metric('barrage_bus_up')) === 0, 50);
  const stream = await EventStream.dial(barrage.port, { query: 'channel=video:9' });
  expect(await stream.closed()).toEqual({ type: 'close', code: 1013, reason: 'the bus is away for the moment: come back' });
  expect(stream.of('unsubscribed')).toMatchObject([{ channel: 'video:9' }]);
  proxy.dispose();
});
