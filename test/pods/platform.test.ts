import { readFileSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ruleFileText } from '../../monitoring/alerts/rules.ts';
import { chart, helm, helmDone, manifests } from '../kubernetes/chart/helm.ts';
import { chartPanels, shownBy } from '../kubernetes/monitoring/loaded-panels.ts';
import { clusterTimeoutMs, startNode, type OwnCluster } from '../support/cluster.ts';
import { Discovery, scrapeConfigsOf } from '../support/monitors.ts';
import { Prometheus } from '../support/prometheus.ts';
import { monitoringDefinitions } from '../support/monitoring-api.ts';
import { TestClient } from '../support/websocket.ts';
import { Viewer } from './numbered-stream.ts';
import { field, startRedis, untilCondition } from './operated-pool.ts';

// A node of its own: the release looks after all namespaces.
let cluster: OwnCluster;
let namespace: string;
const system = 'barrage-system';
/** The chart as it was before its values `monitoring` and `test`: what an earlier release has installed. */
const previousChart = 'test/pods/previous-chart.tgz';
const image = ['--set', 'image.repository=barrage,image.tag=test'];
/** Windows and waits of the alerts are sixty times as short: test/monitoring shows that the rules are the same. */
const timeScale = 60;
const channel = 'video:1';
/** Panels of all dashboards that show a channel's traffic, its pool and its operator. */
const panelsOfTraffic = [
  'overview: Delivery latency',
  'overview: Channels by load',
  'gateways: Merge window',
  'gateways: Publications in a flush',
  'publishers-and-bus: Time to answer, p99',
  'operator-and-scaling: Conditions of the pools',
  'channel: Members',
  'channel: Publications a second',
  'channel: Delivered',
  'channel: Delivery latency, p99',
];

beforeAll(async () => {
  cluster = await startNode({ network: '10.252' });
  for (const path of await monitoringDefinitions()) await cluster.kubectl(['apply', '--server-side', '-f', path]);
  await cluster.kubectl(['create', 'namespace', system]);
  await cluster.kubectl(['label', 'namespace', system, 'pod-security.kubernetes.io/enforce=restricted']);
  namespace = await cluster.createNamespace('shows', { 'pod-security.kubernetes.io/enforce': 'restricted' });
}, clusterTimeoutMs);
afterAll(async () => {
  await cluster?.stop();
});

function values(): readonly string[] {
  const monitoring = ['serviceMonitor', 'podMonitor', 'rules', 'dashboards'].map((part) => `monitoring.${part}.enabled=true`);
  return [...image, '--set', [...monitoring, 'test.pool.name=live', `test.pool.namespace=${namespace}`].join(',')];
}

async function untilOperatorsReady(): Promise<void> {
  await cluster.kubectl(['-n', system, 'rollout', 'status', 'deployment/barrage-operator', '--timeout=120s']);
}

async function apply(yaml: string): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], yaml);
}

const pool = `apiVersion: barrage.dev/v1alpha1
kind: GatewayPool
metadata: {name: live}
spec:
  replicas: 2
  bus: {type: Redis, redis: {mode: Standalone, addresses: ["redis:6379"]}}
---
apiVersion: barrage.dev/v1alpha1
kind: BarrageChannel
metadata: {name: videos}
spec:
  poolRef: {name: live}
  channel: "video:*"
  merge: {windowMilliseconds: 50}
`;

async function publish(data: string): Promise<number> {
  const address = await field(cluster, namespace, 'service/live-publish', '.spec.clusterIP');
  const key = Buffer.from(await field(cluster, namespace, 'secret/live-api-key', '.data.key'), 'base64').toString();
  const response = await fetch(`http://${address}:6789/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ c: channel, d: data }),
  });
  return response.status;
}

/** Ends a gateway's process, which is one of this machine, with nothing that it could still do. */
function killGateway(pod: string): void {
  const holds = (pid: string, file: string, words: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').includes(words);
    } catch {
      return false; // it ended meanwhile
    }
  };
  const pids = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && holds(name, 'cmdline', '/app/gateway.js') && holds(name, 'environ', `HOSTNAME=${pod}`),
  );
  expect(pids).toHaveLength(1);
  process.kill(Number(pids[0]), 'SIGKILL');
}

/** A client as CONNMIX's documents have it: it subscribes by a plain command, and knows nothing else. */
async function connmixClient(url: string): Promise<TestClient> {
  const client = new TestClient(new WebSocket(url, { perMessageDeflate: false }));
  await once(client.socket, 'open');
  expect(await client.ask({ op: 'subscribe', channel: '1@video' })).toBe('{"result":true}');
  return client;
}

/** A Prometheus that finds the pods by the monitors' own selectors, through the API server. */
async function startPrometheus(): Promise<Prometheus> {
  const names = ['servicemonitors.monitoring.coreos.com', 'podmonitors.monitoring.coreos.com'];
  const list = JSON.parse(await cluster.kubectl(['get', names.join(','), '-A', '-o', 'json'])) as { readonly items: readonly object[] };
  const monitors = manifests(list.items.map((item) => JSON.stringify(item)).join('\n---\n'));
  const discovery = await Discovery.start(cluster);
  onTestFinished(() => discovery.stop());
  const scrapeConfigs = monitors.flatMap((monitor) => scrapeConfigsOf(monitor, discovery, '1s'));
  const prometheus = await Prometheus.start({ targets: [], scrapeConfigs, rules: [ruleFileText({ timeScale })] });
  onTestFinished(() => prometheus.stop());
  return prometheus;
}

async function firing(prometheus: Prometheus): Promise<readonly string[]> {
  const alerts = await prometheus.alerts();
  return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => `${labels['alertname']} ${labels['pod'] ?? ''}`.trim());
}

test('a release from helm install to helm uninstall, watched by a Prometheus, with clients that stay', { timeout: 600_000 }, async () => {
  await helmDone(['install', 'barrage', previousChart, '--namespace', system, ...image], cluster.kubeconfig);
  await untilOperatorsReady();
  await startRedis(cluster, namespace);
  await apply(pool);
  await untilCondition(cluster, namespace, 'gwp/live', ['Ready', 'True']);

  const url = `ws://${await field(cluster, namespace, 'service/live', '.spec.clusterIP')}:6790/`;
  await expect.poll(() => publish('0').catch(() => 0), { timeout: 20_000 }).toBe(200);
  const viewer = new Viewer(url, channel);
  viewer.client.on('error', () => {});
  onTestFinished(() => viewer.client.close());
  let plain = await connmixClient(url);
  onTestFinished(() => plain.socket.terminate());
  await expect.poll(() => viewer.isSubscribed, { timeout: 15_000 }).toBe(true);

  let next = 0;
  /** One more publication reaches both clients. */
  const reachesAll = async (): Promise<void> => {
    const number = ++next;
    expect(await publish(String(number))).toBe(200);
    await expect.poll(() => viewer.last, { timeout: 15_000 }).toBe(number);
    await expect.poll(() => plain.texts.includes(String(number)), { timeout: 15_000 }).toBe(true);
  };
  await reachesAll();

  // The chart of now, as docs/operator.md says it.
  await helmDone(['upgrade', 'barrage', chart, '--namespace', system, '--reset-then-reuse-values', ...values()], cluster.kubeconfig);
  await untilOperatorsReady();
  await reachesAll();
  expect([viewer.disconnects, plain.closing]).toEqual([0, undefined]);

  expect(await helmDone(['test', 'barrage', '--namespace', system], cluster.kubeconfig)).toMatch(/Phase: +Succeeded/);
  expect(await cluster.kubectl(['-n', namespace, 'logs', 'barrage-operator-trial'])).toMatch(/^trial: a message to trial was published /);

  const prometheus = await startPrometheus();
  const value = async (query: string): Promise<number | undefined> => (await prometheus.query(query))[0]?.value;
  const inPool = `namespace="${namespace}",pool="live"`;
  await expect.poll(() => value(`sum(barrage_gateway_connections{${inPool}})`), { timeout: 30_000 }).toBe(2);
  await expect.poll(() => value(`count(barrage_publisher_sockets{${inPool}})`), { timeout: 30_000 }).toBeGreaterThan(0);
  await expect.poll(() => value(`barrage_operator_pool_gateways{${inPool},state="ready"}`), { timeout: 30_000 }).toBe(2);
  await expect.poll(() => prometheus.scrapeFaults(), { timeout: 30_000 }).toEqual([]);
  await expect.poll(() => firing(prometheus), { timeout: 30_000 }).toEqual([]);
  // The dashboards of the chart: what must not be empty while one channel is published to.
  const variables = { namespace, pool: 'live', pod: '.+', channel, operator: 'barrage-operator', __rate_interval: '20s' };
  const living = chartPanels().filter(({ name }) => panelsOfTraffic.includes(name));
  expect(living).toHaveLength(panelsOfTraffic.length);
  const empty = async (): Promise<readonly string[]> => {
    for (let count = 0; count < 5; count++) await reachesAll();
    const shown = await Promise.all(living.map((panel) => shownBy(prometheus, panel, variables)));
    return living.flatMap(({ name }, index) => (shown[index]?.isIncomplete === false ? [] : [name]));
  };
  await expect.poll(empty, { timeout: 60_000, interval: 100 }).toEqual([]);

  const gateways = [
    '-n',
    namespace,
    'get',
    'pods',
    '-l',
    'app.kubernetes.io/component=gateway',
    '-o',
    'jsonpath={.items[*].metadata.name}',
  ];
  const [gateway = ''] = (await cluster.kubectl(gateways)).split(' ');
  killGateway(gateway);
  await expect.poll(() => firing(prometheus), { timeout: 60_000, interval: 250 }).toContain(`BarrageGatewayRestarted ${gateway}`);
  const runbook = readFileSync('docs/runbooks/gateway-restarted.md', 'utf8');
  expect(runbook).toContain('describe pod POD');
  expect(await cluster.kubectl(['-n', namespace, 'describe', 'pod', gateway])).toMatch(/Last State: +Terminated[^]*Exit Code: +137/);
  // The runbook: one restart needs nothing.
  await expect.poll(() => firing(prometheus), { timeout: 60_000 }).toEqual([]);
  if (plain.closing !== undefined) plain = await connmixClient(url);
  await expect.poll(() => viewer.isSubscribed, { timeout: 15_000 }).toBe(true);
  await reachesAll();

  const disconnects = viewer.disconnects;
  await helmDone(['uninstall', 'barrage', '--namespace', system, '--wait'], cluster.kubeconfig);
  await reachesAll();
  expect([viewer.disconnects, plain.closing]).toEqual([disconnects, undefined]);
  expect(viewer.account).toMatchObject({ unnamed: 0, disordered: 0 });
});

test('helm test says which pool is missing', { timeout: 180_000 }, async () => {
  await helmDone(
    ['upgrade', '--install', 'barrage', chart, '--namespace', system, ...values(), '--set', 'test.pool.name=absent'],
    cluster.kubeconfig,
  );
  const { status, stdout } = await helm(['test', 'barrage', '--namespace', system, '--timeout', '60s'], cluster.kubeconfig);
  expect([status, stdout]).toEqual([1, expect.stringMatching(/Phase: +Failed/)]);
  const log = await cluster.kubectl(['-n', namespace, 'logs', 'barrage-operator-trial']);
  expect(log).toContain(`Secret absent-api-key with key key is missing in namespace ${namespace}. Create GatewayPool absent`);
});
