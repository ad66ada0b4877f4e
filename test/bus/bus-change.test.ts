import { expect, onTestFinished, test, vi } from 'vitest';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/websocket.ts';
import { ask, ChangingPool, Load, Viewer, sleep, type BusAccess } from './changing-pool.ts';

vi.setConfig({ testTimeout: 180_000 });

const joining = { publishTo: 'a', listenTo: ['a', 'b'] };
const moving = { publishTo: 'b', listenTo: ['a', 'b'] };
const leaving = { publishTo: 'b', listenTo: ['b'] };
const before = { publishTo: 'a', listenTo: ['a'] };
/** Time for which a stage lasts after all have followed, in milliseconds. */
const stageMs = 1500;

async function server(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

const ways: readonly (readonly [string, () => Promise<readonly [BusAccess, BusAccess]>])[] = [
  ['to another server', async () => [{ URL: (await server()).url }, { URL: (await server()).url }]],
  [
    'to another prefix on the same server',
    async () => {
      const { url } = await server();
      return [
        { URL: url, PREFIX: 'one' },
        { URL: url, PREFIX: 'two' },
      ];
    },
  ],
  [
    'from one server to a Cluster',
    async () => {
      const cluster = await RedisCluster.start({ masters: 2 });
      onTestFinished(() => cluster.dispose());
      return [{ URL: (await server()).url }, { URL: cluster.access.url, MODE: 'Cluster' }];
    },
  ],
  [
    'to another name of the same server',
    async () => {
      const { url, port } = await server();
      return [{ URL: url }, { URL: `redis://localhost:${port}` }];
    },
  ],
];

test.each(ways)(
  'a change %s and back at 200 publications a second: each one reaches each client, or lies in a gap of its own move',
  async (way, access) => {
    const pool = new ChangingPool(...(await access()));
    const old = await pool.start('gateway', 'old', 'old');
    const oldPublisher = await pool.start('publisher', 'old-publisher', 'old');
    await pool.tell(before);
    await pool.untilAll(({ ready }) => ready);
    const load = new Load([oldPublisher]);

    // The new processes come while the pool is on A.
    const [one, two] = [await pool.start('gateway', 'one', 'new'), await pool.start('gateway', 'two', 'new')];
    const publisher = await pool.start('publisher', 'publisher', 'new');
    await pool.tell(joining);
    await pool.untilAll(({ ready }) => ready);
    const onOld = [await Viewer.open('of the old gateway', old), await Viewer.open('of the old gateway, publishing', old)];
    const onOne = await Viewer.open('of gateway one', one);
    const onTwo = await Viewer.open('of gateway two', two);
    const viewers = [...onOld, onOne, onTwo];
    for (const viewer of viewers) viewer.since = load.published.length;
    load.publishers = [oldPublisher, publisher];
    load.writers = [onOne.barrage, onOld[1]!.barrage];
    const sent: string[] = [];
    const sendToAll = async (by = publisher): Promise<void> => {
      const text = `direct ${sent.length}`;
      sent.push(text);
      for (const viewer of viewers) {
        const send = (): Promise<unknown> => ask(by, 'send', { c: viewer.id, d: text }).catch((error: unknown) => error);
        await expect.poll(send).toEqual({ s: true });
      }
    };
    await sendToAll(oldPublisher);
    await sendToAll();
    await sleep(stageMs);

    // The old gateway's clients move to the new ones, and the old processes end.
    await pool.tell(joining, { draining: [old] });
    await pool.drain(old);
    load.publishers = [publisher];
    await sleep(stageMs);
    await pool.remove(old, oldPublisher);
    await pool.tell(joining);
    await pool.untilUpOn('b');
    let questions = 0;
    const members = async (): Promise<number> => {
      return Number((await ask(publisher, 'publish', { c: 'video:1', d: `question ${questions++}` }))['s']);
    };
    await until(async () => (await members()) === viewers.length, 50);
    const countedFrom = load.published.length;

    await pool.tell(moving, { pauseMs: 100 });
    await pool.untilPublishingTo('b');
    await sendToAll();
    await sleep(stageMs);
    await pool.tell(leaving, { pauseMs: 100 });
    await sendToAll();
    await sleep(stageMs);
    await until(async () => (await members()) === viewers.length, 50);
    expect((await one.status()).bus).toEqual({ publishTo: 'b', listening: [{ id: 'b', up: true }] });
    // Nobody is counted twice while two buses carry the counts.
    const counts = load.published.slice(countedFrom).flatMap(({ members: count }) => count ?? []);
    expect(Math.max(...counts)).toBe(viewers.length);
    // Each client stayed where it was: all has come, and once.
    const upToHere = load.published.length;
    for (const viewer of viewers) {
      const account = (): unknown => viewer.account(load.published.slice(viewer.since, upToHere));
      await expect.poll(account).toEqual({ missing: [], hidden: [], doubles: 0 });
    }

    // And back. The clients of one gateway move while some processes publish to A and some to B.
    await pool.tell(moving);
    await pool.untilUpOn('a');
    const drained = sleep(200).then(() => pool.drain(two));
    await pool.tell(joining, { pauseMs: 100, draining: [two] });
    await drained;
    await pool.untilPublishingTo('a');
    await sendToAll();
    await sleep(stageMs);
    await pool.tell(before, { pauseMs: 100 });
    await sendToAll();
    await sleep(stageMs);
    await until(async () => (await members()) === viewers.length, 50);
    await load.stop();

    // A server that stood still for seconds costs some publications, which their publishers know of.
    expect(load.failures.length).toBeLessThan(load.published.length / 4);
    for (const viewer of viewers) {
      const published = load.published.slice(viewer.since);
      await expect.poll(() => viewer.account(published).hidden).toEqual([]);
      const { missing, doubles } = viewer.account(published);
      process.stdout.write(
        `${way}: client ${viewer.name}: ${published.length} published, ${missing.length} missing and told, ${doubles} twice, ` +
          `${viewer.told.length} gaps: ${viewer.told.slice(0, 12).join(', ')}\n`,
      );
      for (const text of sent) await expect.poll(() => viewer.direct).toContain(text);
    }
  },
);

test.each(['dead', 'hung'] as const)(
  'a pool leaves a %s server: new processes become ready with the new one, and end without the old',
  async (fate) => {
    const [a, b] = [await server(), await server()];
    onTestFinished(() => a.resume());
    const pool = new ChangingPool({ URL: a.url }, { URL: b.url });
    if (fate === 'dead') await a.stop('gone');
    else a.pause();
    const gateway = await pool.start('gateway', 'one', 'new');
    const publisher = await pool.start('publisher', 'publisher', 'new');
    const first = ['a pool document', 'the bus: waiting for a pool document, which names the bus'];
    expect((await gateway.status()).waitingFor).toEqual(expect.arrayContaining(first));
    expect((await gateway.status()).bus).toEqual({ publishTo: '', listening: [] });
    await pool.tell(joining);
    await pool.untilUpOn('b');
    const waiting = await gateway.status();
    expect(waiting).toMatchObject({ ready: false, bus: { publishTo: 'a' } });
    expect(waiting.waitingFor.join()).toMatch(/the bus: the previous bus \(a\): /);
    expect(await publisher.metric('barrage_bus_up')).toBe(0);

    await pool.tell(moving);
    await pool.untilAll(({ ready }) => ready);
    expect(await publisher.metric('barrage_bus_up')).toBe(1);
    const viewer = await Viewer.open('viewer', gateway);
    await expect.poll(() => ask(publisher, 'publish', { c: 'video:1', d: 'all is well' })).toMatchObject({ s: 1 });
    await expect.poll(() => viewer.heard.get('all is well')).toBeGreaterThan(0);
    expect(await ask(publisher, 'send', { c: viewer.id, d: 'you' })).toEqual({ s: true });
    expect((await gateway.status()).bus?.listening).toContainEqual({ id: 'a', up: false });
    const errors = await gateway.metric('barrage_bus_connection_errors_total');

    await pool.tell(leaving);
    await pool.untilAll(({ bus }) => bus?.listening.length === 1);
    // What the closed bus has counted stays.
    expect(await gateway.metric('barrage_bus_connection_errors_total')).toBeGreaterThanOrEqual(errors);
    await pool.tell(moving);
    for (const { process } of pool.processes) process.terminate();
    for (const { process } of pool.processes) expect(await process.ended()).toBe(0);
  },
);

test('a gateway without the new bus says that it is deaf, and tells its clients of a gap', async () => {
  const [a, b] = [await server(), await server()];
  const pool = new ChangingPool({ URL: a.url }, { URL: b.url });
  const old = await pool.start('gateway', 'old', 'old');
  await pool.tell(joining);
  await pool.untilAll(({ ready }) => ready);
  expect((await old.status()).bus).toEqual({ publishTo: 'a', listening: [{ id: 'a', up: true }] });
  const viewer = await Viewer.open('viewer', old);
  await pool.tell(moving);
  await expect.poll(() => viewer.gaps.length).toBe(1);
  expect(await old.status()).toMatchObject({
    ready: false,
    waitingFor: ['the bus: this process has no connection to the bus that the pool publishes to now (b)'],
    bus: { publishTo: '', listening: [{ id: 'a', up: true }] },
  });
  await expect(viewer.barrage.publish('video:1', 'x')).rejects.toMatchObject({ code: 'unavailable' });
});
