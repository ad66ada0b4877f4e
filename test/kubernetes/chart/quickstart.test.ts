import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readFirstPool, type FirstPool } from '../../../operator/decide/first-pool.ts';
import { poolOf } from '../../../sizing/pool.ts';
import { sizeOf } from '../../../sizing/size.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { chart, helmDone, only, rendered, valueFlags, type Manifest } from './helm.ts';

let cluster: Cluster;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  namespace = await cluster.createNamespace('rendered', { 'pod-security.kubernetes.io/enforce': 'restricted' });
}, clusterTimeoutMs);

/** The pool that an operator makes of the chart's objects. */
function poolIn(objects: readonly Manifest[]): FirstPool {
  const pool = readFirstPool(only(objects, 'ConfigMap', 'barrage-quickstart'));
  if (typeof pool === 'string') throw new Error(pool);
  return pool;
}

/** The API server takes it, with warnings as refusals: it names privileges of pods by them. */
async function accepted(object: unknown): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'apply', '--dry-run=server', '--warnings-as-errors', '-f', '-'], JSON.stringify(object));
}

interface Values {
  readonly image?: object;
  readonly quickstart?: { readonly pool?: { readonly name?: string; readonly spec: object }; readonly redis?: object };
}

const combinations: readonly (readonly [string, Values])[] = [
  ['the defaults', {}],
  ['pull secrets and another policy', { image: { pullPolicy: 'Always', pullSecrets: [{ name: 'registry' }] } }],
  ['fields of its spec', { quickstart: { pool: { name: 'show', spec: { replicas: 3, drain: { deadlineSeconds: 60 } } } } }],
  ['a memory bus', { quickstart: { pool: { spec: { replicas: 1, bus: { type: 'Memory' } } } } }],
  ['other resources of Redis', { quickstart: { redis: { image: 'valkey/valkey:8', resources: { requests: { cpu: '1' } } } } }],
];

test.each(combinations)('the quickstart with %s: the API server takes the pool and all objects, as restricted pods', async (_, values) => {
  const release = { ...values, quickstart: { enabled: true, ...values.quickstart } };
  const objects = (await rendered(release)).filter(({ metadata }) => metadata.name.startsWith('barrage-quickstart'));
  for (const object of objects) await accepted({ ...object, metadata: { ...object.metadata, namespace } });
  const pool = poolIn(objects);
  await accepted({
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'GatewayPool',
    metadata: { ...pool.metadata, namespace, ownerReferences: [] },
    spec: pool.spec,
  });
  const hasRedis = objects.some(({ kind }) => kind === 'Deployment');
  expect(hasRedis).toBe(!('bus' in (values.quickstart?.pool?.spec ?? {})));
  for (const { metadata } of objects) expect(metadata.labels?.['barrage.dev/purpose']).toBe('not-for-production');
});

test("the pool has what its pods need of the operator's values, and nothing that a newer chart changes", async () => {
  const image = { pullPolicy: 'Always', pullSecrets: [{ name: 'registry' }] };
  const { metadata, spec } = poolIn(await rendered({ image, quickstart: { enabled: true } }));
  const pods = { spec: { containers: [{ name: 'barrage', imagePullPolicy: 'Always' }], imagePullSecrets: image.pullSecrets } };
  expect(spec).toEqual({
    replicas: 2,
    bus: {
      type: 'Redis',
      redis: { mode: 'Standalone', addresses: ['barrage-quickstart:6379'], credentialsSecret: { name: 'barrage-quickstart' } },
    },
    template: pods,
    publisher: { template: pods },
  });
  expect(JSON.stringify(metadata.labels)).not.toContain('0.1.0');
});

test('the operator gets the right to that one pool, and is told of the ConfigMap in a namespace that it watches', async () => {
  const objects = await rendered({ watchNamespaces: ['shows', 'games'], quickstart: { enabled: true, pool: { name: 'first' } } });
  const role = only(objects, 'Role', 'barrage-quickstart');
  expect(role.metadata.namespace).toBe('shows');
  expect(role.rules).toEqual([
    { apiGroups: ['barrage.dev'], resources: ['gatewaypools'], resourceNames: ['first'], verbs: ['create', 'patch'] },
  ]);
  const operator = JSON.stringify(only(objects, 'Deployment', 'barrage-operator').spec);
  expect(operator).toContain('{"name":"BARRAGE_OPERATOR_FIRST_POOL","value":"shows/barrage-quickstart"}');
  expect(operator).toContain('"checksum/quickstart"');
  expect((await rendered()).filter(({ metadata }) => metadata.name.includes('quickstart'))).toEqual([]);
});

test('notes say what is missing without a repository, and how a first message comes with the quickstart', async () => {
  const notes = async (values: object): Promise<string> => {
    const printed = await helmDone(['install', 'barrage', chart, '--dry-run=client', '--namespace', 'system', ...valueFlags(values)]);
    return printed.slice(printed.indexOf('NOTES:'));
  };
  const plain = await notes({});
  expect(plain).toContain('image.repository is not set, and no image is published yet');
  expect(plain).toContain('quickstart.enabled=true brings a first pool');
  const started = await notes({ image: { repository: 'r/barrage' }, watchNamespaces: ['shows'], quickstart: { enabled: true } });
  expect(started).not.toContain('image.repository');
  for (const words of [
    'NOT FOR PRODUCTION',
    'kubectl -n shows port-forward service/live 6790:6790 &',
    'get secret live-api-key',
    '| base64 -d)',
  ])
    expect(started).toContain(words);
  expect(started).not.toMatch(/https:\/\/localhost|curl -k/);
  const pool = { spec: { tls: { secretName: 'live-tls' } } };
  const secured = await notes({ image: { repository: 'r/barrage' }, quickstart: { enabled: true, pool } });
  for (const words of [
    'the Secret live-tls of namespace system, of the type kubernetes.io/tls',
    '  https://localhost:6790/v1/stream?channel=video:1',
    '  curl -k https://localhost:6789/v1/mesh/publish',
  ])
    expect(secured).toContain(words);
  expect(secured).not.toContain('http://localhost');
});

test('the icon is the SVG in the chart, by a data URL', () => {
  const { icon } = parse(readFileSync(`${chart}/Chart.yaml`, 'utf8')) as { readonly icon: string };
  const [type, content = ''] = icon.split(',');
  expect(type).toBe('data:image/svg+xml;base64');
  expect(Buffer.from(content, 'base64').toString()).toBe(readFileSync(`${chart}/icon.svg`, 'utf8'));
});

test.each([
  ['a small load', { connections: 100, channels: 1, publicationsPerSecond: 1 }],
  [
    'many channels with histories',
    { connections: 200_000, channels: 20_000, publicationsPerSecond: 5_000, historySize: 100, isPlaced: true },
  ],
  ['a Cluster', { connections: 1_000_000, channels: 10, publicationsPerSecond: 500, windowMilliseconds: 1_000 }],
])('the GatewayPool of npm run sizing for %s is one that the API server takes', async (_, load) => {
  const rest = { payloadBytes: 200, subscriptions: 1, windowMilliseconds: 100, historySize: 0, isPlaced: false };
  await accepted(poolOf(sizeOf({ ...rest, ...load })));
});
