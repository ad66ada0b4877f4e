import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { createLogger } from '../../../core/process/logging.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { Operator } from '../../../operator/operator.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { chart, helm, helmDone, valueFlags } from '../chart/helm.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
}, clusterTimeoutMs);

const timeout = 120_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The chart's rights in these namespaces, and a kubeconfig of who has them. All of it ends with the test. */
async function grantedIn(home: string, namespaces: readonly string[]): Promise<string> {
  const values = { watchNamespaces: namespaces, crds: { enabled: false }, rbac: { aggregate: false } };
  onTestFinished(async () => void (await helm(['uninstall', 'barrage', '--namespace', home], cluster.kubeconfig)));
  await helmDone(['install', 'barrage', chart, '--namespace', home, ...valueFlags(values)], cluster.kubeconfig);
  const token = (await cluster.kubectl(['-n', home, 'create', 'token', 'barrage-operator'])).trim();
  const folder = mkdtempSync(join(tmpdir(), 'barrage-rights-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const config = parse(readFileSync(cluster.kubeconfig, 'utf8')) as { readonly users: readonly { readonly name: string }[] };
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, JSON.stringify({ ...config, users: config.users.map(({ name }) => ({ name, user: { token } })) }));
  return kubeconfig;
}

interface Watching {
  readonly operator: Operator;
  readonly ready: () => Promise<string>;
  readonly metric: (sample: string) => Promise<string | undefined>;
}

/** An operator that has the rights of the kubeconfig and no others. */
async function startOperator(kubeconfig: string, home: string, namespaces: readonly string[]): Promise<Watching> {
  const [probes, metrics] = [await freePort(), await freePort()];
  const read = readSettings({
    BARRAGE_OPERATOR_NAMESPACE: home,
    BARRAGE_OPERATOR_WATCH_NAMESPACES: namespaces.join(','),
    // The only Lease that the chart's rights name.
    BARRAGE_OPERATOR_LEASE: 'barrage-operator',
    BARRAGE_OPERATOR_IMAGE: 'barrage:test',
    BARRAGE_OPERATOR_HOST: '127.0.0.1',
    BARRAGE_OPERATOR_PROBE_PORT: String(probes),
    BARRAGE_OPERATOR_METRICS_PORT: String(metrics),
    BARRAGE_LOG_LEVEL: process.env['BARRAGE_TEST_LOG_LEVEL'] ?? 'silent',
  });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const operator = await Operator.start({
    settings: read.settings,
    logger: createLogger({ part: 'operator', level: read.settings.logLevel }),
    source: { kubeconfig },
    onLost: (reason) => {
      throw new Error(`the operator lost its lead: ${reason}`);
    },
  });
  onTestFinished(() => operator.close());
  const ask = async (port: number, path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  return {
    operator,
    ready: () => ask(probes, '/readyz'),
    metric: async (sample) =>
      (await ask(metrics, '/metrics'))
        .split('\n')
        .find((line) => line.startsWith(`${sample} `))
        ?.slice(sample.length + 1),
  };
}

async function applyPool(namespace: string, spec: object = {}): Promise<void> {
  const pool = { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', metadata: { name: 'live' }, spec };
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], JSON.stringify(pool));
}

/** Gateways of the pool, and whether its status says anything. */
async function lookedAfter(namespace: string): Promise<readonly [pods: number, observedGeneration: string]> {
  const pods = await cluster.kubectl(['-n', namespace, 'get', 'pods', '-o', 'name', '-l', 'barrage.dev/pool=live']);
  const generation = await cluster.kubectl(['-n', namespace, 'get', 'gwp/live', '-o', 'jsonpath={.status.observedGeneration}']);
  return [pods.split('\n').filter((line) => line !== '').length, generation];
}

test(
  'a namespace whose Role is gone, and one that does not exist, hold no other up; with the Role back it is looked after',
  { timeout },
  async () => {
    const [home, kept, bereft] = [
      await cluster.createNamespace('home'),
      await cluster.createNamespace('kept'),
      await cluster.createNamespace('bereft'),
    ];
    const kubeconfig = await grantedIn(home, [kept, bereft]);
    const role = await cluster.kubectl(['-n', bereft, 'get', 'role', 'barrage-operator', '-o', 'json']);
    await cluster.kubectl(['-n', bereft, 'delete', 'role', 'barrage-operator']);
    await Promise.all([kept, bereft].map((namespace) => applyPool(namespace)));
    const watching = await startOperator(kubeconfig, home, [kept, bereft, 'nowhere-at-all']);
    await expect.poll(() => lookedAfter(kept), { timeout: 30_000 }).toEqual([1, '1']);
    expect(watching.operator.isLeader).toBe(true);
    expect(await watching.ready()).not.toContain('waiting');
    const refused = async (): Promise<readonly (string | undefined)[]> =>
      Promise.all(
        [kept, bereft, 'nowhere-at-all'].map((name) => watching.metric(`barrage_operator_namespace_refused{namespace="${name}"}`)),
      );
    expect(await refused()).toEqual(['0', '1', '1']);
    expect(await lookedAfter(bereft)).toEqual([0, '']);

    // Of its pods alone it knows nothing as long as it may not read all: it would make some that exist.
    const { metadata, rules } = JSON.parse(role) as {
      readonly metadata: { readonly name: string };
      readonly rules: readonly { resources: string[] }[];
    };
    const apply = (granted: typeof rules): Promise<string> => {
      const object = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: metadata.name }, rules: granted };
      return cluster.kubectl(['-n', bereft, 'apply', '-f', '-'], JSON.stringify(object));
    };
    await apply(rules.map((rule) => ({ ...rule, resources: rule.resources.filter((plural) => plural !== 'secrets') })));
    const known = (): Promise<string | undefined> => watching.metric(`barrage_operator_cache_objects{kind="GatewayPool in ${bereft}"}`);
    await expect.poll(known, { timeout: 45_000 }).toBe('1');
    expect(await refused()).toEqual(['0', '1', '1']);
    expect(await lookedAfter(bereft)).toEqual([0, '']);

    await apply(rules);
    // It is tried again after at most 30 s.
    await expect.poll(() => lookedAfter(bereft), { timeout: 45_000 }).toEqual([1, '1']);
    expect(await refused()).toEqual(['0', '0', '1']);
  },
);

test('who may read none of its namespaces does not lead, and says why', { timeout }, async () => {
  const [home, bereft] = [await cluster.createNamespace('home'), await cluster.createNamespace('bereft')];
  const kubeconfig = await grantedIn(home, [bereft]);
  await cluster.kubectl(['-n', bereft, 'delete', 'role', 'barrage-operator']);
  const watching = await startOperator(kubeconfig, home, [bereft]);
  await expect.poll(() => watching.metric(`barrage_operator_namespace_refused{namespace="${bereft}"}`), { timeout: 30_000 }).toBe('1');
  expect(await watching.ready()).toMatch(/waiting for: the API server to tell of .*GatewayPool in .*forbidden/);
  expect(watching.operator.isLeader).toBe(false);
});

test(
  'its rights are enough where the API server asks for one to own objects: also for what belongs to a gateway',
  { timeout },
  async () => {
    const [home, namespace] = [await cluster.createNamespace('home'), await cluster.createNamespace('strict')];
    const kubeconfig = await grantedIn(home, [namespace]);
    await applyPool(namespace, {
      exposure: { type: 'HTTPRoute', httpRoute: { hostname: 'live.example.com', parentRef: { name: 'edge' } } },
    });
    await startOperator(kubeconfig, home, [namespace]);
    const services = ['-n', namespace, 'get', 'services', '-l', 'barrage.dev/gateway', '-o'];
    const owner = 'jsonpath={.items[*].metadata.ownerReferences[*].kind}';
    await expect.poll(() => cluster.kubectl([...services, owner]), { timeout: 30_000 }).toBe('Pod');
    // The plugin is at work: who may make Services, and has no right on their owner, can't block its deletion.
    await cluster.kubectl(['-n', namespace, 'create', 'role', 'maker', '--verb=create,delete,patch,get', '--resource=services']);
    await cluster.kubectl(['-n', namespace, 'create', 'rolebinding', 'maker', '--role=maker', '--user=maker']);
    const [service] = (JSON.parse(await cluster.kubectl([...services, 'json'])) as { readonly items: readonly OwnedService[] }).items;
    const owners = service?.metadata.ownerReferences.map((each) => ({ ...each, blockOwnerDeletion: true })) ?? [];
    const blocking = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'blocking', ownerReferences: owners },
      spec: { ports: [{ port: 1 }] },
    };
    await expect(cluster.kubectl(['-n', namespace, '--as=maker', 'create', '-f', '-'], JSON.stringify(blocking))).rejects.toThrow(
      'cannot set blockOwnerDeletion',
    );
  },
);

interface OwnedService {
  readonly metadata: { readonly ownerReferences: readonly object[] };
}
