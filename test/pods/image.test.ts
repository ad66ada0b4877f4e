import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { clusterTimeoutMs, sharedNode, type Cluster } from '../support/cluster.ts';
import { firstSnapshot } from '../support/operations.ts';
import { TestClient } from '../support/websocket.ts';

let cluster: Cluster;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedNode();
  namespace = await cluster.createNamespace('image', { 'pod-security.kubernetes.io/enforce': 'restricted' });
}, clusterTimeoutMs);

test('the image refuses wrong settings with status 2 and says in its log what is wrong', async () => {
  await run(pod('misconfigured', 'barrage:test', { args: ['gateway'], env: [{ name: 'BARRAGE_GATEWAY_PORT', value: 'much' }] }));
  expect(await exitStatus('misconfigured')).toBe('2');
  expect(await cluster.kubectl(['-n', namespace, 'logs', 'misconfigured'])).toMatch(
    /^gateway: these settings are wrong[^]*BARRAGE_GATEWAY_PORT/,
  );
});

test('the image names its commands when it is given none of them', async () => {
  await run(pod('lost', 'barrage:test', { args: ['gatewya'] }));
  expect(await exitStatus('lost')).toBe('2');
  expect(await cluster.kubectl(['-n', namespace, 'logs', 'lost'])).toContain(
    "no command 'gatewya': use gateway, publisher, operator, standalone or trial",
  );
});

test.each(['gateway', 'publisher', 'standalone'])(
  'a %s of the image becomes ready beside a Redis pod, as a user without rights and on a read-only root, and leaves when told',
  async (command) => {
    const redis = `redis-for-${command}`;
    await run(pod(redis, 'redis:test', { args: ['--save', '', '--protected-mode', 'no', '--dir', '/tmp'] }));
    await wait(redis, 'condition=Ready');
    const address = await cluster.kubectl(['-n', namespace, 'get', 'pod', redis, '-o', 'jsonpath={.status.podIP}']);
    const env = Object.entries({
      BARRAGE_GATEWAY_HOST: '0.0.0.0',
      BARRAGE_PUBLISHER_HOST: '0.0.0.0',
      BARRAGE_ADMIN_PORT: '6780',
      BARRAGE_REDIS_URL: `redis://${address}:6379`,
      BARRAGE_API_KEYS: 'a-key-that-is-long-enough-for-a-test',
    }).map(([name, value]) => ({ name, value }));
    await run(
      pod(command, 'barrage:test', {
        args: [command],
        env,
        readinessProbe: { httpGet: { path: '/readyz', port: 6780 }, periodSeconds: 1 },
      }),
    );
    await wait(command, 'condition=Ready');
    const own = await cluster.kubectl(['-n', namespace, 'get', 'pod', command, '-o', 'jsonpath={.status.podIP}']);
    expect(await (await fetch(`http://${own}:6780/ops`)).text()).toContain('Barrage operations');
    expect((await fetch(`http://${own}:6780/ops/page/page.ts`)).headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    const { process } = await firstSnapshot(`http://${own}:6780/ops/events`);
    expect(process.role).toBe(command === 'standalone' ? 'gateway and publisher' : command);
    await cluster.kubectl(['-n', namespace, 'delete', 'pod', command, redis, '--timeout=30s']);
  },
);

test('standalone of the image needs no settings: it serves pages and API to others, with a key that it tells once, and leaves in order', async () => {
  await run(pod('alone', 'barrage:test', { args: ['standalone'], readinessProbe: { tcpSocket: { port: 6790 }, periodSeconds: 1 } }));
  await wait('alone', 'condition=Ready');
  const address = await cluster.kubectl(['-n', namespace, 'get', 'pod', 'alone', '-o', 'jsonpath={.status.podIP}']);
  const log = (): Promise<string> => cluster.kubectl(['-n', namespace, 'logs', 'alone']);
  await expect.poll(log).toContain('Ctrl-C ends it.');
  const told = await log();
  const [, key = ''] = /API key {4}(\S+)/.exec(told) ?? [];
  expect(key).toMatch(/^[0-9a-f]{48}$/);
  expect(told.split('\n').filter((line) => line.includes(key) && line.startsWith('{'))).toEqual([]);

  const page = await (await fetch(`http://${address}:6790/`)).text();
  const [, script = ''] = /src="([^"]+\.js)"/.exec(page) ?? [];
  expect((await fetch(new URL(script, `http://${address}:6790/`))).headers.get('content-type')).toMatch(/^text\/javascript/);

  const client = await fetch(`http://${address}:6790/barrage.js`);
  expect([client.status, await client.text()]).toEqual([200, expect.stringContaining('barrage-extra-')]);

  const publish = (headers: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`http://${address}:6789/v1/mesh/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ c: 'video:1', d: 'seen from outside' }),
    });
  // As the page does it: from the origin that it came from.
  const viewer = new TestClient(new WebSocket(`ws://${address}:6790/`, { origin: `http://${address}:6790` }));
  await once(viewer.socket, 'open');
  expect(await viewer.ask({ op: 'subscribe', channel: '1@video' })).toBe('{"result":true}');
  expect((await publish({})).status).toBe(401);
  expect((await publish({ authorization: `Bearer ${'x'.repeat(32)}` })).status).toBe(401);
  await expect
    .poll(async () => ((await (await publish({ authorization: `Bearer ${key}` })).json()) as { readonly r: { readonly s: number } }).r.s)
    .toBe(1);
  await expect.poll(() => viewer.texts.join('\n')).toContain('seen from outside');

  await cluster.kubectl(['-n', namespace, 'exec', 'alone', '--', 'node', '-e', "process.kill(1, 'SIGTERM')"]);
  await wait('alone', 'jsonpath={.status.phase}=Succeeded');
  expect(await log()).toContain('"event":"drain-ended"');
});

async function run(object: unknown): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'create', '-f', '-'], JSON.stringify(object));
}

async function wait(name: string, condition: string): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'wait', `--for=${condition}`, `pod/${name}`, '--timeout=45s']);
}

async function exitStatus(name: string): Promise<string> {
  await wait(name, 'jsonpath={.status.phase}=Failed');
  return cluster.kubectl(['-n', namespace, 'get', 'pod', name, '-o', 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}']);
}

function pod(name: string, image: string, container: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 10,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image,
          securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
          ...container,
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  };
}
