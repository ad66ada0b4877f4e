import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { clusterTimeoutMs, sharedNode, type Cluster } from '../support/cluster.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedNode();
}, clusterTimeoutMs);

test('a pod runs, finds a Service by its name, and is reached through it from here', async () => {
  const namespace = await cluster.createNamespace('greeting');
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], JSON.stringify(greeting));
  await cluster.kubectl(['-n', namespace, 'wait', '--for=condition=Ready', 'pod/greeter', '--timeout=45s']);
  const address = await cluster.kubectl(['-n', namespace, 'get', 'service', 'greeter', '-o', 'jsonpath={.spec.clusterIP}']);
  // kube-proxy may learn of the pod a moment after kubectl did.
  const answer = (): Promise<string> => fetch(`http://${address}/`).then((response) => response.text(), String);
  await expect.poll(answer, { timeout: 15_000 }).toBe('hello from greeter');
  const ask = `fetch('http://greeter.${namespace}.svc.cluster.local/').then((response) => response.text()).then(console.log)`;
  expect(await cluster.kubectl(['-n', namespace, 'exec', 'greeter', '--', 'node', '-e', ask])).toBe('hello from greeter\n');
  expect(await cluster.kubectl(['-n', namespace, 'logs', 'greeter'])).toBe('listening\n');
  await cluster.kubectl(['-n', namespace, 'delete', 'pod', 'greeter', '--timeout=30s']);
  expect(await cluster.kubectl(['-n', namespace, 'get', 'pods', '-o', 'name'])).toBe('');
});

test('a node ends with the process that started it, also when that is killed, and leaves nothing; one that waited for its network starts then', async () => {
  const first = startProcess();
  const [firstLine] = (await once(first.stdout, 'data')) as [Buffer];
  const folder = dirname(firstLine.toString().trim());
  expect(traces(folder)).toEqual(['files', 'processes', 'cgroups', 'network']);
  const second = startProcess();
  const [warning] = (await once(second.stderr, 'data')) as [Buffer];
  expect(warning.toString()).toContain(`waiting: the test node 10.251 of this machine is in use (by process`);
  first.kill('SIGKILL');
  await expect.poll(() => traces(folder).filter((kind) => kind !== 'network'), { timeout: 15_000 }).toEqual([]);
  const [secondLine] = (await once(second.stdout, 'data')) as [Buffer];
  const nextFolder = dirname(secondLine.toString().trim());
  expect(traces(nextFolder)).toEqual(['files', 'processes', 'cgroups', 'network']);
  second.kill('SIGKILL');
  await expect.poll(() => traces(nextFolder), { timeout: 15_000 }).toEqual([]);
}, 120_000);

function startProcess(): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(process.execPath, ['test/support/cluster-process.ts', 'node', '10.251'], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/**
 * What there is of the node in the network 10.251. Its mounts are in a namespace of its own, which ends with its
 * processes.
 */
function traces(folder: string): readonly string[] {
  const isRunning = readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false; // it ended meanwhile
    }
  });
  const cgroups = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  const found = {
    files: existsSync(folder),
    processes: isRunning,
    cgroups: cgroups.some((path) => existsSync(`${path}/${basename(folder)}`)),
    network: 'barrage-251' in networkInterfaces(),
    mounts: readFileSync('/proc/self/mounts', 'utf8').includes(folder),
  };
  return Object.entries(found).flatMap(([name, isThere]) => (isThere ? [name] : []));
}

const server = `require('node:http').createServer((_, response) => response.end('hello from ' + require('node:os').hostname())).listen(8080, () => console.log('listening'))`;

const greeting = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'greeter', labels: { app: 'greeter' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'greeter',
            image: 'barrage:test',
            command: ['node', '-e', server],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'greeter' },
      spec: { selector: { app: 'greeter' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ],
};
