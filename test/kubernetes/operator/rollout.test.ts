import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { names } from '../../../operator/desired/labels.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { CrewWatch } from './crew-watch.ts';
import { OperatedCluster, print } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ nodes: 4, connections: 10 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const edition = (words: string): object => ({ template: { metadata: { annotations: { 'example.com/edition': words } } } });

async function kubectl(...args: readonly string[]): Promise<string> {
  return operated.cluster.kubectl(['-n', operated.namespace, ...args]);
}

async function apply(...items: readonly object[]): Promise<void> {
  await operated.cluster.kubectl(
    ['-n', operated.namespace, 'apply', '--server-side', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  );
}

function namesOf(pool: string): readonly string[] {
  return operated
    .gateways(pool)
    .map(({ metadata }) => metadata.name)
    .toSorted();
}

async function condition(pool: string, type: string): Promise<{ readonly reason: string; readonly message: string } | undefined> {
  const found = (await operated.pools()).find(({ metadata }) => metadata.name === pool);
  return found?.status?.conditions?.find((each) => each.type === type);
}

/** A policy of the cluster by which nobody changes this pod. */
async function protectPod(name: string): Promise<{ readonly lift: () => Promise<void> }> {
  const policy = `keep-${name}`;
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['pods'] };
  const validations = [{ expression: `object.metadata.name != '${name}'`, message: 'this pod is under legal hold' }];
  const spec = { failurePolicy: 'Fail', matchConstraints: { resourceRules: [rule] }, validations };
  await apply(
    { apiVersion, kind: 'ValidatingAdmissionPolicy', metadata: { name: policy }, spec },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: policy },
      spec: { policyName: policy, validationActions: ['Deny'] },
    },
  );
  const lift = async (): Promise<void> => {
    await kubectl('delete', 'validatingadmissionpolicybinding,validatingadmissionpolicy', policy, '--ignore-not-found');
  };
  onTestFinished(lift);
  const tryIt = async (): Promise<string> =>
    kubectl('annotate', 'pod', name, 'probe=yes', '--dry-run=server').then(
      () => 'admitted',
      (error: unknown) => String(error),
    );
  await expect.poll(tryIt, { timeout: 20_000, interval: 200 }).toContain('legal hold');
  return { lift };
}

test('one gateway that may not be changed is told of, and all others are replaced', { timeout: 180_000 }, async () => {
  await operated.applyPool('held', { replicas: 3, ...edition('first') });
  await operated.startOperator();
  await operated.untilConverged();
  const before = namesOf('held');
  const [kept = ''] = before;
  const { lift } = await protectPod(kept);
  await operated.applyPool('held', { replicas: 3, ...edition('second') });
  const left = (): readonly string[] => namesOf('held').filter((name) => before.includes(name));
  await expect.poll(left, { timeout: 60_000, interval: 200 }).toEqual([kept]);
  await expect.poll(async () => (await condition('held', 'Progressing'))?.message, { timeout: 30_000 }).toContain('under legal hold');
  await lift();
  await operated.untilConverged();
  expect(left()).toEqual([]);
  await kubectl('delete', 'gwp', 'held');
});

test('a quota without room for a surge: gateways are replaced in place, one at a time', { timeout: 180_000 }, async () => {
  const replicas = 3;
  await operated.applyPool('full', { replicas, disruption: { maxUnavailable: 1 }, ...edition('first') });
  await operated.startOperator();
  await operated.untilConverged();
  await operated.untilPublishersScaled();
  const before = namesOf('full');
  const pods = (await kubectl('get', 'pods', '-o', 'name')).trim().split('\n').length;
  await apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'full' }, spec: { hard: { pods: String(pods) } } });
  onTestFinished(async () => {
    await kubectl('delete', 'resourcequota', 'full', '--ignore-not-found');
  });
  await expect.poll(() => kubectl('get', 'resourcequota', 'full', '-o', 'jsonpath={.status.used.pods}')).toBe(String(pods));
  const watch = new CrewWatch(operated, 'full');
  watch.begin();
  // The publishers stay as they are: their own rollout needs room too.
  await operated.applyPool('full', { replicas, disruption: { maxUnavailable: 1 }, ...edition('second') });
  await operated.untilConverged();
  expect(namesOf('full').filter((name) => before.includes(name))).toEqual([]);
  print(`in place: never fewer than ${watch.worst.available} of ${replicas} gateways available`);
  expect(watch.worst.available).toBe(replicas - 1);
  expect(operated.gateways('full').every(({ metadata }) => metadata.labels?.[names.label.pool] === 'full')).toBe(true);
  await kubectl('delete', 'gwp', 'full');
});

test('while a rollout is stuck, lost gateways are replaced from the revision that was complete last', { timeout: 180_000 }, async () => {
  const replicas = 4;
  await operated.applyPool('broken', { replicas, ...edition('first') });
  await operated.startOperator();
  await operated.untilConverged();
  const revision = (await operated.pools())[0]?.status?.updateRevision;
  const kept = async (): Promise<string> =>
    kubectl('get', 'controllerrevisions', '-l', 'barrage.dev/pool=broken', '-o', 'jsonpath={.items[*].metadata.name}');
  await expect.poll(kept, { timeout: 20_000 }).toBe(`broken-${revision}`);
  await operated.applyPool('broken', { replicas, template: { spec: { nodeSelector: { 'example.com/disk': 'none' } } } });
  const ready = (): PoolPods =>
    operated.gateways('broken').filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && isServing(status?.conditions));
  await expect.poll(() => namesOf('broken').length, { timeout: 30_000 }).toBe(replicas + 1);
  const before = ready().map(({ metadata }) => metadata);
  expect(before).toHaveLength(replicas);
  // As nodes that are lost, one after another. A successor may get the name of a lost one.
  for (const { name, uid } of before) {
    await kubectl('delete', 'pod', name, '--force', '--grace-period=0');
    const others = (): number => ready().filter(({ metadata }) => metadata.uid !== uid).length;
    await expect.poll(others, { timeout: 30_000, interval: 200 }).toBe(replicas);
  }
  expect(new Set(ready().map(({ metadata }) => metadata.labels?.[names.label.revision]))).toEqual(new Set([revision]));
  await operated.applyPool('broken', { replicas, ...edition('third') });
  await operated.untilConverged();
  const third = (await operated.pools())[0]?.status?.updateRevision;
  await expect.poll(kept, { timeout: 20_000 }).toBe(`broken-${third}`);
  await kubectl('delete', 'gwp', 'broken');
});

test('after rollouts the gateways are spread over the nodes as before', { timeout: 240_000 }, async () => {
  const perNode = (): readonly number[] => {
    const nodes = operated.gateways('even').map((pod) => (pod as { spec?: { nodeName?: string } }).spec?.nodeName ?? 'none');
    return [...Map.groupBy(nodes, (node) => node).values()].map(({ length }) => length);
  };
  for (const node of [0, 1, 2, 3])
    await operated.cluster.kubectl(['label', 'node', `simulated-${node}`, `kubernetes.io/hostname=simulated-${node}`, '--overwrite']);
  await operated.applyPool('even', { replicas: 8, ...edition('first') });
  await operated.startOperator();
  await operated.untilConverged();
  for (const words of ['second', 'third']) {
    await operated.applyPool('even', { replicas: 8, ...edition(words) });
    await operated.untilConverged();
    print(`gateways on each node after the ${words} edition: ${perNode().join()}`);
    expect(perNode()).toEqual([2, 2, 2, 2]);
  }
  await kubectl('delete', 'gwp', 'even');
});

type PoolPods = ReturnType<OperatedCluster['gateways']>;

function isServing(conditions: readonly { readonly type: string; readonly status: string }[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === names.serving && status === 'True') ?? false;
}
