import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import { Surroundings } from '../kubernetes/conditions/observation.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { askRedis } from '../support/redis-command.ts';
import { joinCluster } from '../support/redis-slots.ts';
import { OperatedPool, poolMain, type PublishAnswer } from './operated-pool.ts';
import { openServer, startRedisPod } from './redis-pod.ts';

const channel = 'video:1';
const ports = [7001, 7002, 7003];
/** Publications a second. */
const rate = 200;

let pool: OperatedPool;
let at: Surroundings;

beforeAll(async () => {
  pool = await OperatedPool.open('bus-change');
  at = new Surroundings(pool.cluster, pool.namespace);
  await startRedisPod(pool.cluster, pool.namespace, { name: 'other', containers: [{ name: 'redis', port: 6379, args: openServer }] });
  await startCluster();
  await pool.startOperator();
  await pool.apply(poolMain('  replicas: 2\n'));
  await pool.untilCondition('gwp/main', 'Ready');
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

/** Three masters behind the Service `nodes`. */
async function startCluster(): Promise<void> {
  const args = [...openServer, '--cluster-enabled', 'yes', '--cluster-announce-ip', '$(POD_IP)'];
  const host = await startRedisPod(pool.cluster, pool.namespace, {
    name: 'nodes',
    containers: ports.map((port) => ({ name: `node-${port}`, port, args: [...args, '--cluster-config-file', `nodes-${port}.conf`] })),
  });
  const command =
    (port: number) =>
    (...words: string[]) =>
      askRedis({ host, port }, words);
  await joinCluster(ports.map((port) => ({ host, port, clusterPort: port + 10_000, command: command(port) })));
}

/** A viewer of the SDK: the numbers that it got, and the gaps that it was told of, each after one of the numbers. */
class Viewer {
  readonly numbers = new Set<number>();
  readonly gaps: { readonly reason: string; readonly missing: number }[] = [];
  readonly client: Barrage;
  /** Numbers that came again. */
  readonly repeated: number[] = [];
  readonly #subscription;

  constructor(url: string) {
    this.client = new Barrage(url);
    this.#subscription = this.client.subscribe(channel);
    this.#subscription.on('batch', ({ publications }) => {
      for (const { data } of publications) {
        if (this.numbers.has(Number(data))) this.repeated.push(Number(data));
        this.numbers.add(Number(data));
      }
    });
    this.#subscription.on('gap', ({ reason, from, to }) => {
      const isOneOrder = from !== undefined && from.epoch === to.epoch;
      this.gaps.push({ reason, missing: isOneOrder ? to.offset - from.offset : 0 });
    });
  }

  get isSubscribed(): boolean {
    return this.#subscription.state === 'subscribed' && this.client.state === 'open';
  }
}

/**
 * Publishes numbers at the rate, whatever the answers, and remembers those that were accepted. A request whose
 * connection ends without an answer is asked again, so it may be published twice: a publisher that leaves closes
 * connections that stand idle.
 */
class Publications {
  readonly accepted: number[] = [];
  readonly refused: string[] = [];
  /** Numbers that may have been published twice. */
  readonly repeated = new Set<number>();
  next = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();

  constructor() {
    const startedAt = performance.now();
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) * rate) / 1000);
      while (this.next < due && this.#underWay.size < 100) this.#publish(this.next++);
    }, 5);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  #publish(number: number): void {
    const publish = (): Promise<PublishAnswer> => pool.publish(channel, String(number));
    const again = (): Promise<PublishAnswer> => {
      this.repeated.add(number);
      return publish();
    };
    const done = publish()
      .catch(again)
      .catch(again)
      .then(
        ({ E: fault }) => {
          if (fault === null) this.accepted.push(number);
          else this.refused.push(`${number}: ${fault.m}`);
        },
        (error: unknown) => void this.refused.push(`${number}: ${String(error)}`),
      );
    this.#underWay.add(done);
    void done.finally(() => this.#underWay.delete(done));
  }
}

const standalone = { mode: 'Standalone', addresses: ['redis:6379'], keyPrefix: null, sentinelName: null };

test.each([
  ['another prefix', { ...standalone, keyPrefix: 'second' }],
  ['another server', { ...standalone, addresses: ['other:6379'] }],
  ['another mode', { ...standalone, mode: 'Cluster', addresses: ports.map((port) => `nodes:${port}`) }],
])(
  '%s: what is published meanwhile reaches every client, whose gateway is replaced under it',
  async (what, redis) => {
    const url = await pool.clientsUrl();
    const viewers = Array.from({ length: 4 }, () => new Viewer(url));
    onTestFinished(() => viewers.forEach(({ client }) => client.close()));
    await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 20_000 }).toBe(true);
    const before = await at.field('gwp/main', '.status.currentRevision');
    // Finds the publishers' address, once.
    expect((await pool.publish('video:0', '0')).E).toBeNull();
    const publications = new Publications();
    onTestFinished(() => publications.stop());
    await expect.poll(() => viewers.every(({ numbers }) => numbers.size > 100), { timeout: 20_000 }).toBe(true);

    const startedAt = performance.now();
    await pool.patch({ bus: { redis } });
    await at.untilReason('gwp/main', 'BusChanging', 'Joining');
    await expect.poll(async () => (await at.condition('gwp/main', 'BusChanging'))?.reason, { timeout: 120_000 }).toBe('Settled');
    const tookMs = Math.round(performance.now() - startedAt);
    await pool.kubectl(['wait', '--for=condition=Progressing=False', 'gwp/main', '--timeout=60s']);
    await publications.stop();
    const { accepted, refused } = publications;
    const missing = (): readonly (readonly number[])[] => viewers.map(({ numbers }) => accepted.filter((number) => !numbers.has(number)));
    const told = viewers.map(({ gaps }) => gaps.reduce((sum, gap) => sum + gap.missing, 0));
    await expect.poll(() => missing().every((numbers, index) => numbers.length <= (told[index] ?? 0)), { timeout: 10_000 }).toBe(true);
    const accounts = viewers.map(({ gaps, repeated }, index) => ({
      missing: missing()[index]?.length,
      told: told[index],
      repeated: repeated.length,
      gaps: gaps.length,
    }));
    process.stdout.write(
      `${what}: settled after ${tookMs} ms; ${accepted.length} accepted, ${refused.length} refused, ${publications.repeated.size} asked again; ${JSON.stringify(accounts)}\n`,
    );
    expect(refused).toEqual([]);
    const twice = viewers.flatMap(({ repeated }) => repeated.filter((number) => !publications.repeated.has(number)));
    expect(twice).toEqual([]);
    expect(await at.field('gwp/main', '.status.currentRevision')).not.toBe(before);
    const reasons = (await at.events('GatewayPool/main')).map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(['BusChangeStarted', 'BusMoved', 'BusChanged']));
    expect(reasons).not.toContain('BusMoveForced');
  },
  240_000,
);

test('a bus that does not work stops the change, nothing is published there, and the earlier bus is taken back', async () => {
  const viewer = new Viewer(await pool.clientsUrl());
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  const addresses = ports.map((port) => `nodes:${port}`);
  await pool.patch({ bus: { redis: { ...standalone, addresses: ['nowhere:6379'] } } });
  await at.untilReason('gwp/main', 'Progressing', 'RedisUnreachable');
  expect(await at.condition('gwp/main', 'BusChanging')).toMatchObject({ status: 'True', reason: 'Joining' });
  expect((await pool.publish(channel, '1')).E).toBeNull();
  await expect.poll(() => [...viewer.numbers], { timeout: 15_000 }).toEqual([1]);
  await pool.patch({ bus: { redis: { ...standalone, mode: 'Cluster', addresses } } });
  await at.untilReason('gwp/main', 'BusChanging', 'Settled');
  await pool.kubectl(['wait', '--for=condition=Progressing=False', 'gwp/main', '--timeout=60s']);
  expect((await pool.publish(channel, '2')).E).toBeNull();
  await expect.poll(() => [...viewer.numbers], { timeout: 15_000 }).toEqual([1, 2]);
  expect(viewer.gaps).toEqual([]);
}, 240_000);

test('a pool whose bus is dead moves to another, says so, and tells its clients of a gap', async () => {
  const viewer = new Viewer(await pool.clientsUrl());
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  await pool.kubectl(['delete', 'pod', 'nodes', '--grace-period=0', '--force']);
  await pool.patch({ bus: { redis: standalone } });
  await expect
    .poll(async () => (await at.events('GatewayPool/main')).map(({ reason }) => reason), { timeout: 90_000 })
    .toContain('BusMoveForced');
  await expect.poll(async () => (await at.condition('gwp/main', 'BusChanging'))?.reason, { timeout: 120_000 }).toBe('Settled');
  await pool.untilCondition('gwp/main', 'Ready');
  await expect.poll(async () => (await pool.publish(channel, '7')).E, { timeout: 20_000 }).toBeNull();
  await expect.poll(() => viewer.numbers.has(7), { timeout: 20_000 }).toBe(true);
  expect(viewer.gaps.length).toBeGreaterThan(0);
}, 300_000);
