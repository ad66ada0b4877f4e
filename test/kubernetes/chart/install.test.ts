import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { resources } from '../../../operator/kube/resources.ts';
import { clusterTimeoutMs, startApiServer, type OwnCluster } from '../../support/cluster.ts';
import { chart, helm, helmDone, valueFlags, type Manifest } from './helm.ts';

// An API server of its own: the definitions belong to the whole cluster, and are taken away here.
let cluster: OwnCluster;

beforeAll(async () => {
  cluster = await startApiServer();
}, clusterTimeoutMs);

vi.setConfig({ hookTimeout: 90_000 });

afterAll(async () => {
  await cluster?.stop();
});

/** Installs the chart in a namespace, and uninstalls it with all its definitions when the test ends. */
async function install(namespace: string, values: object = {}): Promise<void> {
  onTestFinished(() => remove(namespace));
  await helmDone(['install', 'barrage', chart, '--namespace', namespace, ...valueFlags(values)], cluster.kubeconfig);
}

/**
 * Takes away what there still is of the release, and all definitions. Their objects go first, then the finalizers: the
 * API server's own cleaning up looks again after a growing delay, and is not what is tested here.
 */
async function remove(namespace: string): Promise<void> {
  await helm(['uninstall', 'barrage', '--namespace', namespace], cluster.kubeconfig);
  for (const name of await definitions()) {
    const [, definition = ''] = name.split('/');
    await cluster.kubectl(['delete', definition, '--all', '--all-namespaces']);
    await cluster.kubectl(['delete', name, '--wait=false']);
    const unfinalized = cluster.kubectl(['patch', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    await unfinalized.catch((error: unknown) => expect(String(error)).toContain('NotFound'));
    await cluster.kubectl(['wait', '--for=delete', name, '--timeout=30s']);
  }
}

async function uninstall(namespace: string): Promise<void> {
  await helmDone(['uninstall', 'barrage', '--namespace', namespace], cluster.kubeconfig);
}

async function definitions(): Promise<readonly string[]> {
  const names = await cluster.kubectl(['get', 'crd', '-o', 'name']);
  return names.split('\n').filter((name) => name.endsWith('.barrage.dev'));
}

async function makePool(namespace: string, pool = firstPool(readFileSync('docs/operator.md', 'utf8'), '')): Promise<void> {
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/gatewaypools.barrage.dev', '--timeout=30s']);
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], pool);
}

/** The pool in a text whose lines begin with `indent`. */
function firstPool(text: string, indent: string): string {
  const from = text.indexOf(`${indent}apiVersion: barrage.dev/v1alpha1`);
  const lines = text.slice(from).split('\n');
  const end = lines.findIndex((line) => line.trim() === '```' || line.trim() === 'EOF');
  return lines.slice(0, end).join('\n');
}

interface Question {
  readonly user: string;
  /** Absent: any object of the kind. */
  readonly name?: string;
  readonly namespace?: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
}

/** Asks the API server who may do what; the answers are in the questions' order. */
async function allowed(questions: readonly Question[]): Promise<readonly boolean[]> {
  const items = questions.map(({ user, ...resourceAttributes }) => ({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes },
  }));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const answers = await cluster.kubectl(['create', '-f', '-', '-o', 'jsonpath={.status.allowed}{"\\n"}'], list);
  return answers
    .trim()
    .split('\n')
    .map((answer) => answer === 'true');
}

test('the API server accepts all of the chart in a dry run, which leaves nothing', async () => {
  const namespace = await cluster.createNamespace('dry');
  for (const values of [
    {},
    { networkPolicy: { enabled: true, metricsFrom: [{ podSelector: {} }] }, watchNamespaces: [namespace] },
    { 'monitoring.dashboards.enabled': true },
    { 'quickstart.enabled': true },
  ])
    await helmDone(['install', 'barrage', chart, '--dry-run=server', '--namespace', namespace, ...valueFlags(values)], cluster.kubeconfig);
  expect(await definitions()).toEqual([]);
  expect(await cluster.kubectl(['-n', namespace, 'get', 'all', '-o', 'name'])).toBe('');
});

describe('installed with its defaults in a namespace that enforces restricted pods', () => {
  let namespace: string;
  let notes: string;

  beforeAll(async () => {
    namespace = await cluster.createNamespace('restricted', { 'pod-security.kubernetes.io/enforce': 'restricted' });
    notes = await helmDone(['install', 'barrage', chart, '--namespace', namespace], cluster.kubeconfig);
  });

  afterAll(() => remove(namespace));

  test('the namespace takes both operators, and refuses what is not restricted', async () => {
    await expect(cluster.kubectl(['-n', namespace, 'run', 'lax', '--image=pause', '--dry-run=server'])).rejects.toThrow(
      'violates PodSecurity',
    );
    const pods = async (): Promise<number> =>
      (await cluster.kubectl(['-n', namespace, 'get', 'pods', '-o', 'name', '-l', 'app.kubernetes.io/component=operator'])).split('\n')
        .length - 1;
    await expect.poll(pods, { timeout: 15_000 }).toBe(2);
  });

  test('the definitions in the cluster are those in crds/, and the pools in the notes and in docs/operator.md are accepted', async () => {
    const stored = JSON.parse(await cluster.kubectl(['get', 'crd', '-o', 'json'])) as { readonly items: readonly Manifest[] };
    const ours = await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', 'crds/', '-o', 'json']);
    const specs = (text: readonly Manifest[]): object => Object.fromEntries(text.map(({ metadata, spec }) => [metadata.name, spec]));
    expect(specs(stored.items)).toEqual(specs((JSON.parse(ours) as { readonly items: readonly Manifest[] }).items));
    await makePool(namespace);
    await makePool(namespace, firstPool(notes, '  '));
    expect(await cluster.kubectl(['-n', namespace, 'get', 'gatewaypool', 'live', '-o', 'jsonpath={.spec.replicas}'])).toBe('2');
  });

  test('the operator may read every kind that it knows, in all namespaces, and nothing else of the cluster', async () => {
    const user = `system:serviceaccount:${namespace}:barrage-operator`;
    const readOtherwise = ['events', 'leases', 'namespaces'];
    const kinds = Object.values(resources).filter(({ plural }) => !readOtherwise.includes(plural));
    expect(kinds.length).toBeGreaterThan(10);
    const reads = kinds.flatMap(({ apiVersion, plural }) =>
      ['get', 'list', 'watch'].map((verb) => ({
        user,
        verb,
        group: apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '',
        resource: plural,
      })),
    );
    const answers = await allowed(reads);
    expect(reads.filter((_, index) => answers[index] !== true)).toEqual([]);
    expect(
      await allowed([
        { user, verb: 'update', group: 'coordination.k8s.io', resource: 'leases', name: 'barrage-operator', namespace },
        { user, verb: 'create', group: 'events.k8s.io', resource: 'events', namespace: 'default' },
        { user, verb: 'patch', group: '', resource: 'pods', subresource: 'status', namespace: 'default' },
      ]),
    ).toEqual([true, true, true]);
    expect(
      await allowed([
        { user, verb: 'update', group: 'coordination.k8s.io', resource: 'leases', name: 'barrage-operator', namespace: 'kube-system' },
        { user, verb: 'update', group: 'coordination.k8s.io', resource: 'leases', name: 'another', namespace },
        { user, verb: 'create', group: '', resource: 'pods', subresource: 'exec', namespace: 'default' },
        { user, verb: 'delete', group: '', resource: 'nodes' },
        { user, verb: 'delete', group: 'barrage.dev', resource: 'gatewaypools', namespace: 'default' },
        { user, verb: 'create', group: 'rbac.authorization.k8s.io', resource: 'rolebindings', namespace: 'default' },
        { user, verb: 'deletecollection', group: '', resource: 'secrets', namespace: 'default' },
      ]),
    ).toEqual([false, false, false, false, false, false, false]);
  });

  test('who may edit or view a namespace may do so with its pools', async () => {
    for (const role of ['edit', 'view'])
      await cluster.kubectl(['-n', namespace, 'create', 'rolebinding', role, `--clusterrole=${role}`, `--user=${role}or`]);
    const pools = { namespace, group: 'barrage.dev', resource: 'gatewaypools' };
    const answers = (): Promise<readonly boolean[]> =>
      allowed([
        { ...pools, user: 'editor', verb: 'create' },
        { ...pools, user: 'editor', verb: 'patch', subresource: 'scale' },
        { ...pools, user: 'editor', verb: 'patch', subresource: 'status' },
        { ...pools, user: 'viewor', verb: 'list' },
        { ...pools, user: 'viewor', verb: 'create' },
      ]);
    await expect.poll(answers, { timeout: 15_000 }).toEqual([true, true, false, true, false]);
  });

  test('a second release under another name leaves the definitions to the first', async () => {
    const { status, stderr } = await helm(['install', 'other', chart, '--namespace', namespace], cluster.kubeconfig);
    expect([status, stderr]).toEqual([1, expect.stringContaining('invalid ownership metadata')]);
    const another = ['install', 'another', chart, '--namespace', namespace];
    await helmDone([...another, '--set', 'crds.enabled=false'], cluster.kubeconfig);
    await helmDone(['uninstall', 'another', '--namespace', namespace], cluster.kubeconfig);
    expect(await definitions()).toHaveLength(2);
  });
});

test('with namespaces to watch, its rights end there', async () => {
  const [namespace, watched] = [await cluster.createNamespace('narrow'), await cluster.createNamespace('watched')];
  await install(namespace, { watchNamespaces: [watched], crds: { enabled: false } });
  const user = `system:serviceaccount:${namespace}:barrage-operator`;
  const secrets = { user, verb: 'get', group: '', resource: 'secrets' };
  expect(await allowed([{ ...secrets, namespace: watched }, { ...secrets, namespace }, secrets])).toEqual([true, false, false]);
});

/** What docs/operator.md says to type for an upgrade, for a chart in a folder; nothing of it is waited for. */
function upgradeAsDocumented(folder: string, namespace: string): readonly string[] {
  const [, words = ''] = /^helm (upgrade barrage charts\/barrage .*)$/m.exec(readFileSync('docs/operator.md', 'utf8')) ?? [];
  const said: Readonly<Record<string, string>> = { 'charts/barrage': folder, 'barrage-system': namespace };
  return words.split(' ').flatMap((word) => (word === '--wait' ? [] : [said[word] ?? word]));
}

test('an upgrade of the chart as documented changes the definitions in the cluster and no pool, and knows values that are new', async () => {
  const namespace = await cluster.createNamespace('upgrade');
  await install(namespace, { apiRate: 77 });
  await makePool(namespace);
  const folder = mkdtempSync(join(tmpdir(), 'barrage-chart-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(chart, folder, { recursive: true, dereference: true });
  const change = (path: string, from: string, to: string): void => {
    const before = readFileSync(join(folder, path), 'utf8');
    expect(before).toContain(from);
    writeFileSync(join(folder, path), before.replace(from, to));
  };
  change('definitions/gatewaypools.yaml', 'shortNames: [gwp]', 'shortNames: [gwp, gwpool]');
  change('values.yaml', 'watchNamespaces: []', 'watchNamespaces: []\n\nnovelty:\n  level: none');
  change('values.schema.json', '"properties": {', '"properties": {\n    "novelty": { "type": "object" },');
  change('templates/operator.yaml', 'enableServiceLinks:', 'hostname: {{ .Values.novelty.level }}\n      enableServiceLinks:');
  const pool = ['-n', namespace, 'get', 'gatewaypool', 'live', '-o', 'jsonpath={.metadata.uid} {.metadata.generation}'];
  const before = await cluster.kubectl(pool);
  await helmDone(upgradeAsDocumented(folder, namespace), cluster.kubeconfig);
  expect(await cluster.kubectl(['get', 'crd', 'gatewaypools.barrage.dev', '-o', 'jsonpath={.spec.names.shortNames}'])).toBe(
    '["gwp","gwpool"]',
  );
  const deployment = await cluster.kubectl(['-n', namespace, 'get', 'deployment', 'barrage-operator', '-o', 'json']);
  for (const said of ['"77"', '"hostname": "none"', 'barrage:NEW']) expect(deployment).toContain(said);
  expect(await cluster.kubectl(pool)).toBe(before);
});

test('uninstalling leaves the definitions and the pools, and the next installation takes them up', async () => {
  const namespace = await cluster.createNamespace('keep');
  await install(namespace);
  await makePool(namespace);
  await uninstall(namespace);
  expect(await cluster.kubectl(['-n', namespace, 'get', 'deployments,roles,serviceaccounts,services', '-o', 'name'])).toBe(
    'serviceaccount/default\n',
  );
  expect(await cluster.kubectl(['get', 'clusterroles', '-o', 'name'])).not.toContain('barrage');
  expect(await definitions()).toHaveLength(2);
  expect(await cluster.kubectl(['-n', namespace, 'get', 'gatewaypools', '-o', 'name'])).toBe('gatewaypool.barrage.dev/live\n');
  await helmDone(['install', 'barrage', chart, '--namespace', namespace], cluster.kubeconfig);
  expect(await cluster.kubectl(['-n', namespace, 'get', 'gatewaypools', '-o', 'name'])).toBe('gatewaypool.barrage.dev/live\n');
});

test('with crds.keep=false uninstalling takes the definitions along, and a deleted namespace waits for nobody', async () => {
  const namespace = await cluster.createNamespace('gone');
  await install(namespace, { 'crds.keep': false });
  await makePool(namespace);
  await uninstall(namespace);
  await expect.poll(definitions, { timeout: 15_000 }).toEqual([]);
  await cluster.kubectl(['delete', 'namespace', namespace, '--timeout=30s']);
});
