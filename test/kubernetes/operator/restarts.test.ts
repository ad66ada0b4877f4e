import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { names } from '../../../operator/desired/labels.ts';
import { resources } from '../../../operator/kube/resources.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { httpRouteDefinition } from '../../support/gateway-api.ts';
import { OperatedCluster, type OperatorProcess, type SentRequest } from './operated-cluster.ts';

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

test("an edit of one channel writes that channel's status, and a restart writes none", { timeout: 240_000 }, async () => {
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
  await vi.waitUntil(() => next.writes().some(({ resource }) => resource === 'configmaps'), { timeout: 60_000, interval: 100 });
  await pause(5_000);
  expect(next.requests(isStatusWrite).map(({ path }) => path)).toEqual([]);
});

test('routes go also where the exposure changed while no operator ran, and no pool wants any', { timeout: 240_000 }, async () => {
  const httpRoute = { hostname: 'live.example.com', parentRef: { name: 'edge', namespace: 'infra' } };
  const routes = async (): Promise<string> => operated.cluster.kubectl(['-n', operated.namespace, 'get', 'httproutes', '-o', 'name']);
  await operated.applyPool('calm', { replicas: 2, exposure: { type: 'HTTPRoute', httpRoute } });
  const operator = await operated.startOperator();
  await expect.poll(async () => (await routes()).trim().split('\n').length, { timeout: 60_000, interval: 200 }).toBe(3);
  await operator.close();
  await operated.applyPool('calm', { replicas: 2, exposure: { type: 'PodIP' } });
  await operated.startOperator();
  await expect.poll(routes, { timeout: 60_000, interval: 200 }).toBe('');
});

test('a leader that is stopped in the middle of its work gives the Lease back, and is not cut off', { timeout: 240_000 }, async () => {
  await apply(...Array.from({ length: 200 }, (_, index) => channelOf(index, 'nobody')));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BARRAGE_')));
  const child = spawn(process.execPath, ['operator/main.ts'], {
    env: {
      ...env,
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
