import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { gatewayPool, redisBus, Surroundings } from './observation.ts';

let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('admission'));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

interface Brittle {
  readonly apiGroup: string;
  readonly resource: string;
  /** End of the names that it is about. */
  readonly ending: string;
  /** What kubectl creates to find out whether it is in force. */
  readonly probe: readonly string[];
}

const budgets: Brittle = {
  apiGroup: 'policy',
  resource: 'poddisruptionbudgets',
  ending: '-gateways',
  probe: ['pdb', 'probe-gateways', '--selector=a=b', '--min-available=1'],
};
const settings: Brittle = {
  apiGroup: '',
  resource: 'secrets',
  ending: '-settings',
  probe: ['secret', 'generic', 'probe-settings', '--from-literal=a=b'],
};

/** An admission webhook that is down, and without whose word none of these may be written in the namespace. */
async function breakAdmissionOf({ apiGroup, resource, ending, probe }: Brittle): Promise<{ readonly mend: () => Promise<unknown> }> {
  const name = `${at.namespace}-${resource}`;
  const webhook = {
    name: 'policy.example.com',
    clientConfig: { url: 'https://127.0.0.1:1/' },
    rules: [{ apiGroups: [apiGroup], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: [resource] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': at.namespace } },
    matchConditions: [{ name: 'by-name', expression: `object.metadata.name.endsWith('${ending}')` }],
    failurePolicy: 'Fail',
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 1,
  };
  const kind = 'ValidatingWebhookConfiguration';
  await at.apply({ apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name }, webhooks: [webhook] });
  const mend = async (): Promise<unknown> => at.kubectl('delete', kind, name, '--ignore-not-found');
  onTestFinished(async () => {
    await mend();
  });
  // The API server hears of it a little later.
  const tryIt = async (): Promise<string> =>
    at.kubectl('create', '--dry-run=server', ...probe).then(
      () => 'admitted',
      (error: unknown) => String(error),
    );
  await expect.poll(tryIt, { timeout: 20_000, interval: 200 }).toContain('failed calling webhook');
  return { mend };
}

async function podsOf(pool: string): Promise<readonly string[]> {
  const uids = await at.kubectl('get', 'pods', '-l', `barrage.dev/pool=${pool},app.kubernetes.io/component=gateway`, '-o', 'name');
  return uids.split('\n').filter((name) => name !== '');
}

test('an admission webhook that is down for one kind of object holds up nothing else, and is told of', { timeout: 120_000 }, async () => {
  await at.apply(gatewayPool('live', { replicas: 2, bus: redisBus }));
  await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
  const { mend } = await breakAdmissionOf(budgets);
  await at.kubectl('scale', 'gwp/live', '--replicas=8');
  await at.apply(gatewayPool('fresh', { replicas: 2, bus: redisBus }));
  await expect.poll(() => podsOf('live'), { timeout: 30_000, interval: 200 }).toHaveLength(8);
  await expect.poll(() => podsOf('fresh'), { timeout: 30_000, interval: 200 }).toHaveLength(2);
  const { message } = await at.untilReason('gwp/fresh', 'Ready', 'ApiServerUnavailable');
  expect(message).toMatch(/PodDisruptionBudget fresh-.*failed calling webhook "policy\.example\.com"/);
  // Its publishers, which no node takes, are told of too: before or after.
  const told = async (): Promise<string> => (await at.faultsTold('GatewayPool/fresh')).join('\n');
  await expect.poll(told, { timeout: 30_000, interval: 200 }).toMatch(/^ApiServerUnavailable$/m);
  await mend();
  await at.untilReason('gwp/fresh', 'Ready', 'Unschedulable');
  await expect.poll(told, { timeout: 30_000, interval: 200 }).toMatch(/^ApiServerUnavailable is over/m);
  await at.untilField('pdb/fresh-gateways', '.spec.minAvailable', /\d/);
});

test(
  'gateways are not replaced for settings that could not be stored: they would start with the old ones',
  { timeout: 120_000 },
  async () => {
    await at.kubectl('create', 'secret', 'generic', 'login', '--from-literal=password=first');
    const bus = { ...redisBus, redis: { ...redisBus.redis, credentialsSecret: { name: 'login' } } };
    await at.apply(gatewayPool('careful', { replicas: 2, bus }));
    await at.untilReason('gwp/careful', 'Ready', 'Unschedulable');
    const before = await podsOf('careful');
    const { mend } = await breakAdmissionOf(settings);
    await at.patch('secret/login', { stringData: { password: 'second' } });
    await at.untilReason('gwp/careful', 'Ready', 'ApiServerUnavailable');
    expect(await podsOf('careful')).toEqual(before);
    const publishers = await at.field('deployment/careful-publisher', '.metadata.generation');
    await mend();
    await expect.poll(async () => (await podsOf('careful')).filter((name) => before.includes(name)), { timeout: 60_000 }).toEqual([]);
    await expect.poll(() => at.field('deployment/careful-publisher', '.metadata.generation')).not.toBe(publishers);
  },
);
