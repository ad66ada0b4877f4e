import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Poller, type PulledHead, type PulledItem } from '../../support/poller.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestStandalone } from '../../support/standalone.ts';

vi.setConfig({ testTimeout: 60_000 });

const policies = 'channels: [{ channel: "video:*", history: { size: 1000, ttlSeconds: 600 } }]';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());

function start(name: string): Promise<TestStandalone> {
  return TestStandalone.withPolicies(policies, { BARRAGE_REDIS_URL: redis.url, BARRAGE_GATEWAY_NAME: name });
}

function get({ port }: TestStandalone, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/v1/channels/${path}`);
}

async function publish(barrage: TestStandalone, channel: string, texts: readonly string[]): Promise<string> {
  let epoch = '';
  for (const text of texts) ({ epoch } = await barrage.publish(channel, text));
  return epoch;
}

function numbered(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `p${from + index}`);
}

/** Polls until it has this many publications; without the waits between heads. */
async function pollFor(poller: Poller, items: { readonly length: number }, count: number, at: TestStandalone): Promise<void> {
  await expect
    .poll(async () => {
      const answer = await fetch(`http://127.0.0.1:${at.port}${poller.path}`);
      poller.take({ status: answer.status, document: await answer.json() });
      return items.length;
    })
    .toBe(count);
}

test('two gateways of one Redis give the same bytes with the same tag', async () => {
  const [one, two] = [await start('one'), await start('two')];
  const epoch = await publish(one, 'video:1', numbered(1, 50));
  const path = `video%3A1/segments/${epoch}/0`;
  const [first, second] = [await get(one, path), await get(two, path)];
  expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
  expect(await second.text()).toBe(await first.text());
  expect(await two.metric('barrage_gateway_pull_bus_reads_total')).toBeGreaterThan(0);
});

test('after a failover that lost the newest a poller goes on in the new epoch, and the old one is good up to its end', async () => {
  const barrage = await start('one');
  const old = await publish(barrage, 'video:2', numbered(1, 60));
  await redis.command('SAVE');
  await publish(barrage, 'video:2', numbered(61, 65));
  const items: PulledItem[] = [];
  const poller = new Poller({ channel: 'video:2', position: { epoch: old, offset: 0 }, onItem: (item) => items.push(item) });
  await pollFor(poller, items, 65, barrage);
  await redis.restart('as-saved');
  const headNow = async (): Promise<PulledHead> => (await (await get(barrage, 'video%3A2/head')).json()) as PulledHead;
  // Until something is published nobody can tell the new epoch's name.
  await expect.poll(headNow).toMatchObject({ epoch: old, offset: 60 });
  await expect.poll(() => barrage.post('/v1/mesh/publish', { c: 'video:2', d: 'new' })).toMatchObject({ E: null });
  await expect.poll(headNow).toMatchObject({ earlier: { epoch: old, offset: 60 } });
  // One that was refused while Redis came back may have been stored.
  const { offset } = await headNow();
  await pollFor(poller, items, 65 + offset - 60, barrage);
  expect(items.slice(65)).toEqual(items.slice(65).map((item, index) => ({ ...item, offset: 61 + index, data: 'new' })));
  // It had what the failover lost: nobody else ever gets that, so it is told of a gap of unknown size.
  expect(poller.gaps).toEqual([{ after: Number.NaN, upto: 60 }]);
  expect(poller.position?.epoch).not.toBe(old);
  expect(await headNow()).toMatchObject({ epoch: poller.position?.epoch, offset, earlier: { epoch: old, offset: 60 } });
  expect(await (await get(barrage, `video%3A2/segments/${old}/1`)).json()).toMatchObject({ after: 50, upto: 60 });
  const ended = await get(barrage, `video%3A2/segments/${old}/1?after=60`);
  expect([ended.status, await ended.json()]).toEqual([410, { error: { code: 'epoch_ended', message: expect.any(String) } }]);
});

test('while Redis is away the answer is to come back, and what is encoded is still given', async () => {
  const barrage = await start('one');
  const epoch = await publish(barrage, 'video:3', numbered(1, 51));
  expect((await get(barrage, `video%3A3/segments/${epoch}/0`)).status).toBe(200);
  await redis.stop('kept');
  await expect.poll(async () => (await get(barrage, 'video%3A3/head')).status).toBe(503);
  const away = await get(barrage, 'video%3A3/head');
  expect([away.headers.get('retry-after'), away.headers.get('cache-control')]).toEqual(['1', 'no-store']);
  expect((await get(barrage, `video%3A3/segments/${epoch}/0`)).status).toBe(200);
  await redis.start();
  await expect.poll(async () => (await get(barrage, 'video%3A3/head')).status).toBe(200);
});
