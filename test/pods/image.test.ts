import { beforeAll, expect, test } from 'vitest';
import { clusterTimeoutMs, sharedNode, type Cluster } from '../support/cluster.ts';
import { firstSnapshot } from '../support/operations.ts';

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
