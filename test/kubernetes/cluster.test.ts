import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { clusterTimeoutMs, sharedApiServer, startApiServer, type Cluster } from '../support/cluster.ts';
import { until } from '../support/websocket.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedApiServer();
}, clusterTimeoutMs);

test('the API server answers, and is of the version that was built', async () => {
  const version = JSON.parse(await cluster.kubectl(['version', '-o', 'json'])) as Record<
    'clientVersion' | 'serverVersion',
    { gitVersion: string }
  >;
  expect(version.serverVersion.gitVersion).toMatch(/^v1\.\d+\.\d+/);
  expect(cluster.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
});

test('a resource of our own is established; its schema and its CEL rules are in force', async () => {
  const namespace = await cluster.createNamespace('widgets');
  await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(widgetDefinition));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/widgets.test.barrage.dev', '--timeout=30s']);
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], widget('good', 1, 2));
  await expect(cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], widget('bad', 3, 2))).rejects.toThrow('at least min');
  await cluster.kubectl(['-n', namespace, 'scale', 'widget/good', '--replicas=5']);
  expect(await cluster.kubectl(['-n', namespace, 'get', 'widget', 'good', '-o', 'jsonpath={.spec.replicas}'])).toBe('5');
});

test('what is in one namespace is not in another, and ends with it', async () => {
  const [one, other] = [await cluster.createNamespace('one'), await cluster.createNamespace('other')];
  await cluster.kubectl(['-n', one, 'create', 'configmap', 'mine', '--from-literal=a=b']);
  expect(await cluster.kubectl(['-n', one, 'get', 'configmap', 'mine', '-o', 'jsonpath={.data.a}'])).toBe('b');
  await expect(cluster.kubectl(['-n', other, 'get', 'configmap', 'mine'])).rejects.toThrow('not found');
  await cluster.kubectl(['delete', 'namespace', one, '--timeout=30s']);
  await expect(cluster.kubectl(['get', 'namespace', one])).rejects.toThrow('not found');
});

test('the controllers run: a Deployment gets its ReplicaSet and its Pod, which is never started', async () => {
  const namespace = await cluster.createNamespace('controllers');
  await cluster.kubectl(['-n', namespace, 'create', 'deployment', 'idle', '--image=pause:1']);
  const pods = (): Promise<string> =>
    cluster.kubectl(['-n', namespace, 'get', 'pods', '-l', 'app=idle', '-o', 'jsonpath={.items[*].status.phase}']);
  await expect.poll(pods, { timeout: 15_000 }).toBe('Pending');
});

test('simulated nodes run pods, which are ready and have loopback addresses of their own, at which a test can answer for them', async () => {
  const simulated = await startApiServer({ simulatedNodes: true });
  onTestFinished(() => simulated.stop());
  await simulated.kubectl(['apply', '-f', '-'], JSON.stringify(fakeNode));
  await simulated.kubectl(['create', 'deployment', 'many', '--image=none', '--replicas=50']);
  await simulated.kubectl(['wait', '--for=jsonpath={.status.readyReplicas}=50', 'deployment/many', '--timeout=40s']);
  const addresses = await simulated.kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}']);
  expect(new Set(addresses.split(' ').filter((address) => address.startsWith('127.64.'))).size).toBe(50);
});

test('a cluster ends with the process that started it, also when that is killed', async () => {
  const child = spawn(process.execPath, ['test/support/cluster-process.ts', 'api'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const folder = dirname(line.toString().trim());
  expect(processesOf(folder).length).toBeGreaterThanOrEqual(4);
  child.kill('SIGKILL');
  await until(() => !existsSync(folder) && processesOf(folder).length === 0, 50);
});

test('a cluster whose starter is killed meanwhile ends too', async () => {
  const child = spawn(process.execPath, ['test/support/cluster-process.ts', 'api'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const folderOfChild = (): string | undefined => readdirSync(tmpdir()).find((name) => name.startsWith(`barrage-cluster-${child.pid}-`));
  await until(() => folderOfChild() !== undefined, 10);
  const folder = join(tmpdir(), folderOfChild() ?? '');
  await until(() => processesOf(folder).length > 0, 10);
  child.kill('SIGKILL');
  await expect.poll(() => existsSync(folder) || processesOf(folder).length > 0, { timeout: 40_000 }).toBe(false);
});

/** Processes that name a folder in their command line. */
function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
      } catch {
        return false; // it ended meanwhile
      }
    });
}

function widget(name: string, min: number, replicas: number): string {
  return JSON.stringify({ apiVersion: 'test.barrage.dev/v1', kind: 'Widget', metadata: { name }, spec: { min, replicas } });
}

const fakeNode = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'fake', annotations: { 'kwok.x-k8s.io/node': 'fake' } },
  status: { allocatable: { cpu: '64', memory: '1Ti', pods: '500' }, capacity: { cpu: '64', memory: '1Ti', pods: '500' } },
};

const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.test.barrage.dev' },
  spec: {
    group: 'test.barrage.dev',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                'x-kubernetes-validations': [{ rule: 'self.min <= self.replicas', message: 'replicas must be at least min' }],
                properties: { min: { type: 'integer' }, replicas: { type: 'integer' } },
              },
              status: { type: 'object', properties: { replicas: { type: 'integer' } } },
            },
          },
        },
      },
    ],
  },
};
