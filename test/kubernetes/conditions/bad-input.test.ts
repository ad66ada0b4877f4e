import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { Certificates } from '../../support/certificates.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { channel, gatewayPool, redisBus, Surroundings } from './observation.ts';

/** There is no node here: what heals gets as far as pods that nothing can run. */
const healed = 'Unschedulable';

let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('conditions', { 'pod-security.kubernetes.io/enforce': 'restricted' }));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

test('a pool in good order is as ready as it can be without a node', async () => {
  await at.apply(gatewayPool('neighbour'));
  await at.untilReason('gwp/neighbour', 'Ready', healed);
});

test('a pool that names a Secret which is missing says which, and goes on when it is there', async () => {
  await at.apply(gatewayPool('secretless', { auth: { apiKeysSecret: { name: 'backend-keys' } } }));
  const { status, message } = await at.untilReason('gwp/secretless', 'Ready', 'MissingSecret');
  expect(status).toBe('False');
  expect(message).toContain('Secret backend-keys, which spec.auth.apiKeysSecret names, does not exist.');
  expect(message).toContain('Create it');
  await at.kubectl('create', 'secret', 'generic', 'backend-keys', '--from-literal=one=a-key-of-the-backend-0123456789');
  await at.untilReason('gwp/secretless', 'Ready', healed);
});

test('a pool with TLS says that its Secret is missing or of another type, and goes on when it is good', { timeout: 120_000 }, async () => {
  const certificates = await Certificates.make('DNS:live.example.com');
  onTestFinished(() => certificates.dispose());
  await at.apply(gatewayPool('encrypted', { tls: { secretName: 'web-tls' } }));
  const { message } = await at.untilReason('gwp/encrypted', 'Ready', 'MissingSecret');
  expect(message).toContain('Secret web-tls, which spec.tls.secretName names, does not exist.');
  await at.kubectl('create', 'secret', 'generic', 'web-tls', '--from-literal=tls.crt=x');
  await expect
    .poll(async () => (await at.condition('gwp/encrypted', 'Ready'))?.message, { timeout: 30_000 })
    .toContain('is of the type Opaque, not kubernetes.io/tls. Create it by kubectl create secret tls.');
  await at.kubectl('delete', 'secret', 'web-tls');
  await at.kubectl('create', 'secret', 'tls', 'web-tls', `--cert=${certificates.certificateFile}`, `--key=${certificates.keyFile}`);
  await at.untilReason('gwp/encrypted', 'Ready', healed);
});

test('a template with a field that pods do not have is refused with the name of the field, and other pools are not', async () => {
  await at.apply(gatewayPool('misspelt', { template: { spec: { hostNetwrok: true } } }));
  const { message } = await at.untilReason('gwp/misspelt', 'Ready', 'InvalidTemplate');
  expect(message).toContain('hostNetwrok');
  expect(message).toContain('Correct spec.template');
  expect((await at.condition('gwp/neighbour', 'Ready'))?.reason).toBe(healed);
  await at.apply(gatewayPool('misspelt', { template: { spec: { hostNetwrok: null, priority: null } } }));
  await at.untilReason('gwp/misspelt', 'Ready', healed);
});

test("a field that pods do not have in the publishers' template is refused too", async () => {
  await at.apply(
    gatewayPool('mistyped', { bus: redisBus, publisher: { minReplicas: 1, template: { spec: { nodeSelectr: { a: 'b' } } } } }),
  );
  const { message } = await at.untilReason('gwp/mistyped', 'Ready', 'InvalidTemplate');
  expect(message).toContain('nodeSelectr');
  await at.apply(gatewayPool('mistyped', { bus: redisBus, publisher: { minReplicas: 1 } }));
  await at.untilReason('gwp/mistyped', 'Ready', healed);
});

test('a value that the API server refuses is named', async () => {
  await at.apply(gatewayPool('invalid', { template: { spec: { dnsPolicy: 'Sometimes' } } }));
  const { message } = await at.untilReason('gwp/invalid', 'Ready', 'InvalidTemplate');
  expect(message).toContain('dnsPolicy');
  await at.apply(gatewayPool('invalid'));
  await at.untilReason('gwp/invalid', 'Ready', healed);
});

test("marks of the operator's own in a template reach no pod, and are named", async () => {
  // As in what `kubectl get pod -o yaml` shows of a gateway that leaves.
  const annotations = { 'barrage.dev/drain-started': '2026-11-22T10:00:00.000Z', note: 'kept' };
  const template = { metadata: { annotations } };
  await at.apply(gatewayPool('pasted', { bus: redisBus, replicas: 1, template, publisher: { minReplicas: 1, template } }));
  const { message } = await at.untilReason('gwp/pasted', 'TemplateApplied', 'TemplateOverruled');
  expect(message).toContain('spec.template.metadata.annotations.barrage.dev/drain-started, spec.publisher.template.metadata.annotations');
  await at.untilReason('gwp/pasted', 'Ready', healed);
  await expect.poll(() => operator.isIdle, { timeout: 10_000 }).toBe(true);
  const told = (await at.events('GatewayPool/pasted')).filter(({ type }) => type === 'Normal').map(({ reason }) => reason);
  expect(told).toEqual(['PodCreated']);
  const kept = (await at.kubectl('get', 'pods', '-l', 'barrage.dev/pool=pasted', '-o', 'jsonpath={.items[*].metadata.annotations}')).trim();
  expect(kept).toContain('"note":"kept"');
  expect(kept).not.toContain('drain-started');
});

test('a privileged container is refused where the namespace enforces Pod Security, and a condition says so everywhere', async () => {
  const privileged = { containers: [{ name: 'barrage', securityContext: { privileged: true } }] };
  await at.apply(gatewayPool('mighty', { template: { spec: privileged } }));
  const { message } = await at.untilReason('gwp/mighty', 'Ready', 'PodSecurityRefused|InvalidTemplate');
  expect(message).toMatch(/privileged|allowPrivilegeEscalation/);
  expect(await at.condition('gwp/mighty', 'PodSecurity')).toMatchObject({ status: 'False', reason: 'PrivilegedTemplate' });
  await at.apply(gatewayPool('mighty'));
  await at.untilReason('gwp/mighty', 'Ready', healed);
  expect(await at.condition('gwp/mighty', 'PodSecurity')).toMatchObject({ status: 'True' });
});

test('a host port is refused by the restricted level, and the condition says that it is the exposure', async () => {
  await at.apply(gatewayPool('ported', { exposure: { type: 'HostPort' } }));
  const { message } = await at.untilReason('gwp/ported', 'Ready', 'PodSecurityRefused');
  expect(message).toContain('hostPort');
  expect(await at.condition('gwp/ported', 'PodSecurity')).toMatchObject({ status: 'False', reason: 'HostPortNotRestricted' });
});

test('pods that no node fits are told in the scheduler’s words', async () => {
  await at.apply(gatewayPool('homeless', { template: { spec: { nodeSelector: { disk: 'huge' } } } }));
  const { message } = await at.untilReason('gwp/homeless', 'Ready', 'Unschedulable');
  expect(message).toContain('no nodes available');
  expect(message).toContain('Add nodes');
});

test('an exceeded quota is told, and the pods come when it is raised', async () => {
  await at.kubectl('create', 'quota', 'pods', '--hard=count/pods=0');
  await at.untilField('quota/pods', '.status.hard', /count/);
  await at.apply(gatewayPool('poor'));
  const { message } = await at.untilReason('gwp/poor', 'Ready', 'QuotaExceeded');
  expect(message).toContain('exceeded quota: pods');
  await at.kubectl('delete', 'quota', 'pods');
  await at.untilReason('gwp/poor', 'Ready', healed);
});

test(
  'where a quota has no room for both, a corrected template takes the place of gateways that never ran',
  { timeout: 90_000 },
  async () => {
    const tight = (disk: string): object =>
      gatewayPool('tight', { bus: redisBus, replicas: 2, publisher: { minReplicas: 1 }, template: { spec: { nodeSelector: { disk } } } });
    const disks = (): Promise<string> =>
      at.kubectl('get', 'pods', '-l', 'barrage.dev/gateway,barrage.dev/pool=tight', '-o', 'jsonpath={.items[*].spec.nodeSelector.disk}');
    await at.apply(tight('hgue'));
    await at.untilReason('gwp/tight', 'Ready', healed);
    await expect.poll(disks, { timeout: 10_000 }).toBe('hgue hgue');
    await at.untilField('deployment/tight-publisher', '.status.replicas', '1');
    await expect.poll(() => operator.isIdle, { timeout: 10_000 }).toBe(true);
    const pods = (await at.kubectl('get', 'pods', '-o', 'name')).trim().split('\n').length;
    await at.kubectl('create', 'quota', 'tight', `--hard=count/pods=${pods}`);
    await at.untilField('quota/tight', '.status.used', new RegExp(`"${pods}"`));
    await at.apply(tight('huge'));
    await expect.poll(disks, { timeout: 45_000, interval: 200 }).toBe('huge huge');
    await at.untilReason('gwp/tight', 'Ready', healed);
    await at.kubectl('delete', 'quota', 'tight');
  },
);

test('of two channels with one pattern the older is in force, the other says so, and takes over when it goes', async () => {
  await at.apply(channel('first', 'gift:*', 'neighbour'));
  await at.untilReason('bch/first', 'Accepted', 'Accepted');
  await at.apply(channel('second', 'gift:*', 'neighbour'), channel('third', 'like:*', 'neighbour'));
  const { status, message } = await at.untilReason('bch/second', 'Accepted', 'ConflictingPattern');
  expect(status).toBe('False');
  expect(message).toContain('BarrageChannel first');
  await at.untilReason('bch/third', 'Accepted', 'Accepted');
  await at.kubectl('delete', 'bch/first');
  await at.untilReason('bch/second', 'Accepted', 'Accepted');
});

test('a channel whose pool is missing says so until the pool is there, and again when it is gone', async () => {
  await at.apply(channel('early', 'early:*', 'late'));
  const { message } = await at.untilReason('bch/early', 'Accepted', 'PoolNotFound');
  expect(message).toContain('There is no GatewayPool late');
  await at.apply(gatewayPool('late'));
  await at.untilReason('bch/early', 'Accepted', 'Accepted');
  await at.kubectl('delete', 'gwp/late');
  await at.untilReason('bch/early', 'Accepted', 'PoolNotFound');
});

test("a Service of somebody else's with the name of a pool's child is left alone, and the pool says so", async () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'taken-publish' }, spec: { ports: [{ port: 80 }] } };
  await at.apply(service);
  await at.apply(gatewayPool('taken'));
  const { message } = await at.untilReason('gwp/taken', 'Ready', 'NameTaken');
  expect(message).toContain('Service taken-publish');
  expect(await at.field('service/taken-publish', '.spec.ports[0].port')).toBe('80');
  expect(await at.field('service/taken-publish', '.metadata.ownerReferences')).toBe('');
  await at.kubectl('delete', 'service/taken-publish');
  await at.untilReason('gwp/taken', 'Ready', healed);
});
