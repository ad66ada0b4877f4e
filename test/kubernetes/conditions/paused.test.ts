import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { Cluster, clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { FaultProxy, isWrite } from '../../support/fault-proxy.ts';
import { channel, gatewayPool, redisBus, Surroundings } from './observation.ts';

let at: Surroundings;
let proxy: FaultProxy;
let operator: Operator;
let writes: string[] = [];

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('paused'));
  proxy = await FaultProxy.start(cluster.kubeconfig);
  proxy.fault = (request) => {
    if (isWrite(request) && request.resource !== 'events') writes.push(`${request.verb} ${request.path}`);
    return undefined;
  };
  operator = await startOperator(new Cluster({ kubeconfig: proxy.kubeconfig, url: cluster.url }), at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await proxy.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

const gateways = ['get', 'pods', '-l', 'app.kubernetes.io/component=gateway', '-o', 'name'];
const deleted = ['service/live', 'pdb/live-gateways', 'configmap/live-policies-0', 'secret/live-settings', 'secret/live-api-key'];
const edits: readonly (readonly [object: string, path: string, change: object])[] = [
  [
    'service/live-publish',
    '.spec.ports[0].port',
    { spec: { ports: [{ name: 'publish', port: 1234, targetPort: 6789, protocol: 'TCP' }] } },
  ],
  ['hpa/live-publisher', '.spec.maxReplicas', { spec: { maxReplicas: 77 } }],
  ['configmap/live-pool', '.data', { data: { 'pool.json': '{}' } }],
];

test('what somebody spoils while the pool is paused stays as it is, and is put right after the pause', { timeout: 180_000 }, async () => {
  await at.apply(gatewayPool('live', { replicas: 2, bus: redisBus }), channel('gifts', 'gift:*', 'live'));
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  await at.untilField('configmap/live-policies-0', '.data', /gift/);
  const before = await Promise.all(edits.map(([object, path]) => at.field(object, path)));

  await at.patch('gwp/live', { spec: { paused: true } });
  await at.untilReason('gwp/live', 'Paused', 'Paused');
  await expect.poll(() => operator.isIdle, { timeout: 10_000 }).toBe(true);
  writes = [];
  for (const [object, , change] of edits) await at.patch(object, change);
  for (const object of deleted) await at.kubectl('delete', object, '--wait=false');
  const [pod = ''] = (await at.kubectl(...gateways)).split('\n');
  await at.kubectl('delete', pod, '--force', '--grace-period=0');
  await at.apply(channel('likes', 'like:*', 'live'));
  // Another pool goes the whole way meanwhile.
  await at.apply(gatewayPool('other'));
  await at.untilReason('gwp/other', 'Ready', 'Unschedulable');
  await at.untilReason('bch/likes', 'Accepted', 'Accepted');
  await expect.poll(() => operator.isIdle, { timeout: 10_000 }).toBe(true);
  const ofPool = writes.filter(
    (write) => /\/(?:live|likes)\b/.test(write) && !/\/(?:gatewaypools|barragechannels)\/[^/]+\/status/.test(write),
  );
  expect(ofPool).toEqual([]);
  for (const object of deleted) expect(await at.read(object), object).toBeUndefined();
  expect(
    (await at.kubectl(...gateways))
      .trim()
      .split('\n')
      .filter((name) => name.startsWith('pod/live')),
  ).toHaveLength(1);
  expect((await at.condition('gwp/live', 'Paused'))?.status).toBe('True');
  expect(await at.condition('gwp/live', 'Ready')).toMatchObject({ status: 'False' });

  await at.patch('gwp/live', { spec: { paused: false } });
  for (const [index, [object, path]] of edits.entries()) {
    if (object === 'configmap/live-pool') await at.untilField(object, path, /"pool\.json":"\{.{100,}/);
    else await at.untilField(object, path, before[index] ?? '');
  }
  for (const object of deleted) await at.untilField(object, '.metadata.uid', /.+/);
  await at.untilField('configmap/live-policies-0', '.data', /like/);
  const count = async (): Promise<number> =>
    (await at.kubectl(...gateways)).split('\n').filter((name) => name.startsWith('pod/live')).length;
  await expect.poll(count, { timeout: 20_000 }).toBe(2);
  await at.untilReason('gwp/live', 'Paused', 'NotPaused');
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
});

test('a signing key that is deleted during the pause is told, and made anew after it', { timeout: 90_000 }, async () => {
  await at.patch('gwp/live', { spec: { paused: true } });
  await at.untilReason('gwp/live', 'Paused', 'Paused');
  await at.kubectl('delete', 'secret/live-signing');
  const { message } = await at.untilReason('gwp/live', 'Ready', 'MissingSecret');
  expect(message).toContain(
    'Secret live-signing, which the operator creates, is missing. The operator creates it when spec.paused is false.',
  );
  expect(await at.read('secret/live-signing')).toBeUndefined();
  await at.patch('gwp/live', { spec: { paused: false } });
  await at.untilField('secret/live-signing', '.metadata.uid', /.+/);
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
});
