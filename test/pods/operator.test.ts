import { afterAll, beforeAll, expect, test } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import type { Operator } from '../../operator/operator.ts';
import { clusterTimeoutMs, sharedNode, type Cluster } from '../support/cluster.ts';
import { applyDefinitions, field, startOperator, startRedis, untilCondition } from './operated-pool.ts';

let cluster: Cluster;
let namespace: string;
let operator: Operator;

beforeAll(async () => {
  cluster = await sharedNode();
  await applyDefinitions(cluster);
  namespace = await cluster.createNamespace('operated', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  await startRedis(cluster, namespace);
  operator = await startOperator(cluster, namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
});

const pool = `apiVersion: barrage.dev/v1alpha1
kind: GatewayPool
metadata: {name: main}
spec:
  replicas: 2
  bus:
    type: Redis
    redis: {mode: Standalone, addresses: ["redis:6379"]}
  drain: {propagationSeconds: 1, deadlineSeconds: 30}
`;

async function apply(yaml: string): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], yaml);
}

async function publish(data: string): Promise<Record<string, unknown>> {
  const address = await field(cluster, namespace, 'service/main-publish', '.spec.clusterIP');
  const key = Buffer.from(await field(cluster, namespace, 'secret/main-api-key', '.data.key'), 'base64').toString();
  const response = await fetch(`http://${address}:6789/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ c: 'video:1', d: data }),
  });
  return (await response.json()) as Record<string, unknown>;
}

test('a ten-line GatewayPool becomes a working endpoint', async () => {
  const startedAt = performance.now();
  await apply(pool);
  await untilCondition(cluster, namespace, 'gwp/main', ['Ready', 'True']);
  process.stdout.write(`Ready after ${Math.round(performance.now() - startedAt)} ms\n`);
  const address = await field(cluster, namespace, 'service/main', '.spec.clusterIP');
  const viewer = new Barrage(`ws://${address}:6790/`);
  viewer.on('error', (error) => process.stdout.write(`viewer: ${String(error)}\n`));
  viewer.on('state', (state) => process.stdout.write(`viewer: ${state}\n`));
  const subscription = viewer.subscribe('video:1');
  const received: unknown[] = [];
  subscription.on('publication', ({ data }) => received.push(data));
  await expect.poll(() => subscription.state, { timeout: 15_000 }).toBe('subscribed');
  expect(await publish('hello')).toMatchObject({ E: null });
  await expect.poll(() => received, { timeout: 15_000 }).toEqual(['hello']);
  viewer.close();
});
