import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { alerts } from '../../../monitoring/alerts/rules.ts';
import { scaledDuration, scaledExpression } from '../../../monitoring/alerts/time-scale.ts';
import { Barrage } from '../../../client/barrage.ts';
import { Certificates } from '../../support/certificates.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { Prometheus } from '../../support/prometheus.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { refusedUpgrade, TestClient, V1Client } from '../../support/websocket.ts';
import { OperatedCluster, type OperatorProcess } from '../operator/operated-cluster.ts';
import { chartPanels, chartVariables, listedBy, shownBy, type ChartPanel, type Shown } from './loaded-panels.ts';
import { policies, WatchedPool, type Part } from './watched-pool.ts';

let operated: OperatedCluster;
let redis: RedisServer;
let certificates: Certificates;

beforeAll(async () => {
  certificates = await Certificates.make();
  [operated, redis] = await Promise.all([OperatedCluster.start({ nodes: 1, connections: 20 }), RedisServer.start({ tls: certificates })]);
}, clusterTimeoutMs);
afterAll(async () => {
  await Promise.all([operated.stop(), redis.dispose(), certificates.dispose()]);
});

const pool = 'live';
/** A spec whose stand-in gateways have fewer connections than its least number of gateways could hold. */
const scaled = (minReplicas: number): object => ({
  scaling: { type: 'Connections', connections: { minReplicas, maxReplicas: 6, targetConnectionsPerPod: 1000 } },
});
/** One of the chart's alerts, with its wait and its windows sixty times as short. */
function rule(): string {
  const name = 'BarrageBusDown';
  const { expression = '', forDuration = '0m', severity } = alerts.find((alert) => alert.name === name) ?? {};
  const scaled = { expr: scaledExpression(expression, 60), for: scaledDuration(forDuration, 60) };
  return stringify({ groups: [{ name: 'one', rules: [{ alert: name, ...scaled, labels: { severity } }] }] });
}

/** What is done to the running system, and the panels that show something else than zero only then. */
interface Fault {
  readonly what: string;
  readonly cause: () => Promise<unknown>;
  readonly heal?: () => Promise<unknown>;
  readonly shownIn: readonly string[];
  /** The channel that a reader chooses, if another than the usual one. */
  readonly channel?: string;
}

/** A viewer on each gateway by each protocol, who asks for a count now and then. */
async function watch(gateways: readonly Part[]): Promise<readonly V1Client[]> {
  const viewers: V1Client[] = [];
  for (const { port } of gateways) {
    const [viewer, plain] = [await V1Client.open(port), await TestClient.open(port)];
    const sdk = new Barrage(`ws://127.0.0.1:${port}/`);
    sdk.subscribe('video:1');
    for (const channel of ['video:1', 'video:2']) await viewer.subscribe(channel);
    plain.send({ op: 'subscribe', channel: '1@video' });
    viewers.push(viewer);
    onTestFinished(() => {
      sdk.close();
      for (const { socket } of [viewer, plain]) socket.terminate();
    });
  }
  return viewers;
}

/** Publishes to some channels, twenty times a second, until the test ends. */
function publishSteadily(watched: WatchedPool): void {
  let number = 0;
  const timer = setInterval(() => {
    number += 1;
    const body = { c: `video:${1 + (number % 2)}`, d: `publication ${number}`, priority: number % 3 === 0 ? 'low' : 'normal' };
    watched.publish(body).catch(() => undefined);
    // Nobody watches it: it is kept, and waits while the bus is away.
    if (number % 4 === 0) watched.publish({ c: 'kept:1', d: `publication ${number}` }).catch(() => undefined);
  }, 50);
  onTestFinished(() => clearInterval(timer));
}

function repeatedly(action: () => unknown, everyMs: number): () => void {
  const timer = setInterval(action, everyMs);
  onTestFinished(() => clearInterval(timer));
  return () => clearInterval(timer);
}

function faults(watched: WatchedPool, operator: OperatorProcess): readonly Fault[] {
  const [one, two] = watched.gateways as readonly [Part, Part];
  return [
    {
      what: 'a channel gets more than its budget',
      cause: async () => {
        const viewer = await leaving(V1Client.open(one.port));
        await viewer.subscribe('tight:1');
        repeatedly(() => watched.publish({ c: 'tight:1', d: 'x' }).catch(() => undefined), 20);
      },
      channel: 'tight:1',
      shownIn: [
        'overview: Left out on purpose',
        'overview: Left out and lost by policy',
        'overview: Channels by drops',
        'gateways: Left out by gateway',
        'gateways: Left out by priority',
        'channel: Left out and lost',
        'channel: Left out and lost by gateway',
      ],
    },
    {
      what: 'a client reads nothing',
      cause: async () => {
        const viewer = await leaving(V1Client.open(one.port));
        await viewer.subscribe('slow:1');
        viewer.stall();
        const publish = (): Promise<unknown> => watched.publish({ c: 'slow:1', d: 'x'.repeat(60_000) }).catch(() => undefined);
        repeatedly(publish, 20);
      },
      shownIn: ['overview: Lost', 'gateways: Lost by gateway', 'overview: Lost of what was offered'],
    },
    {
      what: 'a foreign page connects, and a backend sends nonsense',
      cause: async () => {
        repeatedly(() => refusedUpgrade(one.port, { origin: 'https://evil.example' }).catch(() => undefined), 500);
        repeatedly(() => watched.publish({ c: 'video:1' }).catch(() => undefined), 500);
        await Promise.resolve();
      },
      shownIn: [
        'overview: Refused connections',
        'gateways: Refused connections',
        'overview: Refused publications',
        'publishers-and-bus: Refused publications',
      ],
    },
    {
      what: 'clients pull a channel',
      cause: async () => {
        repeatedly(() => fetch(`http://127.0.0.1:${one.port}/v1/channels/kept%3A1/head`).catch(() => undefined), 200);
        await Promise.resolve();
      },
      shownIn: ['gateways: Requests of pull', 'gateways: Reads of the bus for pull'],
    },
    {
      what: 'clients speak no protocol',
      cause: async () => {
        repeatedly(() => void TestClient.open(one.port).then((client) => client.send('nonsense')), 500);
        await Promise.resolve();
      },
      shownIn: ['gateways: Closed by the gateway'],
    },
    {
      what: 'a client opens one channel after the other',
      cause: async () => {
        const viewer = await leaving(V1Client.open(one.port));
        let channel = 0;
        repeatedly(() => void viewer.command('subscribe', { channel: `many:${channel++}` }).catch(() => undefined), 5);
      },
      shownIn: ['gateways: Channels that were not opened'],
    },
    {
      what: 'another program writes to a bus channel',
      cause: async () => {
        repeatedly(() => redis.command('SPUBLISH', watched.busChannel('video:1'), 'nonsense').catch(() => undefined), 500);
        await Promise.resolve();
      },
      shownIn: ['publishers-and-bus: Not decoded'],
    },
    {
      what: 'Redis refuses subscriptions',
      cause: async () => {
        await redis.command('ACL', 'SETUSER', 'default', 'resetchannels');
        const viewer = await leaving(V1Client.open(one.port));
        repeatedly(() => void viewer.command('subscribe', { channel: `refused:${Math.random()}` }).catch(() => undefined), 500);
      },
      heal: () => redis.command('ACL', 'SETUSER', 'default', 'allchannels'),
      shownIn: ['publishers-and-bus: Faults of subscriptions'],
    },
    {
      what: 'a newer operator gives one gateway a document with fields that it does not know',
      cause: () =>
        watched.push(2, [one], JSON.stringify({ channels: policies.channels.map((policy) => ({ ...policy, fieldOfTomorrow: true })) })),
      shownIn: ['operator-and-scaling: Gateways behind the newest document', 'operator-and-scaling: Policies that are not understood'],
    },
    {
      what: 'a pool names a Secret that does not exist',
      cause: () => operated.applyPool(pool, { ...scaled(2), auth: { jwtSecret: { name: 'absent', key: 'key' } } }),
      heal: () => operated.applyPool(pool, scaled(2)),
      shownIn: ['overview: What the operator complains about'],
    },
    {
      what: 'the API server fails',
      cause: async () => {
        operator.fault = ({ resource }) => (resource === 'leases' ? undefined : { kind: 'status', code: 500 });
        operator.proxy.cutWatches();
        await operated.applyPool(pool, scaled(3));
      },
      heal: () => Promise.resolve((operator.fault = () => undefined)),
      shownIn: ['operator-and-scaling: Failed lists and watches'],
    },
    {
      what: 'reconciles fail',
      cause: async () => {
        operator.fault = (request) =>
          request.resource === 'pods' && request.verb === 'create' ? { kind: 'status', code: 503 } : undefined;
        await operated.applyPool(pool, scaled(5));
      },
      heal: () => Promise.resolve((operator.fault = () => undefined)),
      shownIn: ['operator-and-scaling: Failed reconciles', 'overview: Gateways that are missing'],
    },
    {
      what: 'a gateway gives up its connections',
      cause: () => watched.drain(two),
      shownIn: ['gateways: Moved connections', 'gateways: Drain of each gateway'],
    },
    {
      what: 'Redis is away',
      cause: () => redis.stop('gone'),
      heal: () => redis.start(),
      shownIn: [
        'overview: Processes without the bus',
        'overview: Alerts that fire',
        'overview: What fires',
        'publishers-and-bus: Failed appends',
        'publishers-and-bus: Errors of the connections to Redis',
        'publishers-and-bus: Connections to Redis that are down',
        'publishers-and-bus: Publications held for the bus',
      ],
    },
    {
      what: 'Redis is back, without its data',
      cause: () => Promise.resolve(),
      shownIn: ['publishers-and-bus: Rooms that missed publications', 'publishers-and-bus: Connections made again'],
    },
  ];
}

/** Panels that show zero in a healthy run, and figures with their fault. */
const zeroAtFirst = new Set([
  'overview: Lost of what was offered',
  'overview: Processes without the bus',
  'overview: Alerts that fire',
  'overview: Gateways that are missing',
  'gateways: Drain of each gateway',
]);

async function leaving<Client extends TestClient>(opening: Promise<Client>): Promise<Client> {
  const client = await opening;
  onTestFinished(() => client.socket.terminate());
  return client;
}

test(
  'every panel and every variable finds its series in a real Prometheus, and each panel for faults those of its fault',
  {
    timeout: 400_000,
  },
  async () => {
    const operator = await operated.startOperator({ logLevel: 'info', resyncMs: 2000 });
    const metricsPort = await vi.waitUntil(() => operator.log.find(({ event }) => event === 'operator-listens')?.['metricsPort'], 20_000);
    const watched = await WatchedPool.start({ redis, caFile: certificates.caFile });
    await watched.push(1, [...watched.gateways, watched.publisher]);
    const prometheus = await Prometheus.start({
      targets: [
        ...watched.targets(operated.namespace, pool),
        {
          job: 'barrage-operator',
          address: `127.0.0.1:${String(metricsPort)}`,
          labels: { namespace: 'barrage-system', pod: 'barrage-operator-0' },
          honorLabels: true,
        },
      ],
      rules: [rule()],
    });
    onTestFinished(() => prometheus.stop());
    await operated.applyPool(pool, scaled(2));
    const viewers = await watch(watched.gateways);
    publishSteadily(watched);
    repeatedly(() => void viewers[0]?.command('counts', { channel: 'video:1' }).catch(() => undefined), 500);

    const values = {
      namespace: operated.namespace,
      pool,
      pod: '.+',
      channel: 'video:1',
      operator: 'barrage-operator',
      __rate_interval: '20s',
    };
    const panels = chartPanels();
    const named = async (
      wanted: readonly ChartPanel[],
      matches: (shown: Shown) => boolean,
      channel = 'video:1',
    ): Promise<readonly string[]> => {
      const shown = await Promise.all(wanted.map((panel) => shownBy(prometheus, panel, { ...values, channel })));
      return wanted.flatMap(({ name }, index) => (matches(shown[index]!) ? [name] : [])).toSorted();
    };

    const all = faults(watched, operator);
    const ofFaults = all.flatMap(({ shownIn }) => shownIn);
    expect(new Set(ofFaults).size, 'a panel belongs to one fault').toBe(ofFaults.length);
    const onlyInFaults = ofFaults.filter((name) => !zeroAtFirst.has(name)).toSorted();
    const quiet = panels.filter(({ name }) => zeroAtFirst.has(name));
    const atFirst = async (): Promise<object> => ({
      incomplete: await named(panels, ({ isIncomplete }) => isIncomplete),
      notYetQuiet: await named(quiet, ({ hasFigures }) => hasFigures),
    });
    await expect.poll(atFirst, { timeout: 150_000, interval: 1000 }).toEqual({ incomplete: onlyInFaults, notYetQuiet: [] });
    expect(await prometheus.scrapeFaults()).toEqual([]);

    const expected: Readonly<Record<string, readonly string[]>> = {
      namespace: [operated.namespace],
      pool: [pool],
      pod: ['live-gateway-0', 'live-gateway-1', 'live-publisher-0'],
      channel: ['video:1', 'video:2'],
      operator: ['barrage-operator'],
    };
    const listed = await Promise.all(chartVariables().map(async (each) => [each.name, await listedBy(prometheus, each, values)] as const));
    expect(Object.fromEntries(listed)).toEqual(expected);

    for (const { what, cause, heal, shownIn, channel } of all) {
      const wanted = panels.filter(({ name }) => shownIn.includes(name));
      expect(wanted.map(({ name }) => name).toSorted(), what).toEqual(shownIn.toSorted());
      await cause();
      const without = (): Promise<readonly string[]> => named(wanted, ({ hasFigures }) => !hasFigures, channel);
      await expect.poll(without, { timeout: 30_000, interval: 500, message: `without figures: ${what}` }).toEqual([]);
      await heal?.();
    }
  },
);
