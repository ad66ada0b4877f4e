import { expect, test } from 'vitest';
import { environmentOf, ingredientsWith, keyPair, ownContainer, templateSpec } from './ingredients.ts';
import { poolWith } from '../decide/pool-fixture.ts';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import type { BusSettings } from '../../../operator/desired/bus-settings.ts';
import { podsOf } from '../../../operator/desired/amount.ts';
import { documentConfigMap, policyConfigMaps } from '../../../operator/desired/config-maps.ts';
import { gatewayBudget, publisherBudget } from '../../../operator/desired/disruption-budgets.ts';
import { gatewayRoute, gatewayUrl, poolRoute } from '../../../operator/desired/exposure.ts';
import { gatewayPod } from '../../../operator/desired/gateway-pod.ts';
import { claimedGateway } from '../../../operator/desired/labels.ts';
import { networkPolicies } from '../../../operator/desired/network-policies.ts';
import { restrictedBreaches } from '../../../operator/desired/pod-security.ts';
import { publisherAutoscaler, publisherDeployment } from '../../../operator/desired/publisher.ts';
import { apiKeySecret, settingsDigest, settingsDigests, settingsSecret, signingSecret } from '../../../operator/desired/secrets.ts';
import { services } from '../../../operator/desired/pool-services.ts';

const adminPeers = { operatorNamespace: 'barrage-system', metricsNamespaces: { team: 'metrics' } };
const memoryPool: GatewayPool = { ...poolWith(), spec: { ...poolWith().spec, replicas: 1, bus: { type: 'Memory' } } };

test('publishers run without privileges, know the keys from a Secret, and their number is the autoscaler’s', () => {
  const deployment = publisherDeployment(
    ingredientsWith({ publisher: { minReplicas: 3, maxReplicas: 8, targetCPUUtilizationPercent: 70 } }),
  );
  expect(restrictedBreaches(templateSpec(deployment))).toEqual([]);
  expect(deployment?.spec).not.toHaveProperty('replicas');
  expect(environmentOf(ownContainer(templateSpec(deployment)))).toMatchObject({
    BARRAGE_PUBLISHER_HOST: '::',
    BARRAGE_API_KEYS: { secretKeyRef: { name: 'web-settings', key: 'api-keys' } },
  });
  const { spec } =
    publisherAutoscaler(ingredientsWith({ publisher: { minReplicas: 3, maxReplicas: 8, targetCPUUtilizationPercent: 70 } })) ?? {};
  expect(spec).toMatchObject({ minReplicas: 3, maxReplicas: 8, scaleTargetRef: { kind: 'Deployment', name: 'web-publisher' } });
});

test('publishers take the resources and the template that the pool gives them', () => {
  const publisher = { resources: { requests: { cpu: '2' } }, template: { spec: { priorityClassName: 'high' } } };
  const spec = templateSpec(publisherDeployment(ingredientsWith({ publisher })));
  expect(spec['priorityClassName']).toBe('high');
  expect(ownContainer(spec)['resources']).toEqual({ requests: { cpu: '2' } });
});

test('a pool on a memory bus has no publishers of its own: its pod takes publications', () => {
  const ingredients = { ...ingredientsWith(), pool: memoryPool };
  expect([publisherDeployment(ingredients), publisherAutoscaler(ingredients), publisherBudget(memoryPool)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const publish = services(memoryPool).find(({ metadata }) => metadata.name === 'web-publish');
  expect(publish?.spec?.['selector']).toMatchObject({ 'app.kubernetes.io/component': 'gateway' });
  expect(networkPolicies(memoryPool, adminPeers)).toHaveLength(1);
});

test('three Services: for clients, for backends, and one by one', () => {
  const [clients, publish, gateways] = services(poolWith());
  expect(clients).toMatchObject({
    metadata: { name: 'web' },
    spec: { ports: [{ port: 6790 }], selector: { 'app.kubernetes.io/component': 'gateway' } },
  });
  expect(publish).toMatchObject({
    metadata: { name: 'web-publish' },
    spec: { ports: [{ port: 6789 }], selector: { 'app.kubernetes.io/component': 'publisher' } },
  });
  expect(gateways).toMatchObject({ metadata: { name: 'web-gateways' }, spec: { clusterIP: 'None', publishNotReadyAddresses: true } });
});

test("the gateways' budget says what the plan has decided", () => {
  const budget = gatewayBudget(poolWith(), { minAvailable: 2, unhealthyPods: 'IfHealthyBudget' });
  expect(budget.spec).toMatchObject({ minAvailable: 2, unhealthyPodEvictionPolicy: 'IfHealthyBudget' });
});

test('the admin port is for the operator and for metrics only', () => {
  const policies = networkPolicies(poolWith(), adminPeers);
  expect(policies.map(({ metadata }) => metadata.name)).toEqual(['web-gateways', 'web-publisher']);
  for (const { spec } of policies) {
    const rules = spec?.['ingress'] as readonly { readonly ports: readonly { readonly port: number }[]; readonly from?: unknown }[];
    expect(rules.filter(({ from }) => from === undefined).flatMap(({ ports }) => ports.map(({ port }) => port))).not.toContain(6780);
    expect(rules.find(({ ports }) => ports[0]?.port === 6780)?.from).toEqual([
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'barrage-system' } },
        podSelector: { matchLabels: { 'app.kubernetes.io/name': 'barrage-operator' } },
      },
      { namespaceSelector: { matchLabels: { team: 'metrics' } } },
    ]);
  }
});

test('ConfigMaps lie where the pods mount them', () => {
  expect(documentConfigMap(poolWith(), '{}')).toMatchObject({ metadata: { name: 'web-pool' }, data: { 'pool.json': '{}' } });
  expect(policyConfigMaps(poolWith(), ['a', 'b'])).toMatchObject([
    { metadata: { name: 'web-policies-0' }, data: { 'policies-0.json': 'a' } },
    { metadata: { name: 'web-policies-1' }, data: { 'policies-1.json': 'b' } },
  ]);
});

const bus: BusSettings = { id: '1a', mode: 'Standalone', prefix: 'p', hasLogin: false, hasCa: false, url: 'redis://:secret@r:1' };

test('Secrets hold what is secret, in base64', () => {
  const decode = (object: { readonly data?: Readonly<Record<string, string>> }) =>
    Object.fromEntries(Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  expect(decode(signingSecret(poolWith(), keyPair))).toEqual({ 'private-key': keyPair.privateKey, 'public-key': keyPair.publicKey });
  expect(decode(apiKeySecret(poolWith(), 'k'.repeat(32)))).toEqual({ key: 'k'.repeat(32) });
  expect(decode(settingsSecret(poolWith(), { bus, apiKeys: ['b', ' a\n'] }))).toEqual({
    '1a.redis-url': 'redis://:secret@r:1',
    '1a.redis-mode': 'Standalone',
    '1a.redis-prefix': 'p',
    'api-keys': 'a,b',
  });
});

test('the digest of settings changes with them, tells nothing, and not without the key', () => {
  const digest = settingsDigest({ bus }, 'key');
  expect(digest).toMatch(/^[0-9a-f]{16}$/);
  expect(settingsDigest({ bus: { ...bus, url: 'redis://:other@r:1' } }, 'key')).not.toBe(digest);
  expect(settingsDigest({ bus }, 'another')).not.toBe(digest);
  expect(settingsDigest({ bus: { ...bus, ca: 'PEM' } }, 'key')).not.toBe(digest);
  expect(settingsDigest({ apiKeys: ['a', 'b'] }, 'key')).toBe(settingsDigest({ apiKeys: ['b', 'a'] }, 'key'));
});

const address = { name: 'web-aaaaa-0', ip: '10.0.0.7', hostIp: '192.168.0.7' };
const httpRoute = { hostname: 'live.example.com', parentRef: { name: 'edge', namespace: 'infra' } };

test('a gateway is reached as the exposure says', () => {
  const url = (exposure: Partial<GatewayPool['spec']['exposure']>, of = address) => gatewayUrl(poolWith({ exposure }), of);
  expect(url({})).toBe('ws://10.0.0.7:6790/');
  expect(gatewayUrl(poolWith(), { ...address, hasTls: true })).toBe('wss://10.0.0.7:6790/');
  expect(gatewayUrl(poolWith({ exposure: { type: 'HostPort' } }), { ...address, hasTls: true })).toBe('wss://192.168.0.7:6790/');
  expect(url({}, { ...address, ip: 'fd00::7' })).toBe('ws://[fd00::7]:6790/');
  expect(url({ type: 'HostPort' })).toBe('ws://192.168.0.7:6790/');
  expect(url({ type: 'URLTemplate', urlTemplate: 'wss://{pod}.live.example.com/' })).toBe('wss://web-aaaaa-0.live.example.com/');
  expect(url({ type: 'HTTPRoute', httpRoute })).toBe('wss://live.example.com/web-aaaaa-0/');
  expect(gatewayUrl(poolWith(), { ...address, ip: undefined })).toBeUndefined();
});

test('with HTTPRoute each gateway has a Service and a route that go with its pod, and the pool has one to any', () => {
  const pool = poolWith({ exposure: { type: 'HTTPRoute', httpRoute } });
  const objects = gatewayRoute(pool, { name: 'web-aaaaa-0', uid: 'pod-uid' });
  expect(objects.map(({ kind }) => kind)).toEqual(['Service', 'HTTPRoute']);
  // To block a pod's deletion takes a right on pods' finalizers, which the operator has not.
  const owner = { kind: 'Pod', uid: 'pod-uid', controller: true, blockOwnerDeletion: false };
  for (const { metadata } of objects) expect(metadata.ownerReferences).toMatchObject([owner]);
  expect(objects[0]?.spec?.['selector']).toEqual({ 'barrage.dev/pool': 'web', 'barrage.dev/gateway': 'web-aaaaa-0' });
  // Event streams have no end.
  const timeouts = { request: '0s' };
  expect(objects[1]?.spec).toMatchObject({
    parentRefs: [{ name: 'edge', namespace: 'infra' }],
    rules: [{ matches: [{ path: { value: '/web-aaaaa-0/' } }], timeouts, backendRefs: [{ name: 'web-aaaaa-0', port: 6790 }] }],
  });
  expect(poolRoute(pool)).toMatchObject({ metadata: { name: 'web' }, spec: { hostnames: ['live.example.com'], rules: [{ timeouts }] } });
  expect([poolRoute(poolWith()), ...gatewayRoute(poolWith(), { name: 'a', uid: 'b' })]).toEqual([undefined]);
});

test('a pod is replaced when what it reads from Secrets changes: gateways have no API keys, but those of a memory bus, and publishers no JWT secret', () => {
  const redis = poolWith();
  const memory = poolWith({ bus: { type: 'Memory' } });
  const settings = { bus, apiKeys: ['a'], jwtSecret: 'j' };
  const changed = (pool: typeof redis, change: Partial<typeof settings>): readonly string[] => {
    const before = settingsDigests(pool, settings, 'key');
    const after = settingsDigests(pool, { ...settings, ...change }, 'key');
    return (['gateway', 'publisher'] as const).filter((component) => before[component] !== after[component]);
  };
  expect(changed(redis, { apiKeys: ['a', 'b'] })).toEqual(['publisher']);
  expect(changed(redis, { jwtSecret: 'k' })).toEqual(['gateway']);
  expect(changed(redis, { bus: { ...bus, url: 'redis://r:2' } })).toEqual(['gateway', 'publisher']);
  expect(changed(memory, { apiKeys: ['a', 'b'] })).toContain('gateway');
});

test('nothing but Secrets holds a secret', () => {
  const settings = { bus: { ...bus, url: 'redis://:hunter2@r:1' }, apiKeys: ['hunter2-hunter2-hunter2'] };
  const ingredients = ingredientsWith({}, { settingsDigests: settingsDigests(poolWith(), settings, keyPair.privateKey) });
  const { pool } = ingredients;
  const others = [
    publisherDeployment(ingredients),
    publisherAutoscaler(ingredients),
    ...services(pool),
    ...networkPolicies(pool, adminPeers),
  ];
  expect(JSON.stringify(others)).not.toMatch(/hunter2|PRIVATE/);
});

test.each([
  [3, 10, 'up', 3],
  ['25%', 10, 'up', 3],
  ['25%', 10, 'down', 2],
  ['0%', 10, 'up', 0],
  ['7', 10, 'up', 7],
  ['rubbish', 10, 'up', 0],
  [-1, 10, 'up', 0],
] as const)('%s of %d, rounded %s, is %d', (value, total, round, expected) => {
  expect(podsOf(value, total, round)).toBe(expected);
});

test('an autoscaler looks at our container alone, which always has a CPU request or limit', () => {
  const sidecar = { spec: { containers: [{ name: 'logger', image: 'x' }] } };
  const autoscaler = publisherAutoscaler(ingredientsWith());
  expect(autoscaler?.spec).toMatchObject({
    metrics: [{ type: 'ContainerResource', containerResource: { name: 'cpu', container: 'barrage' } }],
  });
  const resourcesOf = (resources: object, template: object = sidecar): unknown => {
    const deployment = publisherDeployment(ingredientsWith({ publisher: { resources, template } as never }));
    const { template: pod } = (deployment?.spec ?? {}) as { template: { spec: { containers: { name: string; resources?: unknown }[] } } };
    return pod.spec.containers.find(({ name }) => name === 'barrage')?.resources;
  };
  expect(resourcesOf({ limits: { memory: '1Gi' } })).toEqual({ limits: { memory: '1Gi' }, requests: { cpu: '100m' } });
  expect(resourcesOf({ requests: { memory: '1Gi' } })).toEqual({ requests: { memory: '1Gi', cpu: '100m' } });
  // The API server makes a limit the request too.
  expect(resourcesOf({ limits: { cpu: 1 } })).toEqual({ limits: { cpu: 1 } });
  expect(resourcesOf({ requests: { cpu: '2' } })).toEqual({ requests: { cpu: '2' } });
  const removing = { spec: { containers: [{ name: 'barrage', resources: { requests: { cpu: null } } }] } };
  expect(resourcesOf({ requests: { cpu: '2' } }, removing)).toEqual({ requests: { cpu: '100m' } });
});

test('each revision is spread over nodes and zones by itself', () => {
  const { spec: gateway } = gatewayPod(ingredientsWith(), 'web-aaaaa-0');
  const keys = (spec: unknown): unknown =>
    (spec as { topologySpreadConstraints: { matchLabelKeys: unknown }[] }).topologySpreadConstraints.map(
      ({ matchLabelKeys }) => matchLabelKeys,
    );
  expect(keys(gateway)).toEqual([['barrage.dev/revision'], ['barrage.dev/revision']]);
  const { template } = (publisherDeployment(ingredientsWith())?.spec ?? {}) as { template: { spec: unknown } };
  expect(keys(template.spec)).toEqual([['pod-template-hash'], ['pod-template-hash']]);
});

test('every Service takes both families where the cluster has both', () => {
  const pool = poolWith({ exposure: { type: 'HTTPRoute', httpRoute: { hostname: 'live.example.com', parentRef: { name: 'edge' } } } });
  const all = [...services(pool), ...gatewayRoute(pool, { name: 'web-aaaaa-0', uid: 'pod' })].filter(({ kind }) => kind === 'Service');
  expect(all.map(({ spec }) => spec?.['ipFamilyPolicy'])).toEqual(Array.from({ length: 4 }, () => 'PreferDualStack'));
});

test('an existing pod is claimed with the labels and the owner that a new one has, and keeps its revision', () => {
  const pool = poolWith({});
  const { metadata } = gatewayPod(ingredientsWith({}), 'web-aaaaa-0');
  const { labels, ownerReferences } = metadata;
  const claimed = claimedGateway(pool, { name: 'web-aaaaa-0', uid: 'uid', labels: { ...labels, 'barrage.dev/pool': 'mine', more: '1' } });
  expect(claimed).toMatchObject({ name: 'web-aaaaa-0', namespace: pool.metadata.namespace, uid: 'uid', ownerReferences });
  const ours = Object.keys(claimed.labels);
  expect(claimed.labels).toEqual(Object.fromEntries(Object.entries(labels).filter(([name]) => ours.includes(name))));
  expect(claimed.labels['barrage.dev/revision']).toBe(labels['barrage.dev/revision']);
  expect(claimedGateway(pool, { name: 'web-aaaaa-0', uid: 'uid' }).labels).not.toHaveProperty('barrage.dev/revision');
});
