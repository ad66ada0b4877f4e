import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { channel, gatewayPool, redisBus, Surroundings } from './observation.ts';

let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('by-hand'));
  operator = await startOperator(cluster, at.namespace);
  await at.apply(gatewayPool('live', { replicas: 2, bus: redisBus, publisher: { minReplicas: 2 } }), channel('gifts', 'gift:*', 'live'));
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

test('the pool is there with all its children', async () => {
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  await at.untilField('deployment/live-publisher', '.spec.replicas', '2');
  await at.untilField('configmap/live-policies-0', '.data', /gift/);
});

const edits: readonly (readonly [what: string, object: string, path: string, change: object])[] = [
  [
    'number of a port of a Service',
    'service/live-publish',
    '.spec.ports',
    { spec: { ports: [{ name: 'publish', port: 1234, targetPort: 6789 }] } },
  ],
  [
    'port of a Service',
    'service/live',
    '.spec.ports[0].targetPort',
    { spec: { ports: [{ port: 6790, targetPort: 1234, name: 'clients' }] } },
  ],
  ['selector of a Service', 'service/live-publish', '.spec.selector', { spec: { selector: { app: 'mine' } } }],
  ['label of a Service', 'service/live', '.metadata.labels', { metadata: { labels: { 'app.kubernetes.io/instance': 'mine' } } }],
  [
    'labels by which the operator knows a Service',
    'service/live-gateways',
    '.metadata.labels',
    { metadata: { labels: { 'app.kubernetes.io/managed-by': null, 'barrage.dev/pool': null } } },
  ],
  [
    "image of the publishers' Deployment",
    'deployment/live-publisher',
    '.spec.template.spec.containers[0].image',
    { spec: { template: { spec: { containers: [{ name: 'barrage', image: 'nginx' }] } } } },
  ],
  ['label of the Deployment', 'deployment/live-publisher', '.metadata.labels', { metadata: { labels: { 'barrage.dev/pool': 'mine' } } }],
  ["limit of the publishers' autoscaler", 'hpa/live-publisher', '.spec.maxReplicas', { spec: { maxReplicas: 77 } }],
  ["target of the publishers' autoscaler", 'hpa/live-publisher', '.spec.scaleTargetRef', { spec: { scaleTargetRef: { name: 'mine' } } }],
  ['type of a Service', 'service/live', '.spec.type', { spec: { type: 'NodePort' } }],
  ['address of a Service', 'service/live-publish', '.spec.type', { spec: { type: 'ExternalName', externalName: 'example.com' } }],
  [
    'strategy of the Deployment',
    'deployment/live-publisher',
    '.spec.strategy',
    { spec: { strategy: { type: 'Recreate', rollingUpdate: null } } },
  ],
  // Both fields together are invalid.
  ["field of the gateways' budget", 'pdb/live-gateways', '.spec', { spec: { minAvailable: null, maxUnavailable: 1 } }],
  ["field of the publishers' budget", 'pdb/live-publisher', '.spec', { spec: { maxUnavailable: null, minAvailable: 1 } }],
  [
    "label of the operator's key",
    'secret/live-signing',
    '.metadata.labels',
    { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } },
  ],
  ["gateways' disruption budget", 'pdb/live-gateways', '.spec', { spec: { minAvailable: 0 } }],
  ['policies', 'configmap/live-policies-0', '.data', { data: { 'policies-0.json': '{"channels":[]}' } }],
  ['NetworkPolicy of the gateways', 'networkpolicy/live-gateways', '.spec.policyTypes', { spec: { policyTypes: ['Egress'] } }],
  ["Secret of the pods' settings", 'secret/live-settings', '.data.api-keys', { data: { 'api-keys': 'bWluZQ==' } }],
];

test.each(edits)('the %s (%s) is as it was after somebody has changed it', async (_what, object, path, change) => {
  const before = await at.field(object, path);
  expect(before).not.toBe('');
  const version = await at.field(object, '.metadata.resourceVersion');
  await at.patch(object, change);
  expect(await at.field(object, '.metadata.resourceVersion')).not.toBe(version);
  await at.untilField(object, path, before);
});

test('a pool document that somebody has spoilt is written anew', async () => {
  await at.patch('configmap/live-pool', { data: { 'pool.json': '{}' } });
  await at.untilField('configmap/live-pool', '.data', /"pool\.json":"\{.{100,}/);
});

test('the source of a variable of the publishers is as it was: a value beside it would be invalid', async () => {
  const env = '.spec.template.spec.containers[0].env';
  const before = await at.field('deployment/live-publisher', env);
  const version = await at.field('deployment/live-publisher', '.metadata.resourceVersion');
  const variable = { name: 'BARRAGE_PUBLISHER_PORT', value: null, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } };
  const spec = { template: { spec: { containers: [{ name: 'barrage', env: [variable] }] } } };
  await at.kubectl('patch', 'deployment/live-publisher', '--type=strategic', '-p', JSON.stringify({ spec }));
  expect(await at.field('deployment/live-publisher', '.metadata.resourceVersion')).not.toBe(version);
  await at.untilField('deployment/live-publisher', env, before);
});

test('a child that somebody has made unchangeable is named with the command that helps', { timeout: 90_000 }, async () => {
  await at.patch('configmap/live-policies-0', { immutable: true });
  await at.apply(channel('stars', 'star:*', 'live'));
  const { message } = await at.untilReason('gwp/live', 'Ready', 'NameTaken');
  expect(message).toContain('kubectl delete configmap/live-policies-0');
  await at.kubectl('delete', 'configmap/live-policies-0');
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  await at.untilField('configmap/live-policies-0', '.data', /star/);
});

test.each([
  'service/live',
  'service/live-gateways',
  'deployment/live-publisher',
  'hpa/live-publisher',
  'pdb/live-gateways',
  'pdb/live-publisher',
  'configmap/live-pool',
  'configmap/live-policies-0',
  'secret/live-settings',
  'secret/live-api-key',
])('%s is there again after somebody has deleted it', async (object) => {
  const uid = await at.field(object, '.metadata.uid');
  expect(uid).not.toBe('');
  await at.kubectl('delete', object, '--wait=false');
  await at.untilField(object, '.metadata.uid', new RegExp(`^(?!${uid}).+`));
});

test('publishers that somebody has scaled to none are there again: their autoscaler would never raise them from none', async () => {
  await at.kubectl('scale', 'deployment/live-publisher', '--replicas=0');
  await at.untilField('deployment/live-publisher', '.spec.replicas', '2');
});

test('a gateway that has lost its labels gets them back, and no other is made in its place', async () => {
  const names = (): Promise<string> => at.kubectl('get', 'pods', '-l', 'app.kubernetes.io/component=gateway', '-o', 'name');
  const before = await names();
  const [pod = ''] = before.split('\n');
  const labels = await at.field(pod, '.metadata.labels');
  await at.kubectl('label', pod, 'app.kubernetes.io/component=mine', '--overwrite');
  await at.untilField(pod, '.metadata.labels', labels);
  await at.kubectl('label', pod, 'app.kubernetes.io/managed-by-', 'barrage.dev/pool-');
  await at.untilField(pod, '.metadata.labels', labels);
  expect(await names()).toBe(before);
});

test('what somebody adds to a child stays', async () => {
  await at.kubectl('annotate', 'service/live', 'team=shows');
  await at.kubectl('label', 'service/live', 'cost-centre=12');
  await at.patch('service/live', { spec: { ports: [{ port: 6790, targetPort: 4321, name: 'clients' }] } });
  await at.untilField('service/live', '.spec.ports[0].targetPort', /^(?!4321)/);
  expect(await at.field('service/live', '.metadata.annotations.team')).toBe('shows');
  expect(await at.field('service/live', '.metadata.labels.cost-centre')).toBe('12');
});

test('a Secret of the user that is deleted under a running pool is told, and changes nothing of what runs', async () => {
  await at.kubectl('create', 'secret', 'generic', 'keys', '--from-literal=one=a-key-of-the-backend-0123456789');
  await at.apply(gatewayPool('keyed', { auth: { apiKeysSecret: { name: 'keys' } } }));
  await at.untilReason('gwp/keyed', 'Ready', 'Unschedulable');
  const settings = await at.field('secret/keyed-settings', '.data');
  const revision = await at.field('gwp/keyed', '.status.updateRevision');
  await at.kubectl('delete', 'secret/keys');
  await at.untilReason('gwp/keyed', 'Ready', 'MissingSecret');
  expect(await at.field('secret/keyed-settings', '.data')).toBe(settings);
  expect(await at.field('gwp/keyed', '.status.updateRevision')).toBe(revision);
  await at.kubectl('create', 'secret', 'generic', 'keys', '--from-literal=one=another-key-of-the-backend-0123456789');
  await at.untilReason('gwp/keyed', 'Ready', 'Unschedulable');
  await expect.poll(() => at.field('secret/keyed-settings', '.data'), { timeout: 30_000 }).not.toBe(settings);
});

test('a signing key that somebody has spoilt is told as such, and made anew when it is deleted', async () => {
  for (const key of ['private-key', 'public-key']) {
    await at.patch('secret/live-signing', { data: { [key]: 'c3BvaWx0' } });
    const { message } = await at.untilReason('gwp/live', 'Ready', 'MissingSecret');
    expect(message).toContain('Secret live-signing');
    expect(message).toMatch(/[Dd]elete it/);
    await at.kubectl('delete', 'secret/live-signing');
    await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  }
});
