import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { networkPolicies } from '../../../operator/desired/network-policies.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { chart, helm, helmDone, manifests, only, rendered, valueFlags, type Manifest } from './helm.ts';
import { chartValues, defaultAt, defaultValues, documentedRights, rights, valuesDocument, valuesSchema } from './reference.ts';

/** Values that are not the default's, all of them at once. */
const odd = {
  fullnameOverride: 'x'.repeat(45),
  image: {
    repository: 'images.example:5000/a/barrage',
    digest: `sha256:${'0'.repeat(64)}`,
    pullPolicy: 'Always',
    pullSecrets: [{ name: 'r' }],
  },
  crds: { enabled: false },
  watchNamespaces: ['one', 'two'],
  replicas: 1,
  logLevel: 'debug',
  apiRate: 200,
  extraEnv: [{ name: 'OTEL_EXPORTER_OTLP_HEADERS', valueFrom: { secretKeyRef: { name: 'collector', key: 'headers' } } }],
  tracing: { endpoint: 'https://collector.example/otlp' },
  rbac: { aggregate: false },
  serviceAccount: { create: false, name: 'mine' },
  resources: {},
  podAnnotations: { 'example.com/a': 'true' },
  podLabels: { team: '007', 'app.kubernetes.io/component': 'mine' },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'dedicated', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' }],
  priorityClassName: 'system-cluster-critical',
  metrics: { service: false },
  monitoring: {
    namespaceLabels: 'team=sre,tier=',
    serviceMonitor: { enabled: false },
    podMonitor: { enabled: true, namespace: 'prometheus', labels: { release: 'p' }, interval: '1m' },
  },
  networkPolicy: { enabled: true, metricsFrom: [{ namespaceSelector: { matchLabels: { metrics: 'enabled' } } }] },
  test: { pool: { name: 'big', namespace: 'shows' }, channel: 'a', apiKeySecret: { name: 'k', key: 'b' }, tokenSecret: { name: 't' } },
};

interface PodSpec {
  readonly containers: readonly [Readonly<Record<string, unknown>> & { readonly env: readonly { name: string; value?: string }[] }];
}

function podOf(objects: readonly Manifest[]): { readonly metadata: Manifest['metadata']; readonly spec: PodSpec } {
  return only(objects, 'Deployment').spec?.['template'] as { readonly metadata: Manifest['metadata']; readonly spec: PodSpec };
}

let plain: readonly Manifest[];
/** The image without a value: a name that can't be resolved, and says why. */
const unset = 'image.repository-is-not-set.invalid/barrage:0.1.0';

beforeAll(async () => {
  plain = await rendered();
}, clusterTimeoutMs);

test.each([
  ['the defaults', {}],
  ['odd values', odd],
  ['a network policy by label', { networkPolicy: { enabled: true } }],
  ['the quickstart', { quickstart: { enabled: true } }],
  ['the quickstart on a bus of its own', { quickstart: { enabled: true, pool: { name: 'a', spec: { bus: { type: 'Memory' } } } } }],
  ['monitors without a cluster', { monitoring: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } } }],
])('helm finds no fault with the chart and %s', async (_, values) => {
  expect(await helmDone(['lint', '--strict', chart, ...valueFlags(values)])).toContain('1 chart(s) linted, 0 chart(s) failed');
});

test('the defaults make two operators with their rights, their budget and the API', () => {
  expect(plain.map(({ kind, metadata: { name } }) => `${kind} ${name}`).toSorted()).toEqual([
    'ClusterRole barrage-admin',
    'ClusterRole barrage-editor',
    'ClusterRole barrage-operator',
    'ClusterRole barrage-viewer',
    'ClusterRoleBinding barrage-operator',
    'CustomResourceDefinition barragechannels.barrage.dev',
    'CustomResourceDefinition gatewaypools.barrage.dev',
    'Deployment barrage-operator',
    'Pod barrage-operator-trial',
    'PodDisruptionBudget barrage-operator',
    'Role barrage-operator-election',
    'RoleBinding barrage-operator-election',
    'Service barrage-operator-metrics',
    'ServiceAccount barrage-operator',
  ]);
  expect(only(plain, 'Deployment').spec).toMatchObject({ replicas: 2 });
  expect(podOf(plain).spec.containers[0]).toMatchObject({ image: unset, args: ['operator'] });
});

test('odd values are all heeded', async () => {
  const objects = await rendered(odd, 'a-release');
  const name = `${odd.fullnameOverride}-operator`;
  expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`).toSorted()).toEqual([
    `Deployment system/${name}`,
    `NetworkPolicy system/${name}`,
    `Pod shows/${name}-trial`,
    `PodMonitor prometheus/${odd.fullnameOverride}-pools`,
    `Role one/${name}`,
    `Role system/${name}-election`,
    `Role two/${name}`,
    `RoleBinding one/${name}`,
    `RoleBinding system/${name}-election`,
    `RoleBinding two/${name}`,
  ]);
  const { metadata, spec } = podOf(objects);
  expect(metadata).toMatchObject({
    annotations: odd.podAnnotations,
    labels: { team: '007', 'app.kubernetes.io/name': 'barrage-operator', 'app.kubernetes.io/component': 'operator' },
  });
  expect(spec).toMatchObject({
    serviceAccountName: 'mine',
    priorityClassName: odd.priorityClassName,
    imagePullSecrets: odd.image.pullSecrets,
    nodeSelector: odd.nodeSelector,
    tolerations: odd.tolerations,
    affinity: odd.affinity,
    topologySpreadConstraints: odd.topologySpreadConstraints,
  });
  const image = `${odd.image.repository}@${odd.image.digest}`;
  expect(spec.containers[0]).toMatchObject({ image, imagePullPolicy: 'Always', resources: {} });
  const variables = Object.fromEntries(spec.containers[0].env.map((each) => [each.name, each.value]));
  expect(variables).toMatchObject({
    BARRAGE_OPERATOR_WATCH_NAMESPACES: 'one,two',
    BARRAGE_OPERATOR_IMAGE: image,
    BARRAGE_OPERATOR_METRICS_NAMESPACES: 'team=sre,tier=',
    BARRAGE_LOG_LEVEL: 'debug',
  });
  const podUid = { name: 'BARRAGE_POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } };
  expect(spec.containers[0].env).toContainEqual(podUid);
  expect(spec.containers[0].env.slice(-2)).toEqual([{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: odd.tracing.endpoint }, ...odd.extraEnv]);
  expect(only(objects, 'NetworkPolicy').spec?.['ingress']).toEqual([
    { ports: [{ port: 'probes' }] },
    { ports: [{ port: 'metrics' }], from: odd.networkPolicy.metricsFrom },
  ]);
});

/** Each path of the objects with the type of what is there, sorted. */
function typesOf(objects: readonly Manifest[]): readonly string[] {
  const types = (value: unknown, path: string): readonly string[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, each]) => types(each, `${path}.${key}`))
      : [`${path}: ${value === null ? 'null' : typeof value}`];
  return objects.flatMap((object) => types(object, object.kind)).toSorted();
}

test('a name that YAML would read as a number, a boolean or nothing stays a name', async () => {
  const named = (release: string, namespace: string, [pool, secret, key, account]: readonly [string, string, string, string]) => {
    const place = { enabled: true, namespace };
    const values = {
      crds: { enabled: false },
      watchNamespaces: [namespace],
      priorityClassName: secret,
      serviceAccount: { name: account },
      topologySpreadConstraints: [],
      networkPolicy: { enabled: true },
      quickstart: { enabled: true, pool: { name: pool, spec: { tls: { secretName: secret } } } },
      test: { pool: { name: pool }, channel: `${key}: # ${key}`, apiKeySecret: { name: secret, key }, tokenSecret: { name: secret, key } },
      monitoring: { serviceMonitor: place, podMonitor: place, rules: place, dashboards: place },
    };
    return helmDone(['template', release, chart, '--namespace', namespace, ...valueFlags(values)]);
  };
  const words = typesOf(manifests(await named('home', 'shows', ['live', 'secret', 'key', 'account'])));
  expect(typesOf(manifests(await named('null', '1e3', ['true', '0.5', '7', 'null'])))).toEqual(words);
});

test('a release whose name no Service may have is refused in words, and fullnameOverride helps', async () => {
  for (const release of ['7days', '20240101', 'live.shows']) {
    const { status, stderr } = await helm(['template', release, chart]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(`${release}-barrage names no Service: a release's name must begin with a letter`),
    ]);
    expect(only(await rendered({ fullnameOverride: 'days' }, release), 'Service').metadata.name).toBe('days-operator-metrics');
  }
  const { stderr } = await helm(['template', 'days', chart, '--set', 'fullnameOverride=7days']);
  expect(stderr).toContain('fullnameOverride');
});

test('each value of a template is quoted: what a checksum or a password is made of may be digits alone', () => {
  const folder = `${chart}/templates`;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(yaml|tpl)$/.test(file));
  const bare = files.flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => /(: |^\s*- )\{\{ [^{}]+ \}\}($|,| \})/.test(line) && !/\| quote \}\}|\{\{ toJson |replicas: /.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(bare).toEqual([]);
});

test('helm test tries the pool of the notes, or the one that the values name', async () => {
  const trialOf = (objects: readonly Manifest[]): PodSpec['containers'][0] =>
    (only(objects, 'Pod').spec as unknown as PodSpec).containers[0];
  expect(trialOf(plain)).toMatchObject({
    image: unset,
    args: [
      'trial',
      '--gateway=ws://live.system:6790',
      '--publisher=http://live-publish.system:6789',
      '--channel=trial',
      expect.any(String),
    ],
  });
  const secured = await rendered({ test: { tlsSecret: { name: 'live-tls' } } });
  expect(trialOf(secured)['args']).toEqual([
    'trial',
    '--gateway=wss://live.system.svc:6790',
    '--publisher=https://live-publish.system.svc:6789',
    '--certificates=/etc/barrage/tls',
    '--channel=trial',
    expect.any(String),
  ]);
  const items = ['tls.crt', 'ca.crt'].map((key) => ({ key, path: key }));
  expect(only(secured, 'Pod').spec).toMatchObject({
    volumes: [{ name: 'tls', secret: { secretName: 'live-tls', optional: true, items } }],
    containers: [{ volumeMounts: [{ name: 'tls', mountPath: '/etc/barrage/tls', readOnly: true }] }],
  });
  // The quickstart's own pool says it itself, and nothing of another one.
  const quickstart = { enabled: true, pool: { spec: { tls: { secretName: 'first' } } } };
  expect(only(await rendered({ quickstart }), 'Pod').spec).toMatchObject({ volumes: [{ secret: { secretName: 'first' } }] });
  expect(only(await rendered({ quickstart, test: { pool: { name: 'big' } } }), 'Pod').spec).not.toHaveProperty('volumes');

  const other = trialOf(await rendered(odd));
  expect(other['args']).toEqual([
    'trial',
    '--gateway=ws://big.shows:6790',
    '--publisher=http://big-publish.shows:6789',
    '--channel=a',
    expect.stringMatching(/^--needs-key=Secret k with key b is missing in namespace shows\. Create GatewayPool big there/),
  ]);
  const secrets = [
    { name: 'BARRAGE_API_KEY', valueFrom: { secretKeyRef: { name: 'k', key: 'b', optional: true } } },
    { name: 'BARRAGE_TOKEN', valueFrom: { secretKeyRef: { name: 't', key: 'token', optional: true } } },
  ];
  expect(other.env).toEqual(secrets);
  const watching = await rendered({ watchNamespaces: ['one', 'two'] });
  expect(only(watching, 'Pod').metadata.namespace).toBe('one');
  expect((await rendered({ test: { enabled: false } })).some(({ kind }) => kind === 'Pod')).toBe(false);
});

test('names keep two releases in one cluster apart, and no longer than a label', async () => {
  const [other, long] = [await rendered({ 'crds.enabled': false }, 'second'), await rendered({}, 'r'.repeat(53))];
  const taken = new Set(plain.map(({ kind, metadata: { name } }) => `${kind} ${name}`));
  expect(other.filter(({ kind, metadata: { name } }) => taken.has(`${kind} ${name}`))).toEqual([]);
  for (const { kind, metadata } of long) if (kind !== 'CustomResourceDefinition') expect(metadata.name.length).toBeLessThanOrEqual(63);
});

test("pools' network policies let the operator in, whatever its values", async () => {
  const pool = withDefaults('GatewayPool', { metadata: { name: 'live', namespace: 'shows', uid: '1' }, spec: {} });
  const peers = JSON.stringify(networkPolicies(pool, { operatorNamespace: 'system', metricsNamespaces: { metrics: 'enabled' } }));
  for (const objects of [plain, await rendered(odd, 'a-release')]) {
    const { labels } = podOf(objects).metadata;
    expect(peers).toContain(JSON.stringify({ matchLabels: { 'app.kubernetes.io/name': labels?.['app.kubernetes.io/name'] } }));
    expect(peers).toContain(
      JSON.stringify({ matchLabels: { 'kubernetes.io/metadata.name': only(objects, 'Deployment').metadata.namespace } }),
    );
  }
});

test.each([
  ['replica=3', "additional properties 'replica' not allowed"],
  ['crds.keeps=true', "at '/crds': additional properties 'keeps' not allowed"],
  ['replicas=two', "at '/replicas': got string, want integer"],
  ['replicas=11', "at '/replicas': maximum: got 11, want 10"],
  ['image.tag=a b', "at '/image/tag': 'a b' does not match pattern"],
  ['image.digest=sha256:0', "at '/image/digest': 'sha256:0' does not match pattern"],
  ['image.pullPolicy=Sometimes', "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"],
  ['image.pullSecrets[0]=a', "at '/image/pullSecrets/0': got string, want object"],
  ['watchNamespaces=live', "at '/watchNamespaces': got string, want array"],
  ['watchNamespaces={A_b}', "at '/watchNamespaces/0': 'A_b' does not match pattern"],
  ['watchNamespaces={a,a}', "at '/watchNamespaces': items at 0 and 1 are equal"],
  [`fullnameOverride=${'x'.repeat(46)}`, "at '/fullnameOverride': 'xxx"],
  ['logLevel=loud', "at '/logLevel': value must be one of 'debug'"],
  ['monitoring.podMonitor.enabled=yes', "at '/monitoring/podMonitor/enabled': value must be one of 'auto', true, false"],
  ['monitoring.podMonitor.interval=1d', "at '/monitoring/podMonitor/interval': '1d' does not match pattern"],
  ['monitoring.namespaceLabels=metrics', "at '/monitoring/namespaceLabels': 'metrics' does not match pattern"],
  ['monitoring.runbooksURL=runbooks', "at '/monitoring/runbooksURL': 'runbooks' does not match pattern"],
  ['monitoring.dashboards.annotations.a=1', "at '/monitoring/dashboards/annotations/a': got number, want string"],
  ['quickstart.pool.name=Live', "at '/quickstart/pool/name': 'Live' does not match pattern"],
  ['quickstart.redis.image=a b', "at '/quickstart/redis/image': 'a b' does not match pattern"],
  ['networkPolicy.metricsFrom={x}', "at '/networkPolicy/metricsFrom/0': got string, want object"],
  ['serviceAccount.create=false', 'serviceAccount.name must name an existing account when serviceAccount.create is false'],
])('--set %s is refused, and what is wrong is said', async (value, message) => {
  const { status, stdout, stderr } = await helm(['template', 'barrage', chart, '--set', value]);
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toContain(message);
});

test('the schema, the values and the table in README.md are about the same values', () => {
  const leaves = (values: object, prefix = ''): readonly string[] =>
    Object.entries(values).flatMap(([name, value]: [string, unknown]) => {
      const path = `${prefix}${name}`;
      if (chartValues().some((each) => each.path === path)) return [path];
      return typeof value === 'object' && value !== null ? leaves(value, `${path}.`) : [`${path} is not in the schema`];
    });
  const paths = chartValues().map(({ path }) => path);
  expect(leaves(defaultValues).toSorted()).toEqual(paths.toSorted());
  for (const path of paths) expect(defaultAt(path), path).toBeDefined();
  expect(valuesSchema.additionalProperties).toBe(false);
  expect(readFileSync(`${chart}/README.md`, 'utf8')).toContain(valuesDocument());
});

test('nobody gets a right by a wildcard, and the operator none that docs/operator.md does not tell', () => {
  const all = plain.flatMap(({ rules = [] }) => rules);
  expect(all.length).toBeGreaterThan(10);
  for (const { apiGroups, resources, verbs } of all) expect([...apiGroups, ...resources, ...verbs].join(' ')).not.toContain('*');
  for (const { verbs } of all) for (const verb of ['escalate', 'bind', 'impersonate', 'proxy']) expect(verbs).not.toContain(verb);
  const operator = plain.filter(({ metadata }) => metadata.name.startsWith('barrage-operator'));
  expect(documentedRights()).toEqual(rights(operator));
});

test('with namespaces to watch, the same rights end there: nothing but definitions is beyond them', async () => {
  const objects = await rendered({ watchNamespaces: ['one'], rbac: { aggregate: false } });
  expect(objects.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
  const role = only(objects, 'Role', 'barrage-operator');
  expect(role.metadata.namespace).toBe('one');
  expect(role.rules).toEqual(only(plain, 'ClusterRole', 'barrage-operator').rules);
});

test('the API that the chart installs is the one in crds/, word for word', async () => {
  for (const keep of [true, false]) {
    const objects = (await rendered({ 'crds.keep': keep })).filter(({ kind }) => kind === 'CustomResourceDefinition');
    expect(objects.length).toBe(readdirSync('crds').length);
    for (const object of objects) {
      const { labels, annotations, ...metadata } = object.metadata;
      expect(labels?.['helm.sh/chart']).toBeDefined();
      expect(annotations).toEqual(keep ? { 'helm.sh/resource-policy': 'keep' } : undefined);
      const [plural = ''] = metadata.name.split('.');
      expect({ ...object, metadata }).toEqual(manifests(readFileSync(`crds/${plural}.yaml`, 'utf8'))[0]);
    }
  }
});

test('a packaged chart holds the API itself', async () => {
  const folder = join(tmpdir(), `barrage-chart-${process.pid}`);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await helmDone(['package', chart, '--destination', folder]);
  const [archive = ''] = readdirSync(folder);
  expect(manifests(await helmDone(['template', 'barrage', join(folder, archive), '--namespace', 'system']))).toEqual(plain);
});

test('the notes name the commands that come next, for the namespaces that are watched', async () => {
  const flags = ['install', 'barrage', chart, '--dry-run=client', '--namespace', 'system'];
  const notes = (text: string): string => text.slice(text.indexOf('NOTES:'));
  const everywhere = notes(await helmDone(flags));
  expect(everywhere).toContain('kubectl -n system rollout status deployment/barrage-operator');
  expect(everywhere).toContain('kubectl get gatewaypool live');
  expect(everywhere).toContain('monitoring.dashboards.enabled=true');
  expect(everywhere).toContain('monitoring.runbooksURL says where');
  const linked = { monitoring: { runbooksURL: 'https://example.com/runbooks/', dashboards: { enabled: true } } };
  expect(notes(await helmDone([...flags, ...valueFlags(linked)]))).not.toMatch(/dashboards\.enabled|runbooksURL/);
  expect(notes(await helmDone([...flags, ...valueFlags({ watchNamespaces: ['shows'] })]))).toContain(
    'kubectl -n shows get gatewaypool live',
  );
});
