import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { gatewayApiDefinition, StandInGateway } from '../../support/gateway-api.ts';
import { countBy, OperatedCluster, print, type OperatorProcess } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 0 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const pool = 'live';
const routes = {
  exposure: { type: 'HTTPRoute', httpRoute: { hostname: 'live.example.com', parentRef: { name: 'edge', namespace: 'infra' } } },
};
const resyncMs = 1_000;
const idleMs = 10_000;

async function names(kind: string): Promise<readonly string[]> {
  const text = await operated.cluster.kubectl(['-n', operated.namespace, 'get', kind, '-o', 'jsonpath={.items[*].metadata.name}']);
  return text
    .split(' ')
    .filter((name) => name !== '')
    .toSorted();
}

async function untilNames(kind: string, expected: () => readonly string[]): Promise<void> {
  const wrong = async (): Promise<string> => {
    const [found, wanted] = [(await names(kind)).join(), expected().toSorted().join()];
    return found === wanted ? '' : `${found} instead of ${wanted}`;
  };
  await expect.poll(wrong, { timeout: 60_000, interval: 200 }).toBe('');
}

function podNames(): readonly string[] {
  return operated.gateways(pool).map(({ metadata }) => metadata.name ?? '');
}

const services = ['live', 'live-gateways', 'live-publish'];

async function untilReady(reason: string): Promise<string> {
  let message = '';
  const look = async (): Promise<string | undefined> => {
    const ready = (await operated.pools())[0]?.status?.conditions?.find(({ type }) => type === 'Ready');
    message = ready?.message ?? '';
    return ready?.reason;
  };
  await expect.poll(look, { timeout: 60_000, interval: 200 }).toBe(reason);
  return message;
}

async function expectNoWrites(operator: OperatorProcess): Promise<void> {
  await operated.untilDocumentsWritten();
  await vi.waitUntil(() => operator.writes(performance.now() - 2_000).length === 0, { timeout: 60_000, interval: 200 });
  const from = performance.now();
  await pause(idleMs);
  print(`in ${idleMs} ms, looked at again every ${resyncMs} ms: ${countBy(operator.writes(from)) || 'no write'}`);
  expect(operator.writes(from)).toEqual([]);
}

test('what a pool is made of follows its exposure and its bus, and what it has no use for goes', { timeout: 300_000 }, async () => {
  await operated.applyPool(pool, { replicas: 2, ...routes });
  const operator = await operated.startOperator({ resyncMs });
  const message = await untilReady('MissingGatewayAPI');
  expect(message).toContain('Install the definitions of the Gateway API');
  await untilNames('services', () => [...services, ...podNames()]);

  // Without a restart, and without a touch of the pool. An old definition does not do, and is told as such.
  const define = async (file: string): Promise<string> => operated.cluster.kubectl(['apply', '--server-side', '-f', file]);
  await define(await gatewayApiDefinition('httproutes', 'v1.1.0'));
  const untilTold = async (): Promise<string> => untilReady('MissingGatewayAPI');
  await expect.poll(untilTold, { timeout: 60_000, interval: 200 }).toMatch(/timeouts: field not declared in schema.*v1\.2 or newer/);
  await define(await gatewayApiDefinition('httproutes'));
  await untilNames('httproutes', () => ['live', ...podNames()]);
  expect(podNames()).toHaveLength(2);

  // No Gateway, then one that refuses, then one that accepts.
  expect(await untilReady('RouteUnanswered')).toContain('no controller has accepted it for the Gateway infra/edge');
  const edge = new StandInGateway(operated.cluster, operated.namespace);
  onTestFinished(() => edge.close());
  edge.answer = 'False';
  expect(await untilReady('RouteRefused')).toContain('the listener takes no routes of this namespace');
  edge.answer = 'True';
  await untilReady('Ready');
  const [gateway = ''] = podNames();
  const stored = JSON.parse(
    await operated.cluster.kubectl(['-n', operated.namespace, 'get', 'httproute', gateway, '-o', 'json']),
  ) as object;
  expect(stored).toMatchObject({
    spec: {
      hostnames: ['live.example.com'],
      parentRefs: [{ name: 'edge', namespace: 'infra' }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: `/${gateway}/` } }],
          timeouts: { request: '0s' },
          backendRefs: [{ name: gateway, port: 6790 }],
        },
      ],
    },
  });
  await operated.untilPublishersScaled();
  await expectNoWrites(operator);

  // By hand, and by scaling.
  await operated.cluster.kubectl(['-n', operated.namespace, 'delete', 'httproute', gateway]);
  await untilNames('httproutes', () => ['live', ...podNames()]);
  await operated.applyPool(pool, { replicas: 1, ...routes });
  await operated.untilConverged();
  expect(podNames()).toHaveLength(1);
  await untilNames('httproutes', () => ['live', ...podNames()]);
  await untilNames('services', () => [...services, ...podNames()]);

  // Somebody else's object in our labels is not ours.
  const labels = { 'app.kubernetes.io/managed-by': 'barrage-operator', 'barrage.dev/pool': pool };
  const foreign = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'foreign', labels }, spec: { clusterIP: 'None' } };
  await operated.cluster.kubectl(['-n', operated.namespace, 'apply', '-f', '-'], JSON.stringify(foreign));
  const uids = operated.gateways(pool).map(({ metadata }) => metadata.uid);
  await operated.applyPool(pool, { replicas: 1, exposure: { type: 'PodIP' } });
  await untilNames('httproutes', () => []);
  await untilNames('services', () => [...services, 'foreign']);
  expect(operated.gateways(pool).map(({ metadata }) => metadata.uid)).toEqual(uids);

  expect(await names('deployments,hpa,pdb,networkpolicies')).toContain('live-publisher');
  await operated.applyPool(pool, { replicas: 1, bus: { type: 'Memory' } });
  await untilNames('deployments,hpa', () => []);
  await untilNames('pdb,networkpolicies', () => ['live-gateways', 'live-gateways']);
  await operated.untilConverged();
  await expectNoWrites(operator);
  expect(operated.pods.objections).toEqual([]);
});
