import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { names } from '../../../operator/desired/labels.ts';
import { resources } from '../../../operator/kube/resources.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { neutralEnvironment } from '../../support/environment.ts';
import { httpRouteDefinition } from '../../support/gateway-api.ts';
import { countBy, OperatedCluster, print, type OperatorProcess, type SentRequest } from './operated-cluster.ts';

type StoredChannel = BarrageChannel & KubeObject;

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 0 });
  await operated.cluster.kubectl(['apply', '--server-side', '-f', await httpRouteDefinition()]);
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const channelCount = 60;

function channelOf(index: number, pool: string, windowMilliseconds = 100): object {
  return {
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'BarrageChannel',
    metadata: { name: `${pool}-${index}` },
    spec: { poolRef: { name: pool }, channel: `${pool}:${index}`, merge: { windowMilliseconds } },
  };
}

async function apply(...items: readonly object[]): Promise<void> {
  await operated.cluster.kubectl(['-n', operated.namespace, 'apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

/** Its first reconciles begin right after. */
async function untilLeading(operator: OperatorProcess): Promise<void> {
  const isTaking = ({ resource, verb }: SentRequest): boolean => resource === 'leases' && verb !== 'get';
  await vi.waitUntil(() => operator.requests(isTaking).length > 0, { timeout: 60_000, interval: 100 });
}

async function untilInForce(): Promise<void> {
  const missing = async (): Promise<readonly string[]> => {
    const channels = await operated.api.list<StoredChannel>(resources.barrageChannel, { namespace: operated.namespace });
    return channels.flatMap(({ metadata, status }) => {
      const found = status?.conditions?.find(({ type }) => type === 'InForce');
      return found?.status === 'True' && found.observedGeneration === metadata.generation ? [] : [`${metadata.name} ${found?.reason}`];
    });
  };
  await expect.poll(missing, { timeout: 60_000, interval: 200 }).toEqual([]);
}

function isStatusWrite({ verb, path }: SentRequest): boolean {
  return verb !== 'get' && verb !== 'list' && verb !== 'watch' && /\/status(\?|$)/.test(path);
}

/** Names of the channels whose status was written, each as often as it was. */
function channelWrites(operator: OperatorProcess, since: number): readonly string[] {
  const writes = operator.requests((request) => request.at >= since && isStatusWrite(request) && request.resource === 'barragechannels');
  return writes.map(({ path }) => /barragechannels\/([^/]+)\/status/.exec(path)?.[1] ?? path);
}

test("an edit of one channel writes that channel's status, and a restart writes nothing at all", { timeout: 240_000 }, async () => {
  await operated.applyPool('calm', { replicas: 2 });
  await apply(...Array.from({ length: channelCount }, (_, index) => channelOf(index, 'calm')));
  const operator = await operated.startOperator();
  await operated.untilConverged();
  await operated.untilPublishersScaled();
  await untilInForce();
  // A store that has not heard of the last statuses yet writes some of them twice.
  await vi.waitUntil(() => channelWrites(operator, performance.now() - 2_500).length === 0, { timeout: 60_000 });
  const publishers = operated.pods.pods.all().filter(({ metadata }) => metadata.labels?.[names.label.component] === 'publisher');
  expect(publishers).toHaveLength(2);
  // Publishers are asked and told: their ReplicaSet is known by its name.
  for (const { metadata } of publishers) expect(operated.pods.epochOf(metadata.uid)).toBeGreaterThan(0);

  const edited = performance.now();
  await apply(channelOf(7, 'calm', 200));
  await vi.waitUntil(() => channelWrites(operator, edited).length > 0, { timeout: 30_000 });
  await untilInForce();
  await pause(2_000);
  expect(new Set(channelWrites(operator, edited))).toEqual(new Set(['calm-7']));

  await operator.close();
  const next = await operated.startOperator();
  await untilLeading(next);
  await pause(5_000);
  print(`a restart with nothing changed: ${countBy(next.writes()) || 'no write'}`);
  expect(next.writes().map(({ verb, path }) => `${verb} ${path}`)).toEqual([]);
});

test('what somebody changed while no operator ran is mended, and nothing else is written', { timeout: 240_000 }, async () => {
  const kubectl = async (...args: readonly string[]): Promise<string> => operated.cluster.kubectl(['-n', operated.namespace, ...args]);
  const field = async (object: string, path: string): Promise<string> => kubectl('get', object, '-o', `jsonpath={${path}}`);
  const patched: readonly (readonly [object: string, path: string, change: object])[] = [
    ['service/calm', '.spec.selector', { spec: { selector: { app: 'mine' } } }],
    ['networkpolicy/calm-gateways', '.spec.policyTypes', { spec: { policyTypes: ['Egress'] } }],
    ['secret/calm-settings', '.metadata.labels', { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } }],
    ['secret/calm-signing', '.metadata.labels', { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } }],
    ['secret/calm-api-key', '.metadata.labels', { metadata: { labels: { 'barrage.dev/pool': null } } }],
    ['configmap/calm-policies-0', '.data', { data: { 'policies-0.json': '{}' } }],
    ['pdb/calm-gateways', '.spec', { spec: { minAvailable: null, maxUnavailable: 1 } }],
  ];
  const before = await Promise.all(patched.map(([object, path]) => field(object, path)));
  for (const [object, , change] of patched) await kubectl('patch', object, '--type=merge', '-p', JSON.stringify(change));
  await kubectl('annotate', 'service/calm-publish', 'team=shows');
  const operator = await operated.startOperator();
  await expect
    .poll(() => Promise.all(patched.map(([object, path]) => field(object, path))), { timeout: 60_000, interval: 200 })
    .toEqual(before);
  await vi.waitUntil(() => operator.writes(performance.now() - 3_000).length === 0, { timeout: 60_000, interval: 200 });
  print(`seven changes by hand: ${countBy(operator.writes())}`);
  // A Secret without our label is found by the attempt to create it.
  const writes = operator.writes().filter(({ verb, resource }) => verb !== 'create' || resource !== 'secrets');
  const written = writes.map(({ path }) => /([a-z]+\/[a-z0-9-]+)(?:\?|$)/.exec(path)?.[1] ?? path);
  expect(new Set(written)).toEqual(
    new Set([
      'services/calm',
      'networkpolicies/calm-gateways',
      'secrets/calm-settings',
      'secrets/calm-signing',
      'secrets/calm-api-key',
      'configmaps/calm-policies-0',
      'poddisruptionbudgets/calm-gateways',
    ]),
  );
  expect(await field('service/calm-publish', '.metadata.annotations.team')).toBe('shows');
  await operator.close();
});

test('routes go also where the exposure changed while no operator ran, and no pool wants any', { timeout: 240_000 }, async () => {
  const httpRoute = { hostname: 'live.example.com', parentRef: { name: 'edge', namespace: 'infra' } };
  const routes = async (): Promise<string> => operated.cluster.kubectl(['-n', operated.namespace, 'get', 'httproutes', '-o', 'name']);
  const gateways = new Set(operated.gateways('calm').map(({ metadata }) => metadata.name));
  await operated.applyPool('calm', { replicas: 3, exposure: { type: 'HTTPRoute', httpRoute } });
  const operator = await operated.startOperator();
  await expect.poll(async () => (await routes()).trim().split('\n').length, { timeout: 60_000, interval: 200 }).toBe(4);
  // Children of gateways, two for each, wait for the plan's actions.
  const writes = operator.writes();
  const creation = writes.findIndex(({ verb, resource }) => verb === 'create' && resource === 'pods');
  const child = writes.findIndex(({ path }) => gateways.has(/\/(?:services|httproutes)\/([^/?]+)/.exec(path)?.[1] ?? ''));
  print(`the first pod is the operator's write ${creation + 1}, the first child of a gateway its write ${child + 1}`);
  expect(creation).toBeGreaterThanOrEqual(0);
  expect(creation).toBeLessThan(child);
  await operator.close();
  await operated.applyPool('calm', { replicas: 2, exposure: { type: 'PodIP' } });
  await operated.startOperator();
  await expect.poll(routes, { timeout: 60_000, interval: 200 }).toBe('');
});

test('a leader that is stopped in the middle of its work gives the Lease back, and is not cut off', { timeout: 240_000 }, async () => {
  await apply(...Array.from({ length: 200 }, (_, index) => channelOf(index, 'nobody')));
  const child = spawn(process.execPath, ['operator/main.ts'], {
    env: {
      ...neutralEnvironment(),
      KUBECONFIG: operated.cluster.kubeconfig,
      // 200 statuses take 40 s.
      BARRAGE_OPERATOR_API_RATE: '5',
      BARRAGE_OPERATOR_HOST: '127.0.0.1',
      BARRAGE_OPERATOR_PROBE_PORT: '0',
      BARRAGE_OPERATOR_METRICS_PORT: '0',
      BARRAGE_OPERATOR_NAMESPACE: operated.namespace,
      BARRAGE_OPERATOR_WATCH_NAMESPACES: operated.namespace,
      BARRAGE_OPERATOR_LEASE: 'busy',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const lease = async (path: string): Promise<string> =>
    operated.cluster.kubectl(['-n', operated.namespace, 'get', 'lease', 'busy', '--ignore-not-found', '-o', `jsonpath={${path}}`]);
  const judged = async (): Promise<number> => {
    const channels = await operated.api.list<StoredChannel>(resources.barrageChannel, { namespace: operated.namespace });
    return channels.filter(({ spec, status }) => spec.poolRef.name === 'nobody' && status?.conditions !== undefined).length;
  };
  try {
    await expect.poll(judged, { timeout: 60_000, interval: 200 }).toBeGreaterThan(5);
    expect(await lease('.spec.holderIdentity')).not.toBe('');
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(await judged()).toBeLessThan(200);
    expect(await lease('.spec.holderIdentity')).toBe('');
    expect(log).not.toContain('cut off');
  } finally {
    child.kill('SIGKILL');
  }
});
