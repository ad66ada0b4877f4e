import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { Cluster, clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { gatewayPool, redisBus, Surroundings } from './observation.ts';

let cluster: Cluster;
let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('events', { 'pod-security.kubernetes.io/enforce': 'restricted' }));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

const timeout = 90_000;

test('a Secret that is missing is an event when it is missed and when it is there, and once in between', { timeout }, async () => {
  await at.apply(gatewayPool('secretless', { auth: { apiKeysSecret: { name: 'backend-keys' } } }));
  await at.untilTold('GatewayPool/secretless', 'MissingSecret');
  const [warning] = (await at.events('GatewayPool/secretless')).filter(({ type }) => type === 'Warning');
  expect(warning?.note).toBe((await at.untilReason('gwp/secretless', 'Ready', 'MissingSecret')).message);
  expect(warning?.note).toContain('Secret backend-keys');
  // Each of these is another look at the pool.
  for (const look of ['1', '2', '3']) await at.kubectl('annotate', 'gwp/secretless', `look=${look}`, '--overwrite');
  await at.kubectl('create', 'secret', 'generic', 'backend-keys', '--from-literal=one=a-key-of-the-backend-0123456789');
  await at.untilTold('GatewayPool/secretless', /MissingSecret is over \(Secret backend-keys\)/);
  const told = await at.faultsTold('GatewayPool/secretless');
  expect(told.filter((words) => words.startsWith('MissingSecret'))).toEqual([
    'MissingSecret',
    'MissingSecret is over (Secret backend-keys)',
  ]);
  expect(await at.kubectl('describe', 'gwp', 'secretless')).toMatch(
    /Warning\s+MissingSecret[^]*Normal\s+Recovered[^]*MissingSecret is over/,
  );
});

const faults: readonly (readonly [reason: string, name: string, spec: object])[] = [
  ['InvalidTemplate', 'misspelt', { template: { spec: { hostNetwrok: true } } }],
  ['PodSecurityRefused', 'mighty', { template: { spec: { hostPID: true } } }],
  ['PrivilegedTemplate', 'mighty', { template: { spec: { hostPID: true } } }],
  ['TemplateOverruled', 'hasty', { template: { spec: { terminationGracePeriodSeconds: 5 } } }],
  ['HostPortNotRestricted', 'ported', { exposure: { type: 'HostPort' } }],
  ['Unschedulable', 'homeless', { template: { spec: { nodeSelector: { disk: 'huge' } } } }],
];

test.each(faults)('%s is told by an event of this reason (%s)', { timeout }, async (reason, name, spec) => {
  await at.apply(gatewayPool(name, spec));
  const told = async (): Promise<readonly string[]> => at.faultsTold(`GatewayPool/${name}`);
  await expect.poll(told, { timeout: 30_000, interval: 200 }).toContain(reason);
});

test("a name that is somebody else's, a quota, and a shared key prefix are told, and that they are over", { timeout }, async () => {
  await at.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'taken-publish' }, spec: { ports: [{ port: 80 }] } });
  await at.apply(gatewayPool('taken'));
  await expect.poll(() => at.faultsTold('GatewayPool/taken'), { timeout: 30_000 }).toContain('NameTaken');
  await at.kubectl('delete', 'service/taken-publish');
  await expect.poll(() => at.faultsTold('GatewayPool/taken'), { timeout: 30_000 }).toContain('NameTaken is over (Service taken-publish)');

  const shared = { ...redisBus, redis: { ...redisBus.redis, keyPrefix: 'both' } };
  await at.apply(gatewayPool('one', { bus: shared }), gatewayPool('two', { bus: shared }));
  await expect.poll(() => at.faultsTold('GatewayPool/two'), { timeout: 30_000 }).toContain('SharedPrefix');
  await at.apply(gatewayPool('one', { bus: redisBus }));
  await expect.poll(() => at.faultsTold('GatewayPool/two'), { timeout: 45_000 }).toContain('SharedPrefix is over');

  await at.kubectl('create', 'quota', 'pods', '--hard=count/pods=0');
  await at.untilField('quota/pods', '.status.hard', /count/);
  await at.apply(gatewayPool('poor'));
  await expect.poll(() => at.faultsTold('GatewayPool/poor'), { timeout: 30_000 }).toContain('QuotaExceeded');
  await at.kubectl('delete', 'quota', 'pods');
  const over = /^QuotaExceeded is over/;
  const isOver = async (): Promise<boolean> => (await at.faultsTold('GatewayPool/poor')).some((words) => over.test(words));
  await expect.poll(isOver, { timeout: 45_000 }).toBe(true);
});

test('another operator tells nothing again that its predecessor has told', { timeout }, async () => {
  await at.untilTold('GatewayPool/homeless', 'Unschedulable');
  await operator.close();
  operator = await startOperator(cluster, at.namespace);
  await at.apply(gatewayPool('marker', { template: { spec: { nodeSelector: { disk: 'huge' } } } }));
  // By the time that this one's has lasted long enough to be told, the older ones' would have been.
  await at.untilTold('GatewayPool/marker', 'Unschedulable');
  expect(await at.faultsTold('GatewayPool/homeless')).toEqual(['Unschedulable']);
});

test('an operator that is told to stop writes the events that wait before it gives the lead away', { timeout }, async () => {
  const proxy = await FaultProxy.start(cluster.kubeconfig);
  onTestFinished(() => proxy.close());
  const there = new Surroundings(cluster, await cluster.createNamespace('flushed'));
  onTestFinished(async () => void (await there.kubectl('delete', 'namespace', there.namespace, '--wait=false')));
  // Events are written one after another: while the first is held the others wait.
  const released = Promise.withResolvers<void>();
  proxy.fault = ({ resource, verb }) =>
    resource === 'events' && verb === 'create' ? { kind: 'held', until: released.promise } : undefined;
  const stopping = await startOperator(new Cluster({ kubeconfig: proxy.kubeconfig, url: '' }), there.namespace);
  await there.apply(gatewayPool('told', { bus: redisBus, replicas: 7 }));
  const pods = async (): Promise<number> => ((await there.field('pods', '.items[*].metadata.name')).match(/told-/g) ?? []).length;
  await expect.poll(pods, { timeout: 30_000, interval: 20 }).toBeGreaterThanOrEqual(7);
  const closed = stopping.close();
  released.resolve();
  await closed;
  expect((await there.events('GatewayPool/told')).filter(({ reason }) => reason === 'PodCreated')).toHaveLength(7);
});
