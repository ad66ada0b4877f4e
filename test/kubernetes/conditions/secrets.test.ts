import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { gatewayPool, redisBus, Surroundings } from './observation.ts';

let at: Surroundings;
let operator: Operator;
/** Without a node no gateway becomes ready: this is a pool of which all else is as it should be. */
const healed = 'Unschedulable';

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('secrets'));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

async function settings(pool: string, key: string): Promise<string> {
  return Buffer.from(await at.field(`secret/${pool}-settings`, `.data.${key}`), 'base64').toString();
}

function pods(pool: string): Promise<string> {
  return at.kubectl('get', 'pods', '-l', `barrage.dev/pool=${pool},app.kubernetes.io/component=gateway`, '-o', 'name');
}

test('another API key reaches the publishers, and replaces no gateway', async () => {
  await at.apply(gatewayPool('keyed', { replicas: 2, bus: redisBus }));
  await at.untilReason('gwp/keyed', 'Ready', healed);
  const before = { pods: await pods('keyed'), revision: await at.field('gwp/keyed', '.status.updateRevision') };
  const digest = '.spec.template.metadata.annotations.barrage\\.dev/settings-digest';
  const publishers = await at.field('deployment/keyed-publisher', digest);
  await at.patch('secret/keyed-api-key', { stringData: { second: 'another-key-0123456789' } });
  await expect.poll(() => settings('keyed', 'api-keys'), { timeout: 30_000 }).toContain('another-key-0123456789');
  await expect.poll(() => at.field('deployment/keyed-publisher', digest), { timeout: 30_000 }).not.toBe(publishers);
  expect({ pods: await pods('keyed'), revision: await at.field('gwp/keyed', '.status.updateRevision') }).toEqual(before);
});

test('a Secret with what is no API key is told by its name and the key in it, and what runs keeps its keys', async () => {
  const named = gatewayPool('careless', { bus: redisBus, auth: { apiKeysSecret: { name: 'backend' } } });
  await at.kubectl('create', 'secret', 'generic', 'backend', '--from-literal=mobile=tooshort');
  await at.apply(named);
  const { message } = await at.untilReason('gwp/careless', 'Ready', 'MissingSecret');
  expect(message).toContain('Secret backend holds under mobile no API key: that is 16 to 256 characters');
  // Publishers wait for a key, and do not crash.
  expect(await at.field('secret/careless-settings', '.data.api-keys')).toBe('');
  await at.patch('secret/backend', { stringData: { mobile: 'good-key-0123456789' } });
  await at.untilReason('gwp/careless', 'Ready', healed);
  expect(await settings('careless', 'api-keys')).toBe('good-key-0123456789');
  await at.patch('secret/backend', { stringData: { mobile: 'one-0123456789012,two-0123456789012' } });
  await at.untilReason('gwp/careless', 'Ready', 'MissingSecret');
  expect(await settings('careless', 'api-keys')).toBe('good-key-0123456789');
});

test('while a Secret is missing, what others say is followed', { timeout: 90_000 }, async () => {
  const login = { name: 'redis-login' };
  const redis = (addresses: readonly string[]) => ({ ...redisBus.redis, addresses, credentialsSecret: login });
  await at.kubectl('create', 'secret', 'generic', 'redis-login', '--from-literal=password=p@ss');
  await at.apply(gatewayPool('moving', { bus: { type: 'Redis', redis: redis(['redis:6379']) } }));
  await at.untilReason('gwp/moving', 'Ready', healed);
  await at.kubectl('delete', 'secret', 'redis-login');
  await at.patch('gwp/moving', { spec: { bus: { redis: { addresses: ['elsewhere:6379'] } } } });
  await at.untilReason('gwp/moving', 'Ready', 'MissingSecret');
  await expect.poll(() => at.redisUrls('moving'), { timeout: 30_000 }).toContain('redis://:p%40ss@elsewhere:6379');
});

test('Secrets of the operator’s names that are somebody else’s are left alone, and told of', async () => {
  await at.kubectl('create', 'secret', 'generic', 'taken-signing', '--from-literal=x=y');
  await at.kubectl('create', 'secret', 'generic', 'taken-api-key', '--from-literal=key=somebody-elses-key-0123');
  await at.apply(gatewayPool('taken', { bus: redisBus }));
  const { message } = await at.untilReason('gwp/taken', 'Ready', 'NameTaken');
  expect(message).toContain('a Secret taken-signing exists already and does not belong to this pool. Delete the object that has this name');
  expect(await at.field('secret/taken-signing', '.data')).toBe('{"x":"eQ=="}');
  await at.kubectl('delete', 'secret', 'taken-signing');
  await expect
    .poll(async () => (await at.condition('gwp/taken', 'Ready'))?.message, { timeout: 30_000 })
    .toContain('a Secret taken-api-key exists already');
  await at.kubectl('delete', 'secret', 'taken-api-key');
  await at.untilReason('gwp/taken', 'Ready', healed);
});

test('a Deployment of the publishers’ name that is somebody else’s is neither changed nor scaled', async () => {
  await at.kubectl('create', 'deployment', 'lent-publisher', '--image=somebody/elses');
  await at.apply(gatewayPool('lent', { bus: redisBus, publisher: { minReplicas: 3 } }));
  const { message } = await at.untilReason('gwp/lent', 'Ready', 'NameTaken');
  expect(message).toContain('a Deployment lent-publisher exists already');
  expect(await at.read('hpa/lent-publisher')).toBeUndefined();
  expect(await at.field('deployment/lent-publisher', '.spec.replicas')).toBe('1');
  await at.kubectl('delete', 'deployment', 'lent-publisher');
  await at.untilReason('gwp/lent', 'Ready', healed);
  await at.untilField('hpa/lent-publisher', '.spec.minReplicas', '3');
});

test.each([
  ['a word for its containers', { containers: 'hello' }],
  ['a word for its environment', { containers: [{ name: 'barrage', env: 'x' }] }],
  ['a number for its volumes', { volumes: 7 }],
])('a template with %s is refused, and the pool goes on when it is gone', async (_what, spec) => {
  await at.apply(gatewayPool('odd', { template: { spec } }));
  await at.untilReason('gwp/odd', 'Ready', 'InvalidTemplate');
  await at.patch('gwp/odd', { spec: { template: null } });
  await at.untilReason('gwp/odd', 'Ready', healed);
});

test('where the namespace takes no more Secrets, the pool says so, and goes on when it does', { timeout: 120_000 }, async () => {
  const cluster = await sharedApiServer();
  const full = new Surroundings(cluster, await cluster.createNamespace('full'));
  const second = await startOperator(cluster, full.namespace);
  try {
    await full.kubectl('create', 'quota', 'none', '--hard=secrets=0');
    await full.untilField('quota/none', '.status.hard.secrets', '0');
    await full.apply(gatewayPool('live', { bus: redisBus }));
    const { message } = await full.untilReason('gwp/live', 'Ready', 'QuotaExceeded');
    expect(message).toMatch(/^Secret live-signing: .*exceeded quota: none.*\. Raise the quota of the namespace\.$/);
    await full.kubectl('delete', 'quota', 'none');
    await full.untilReason('gwp/live', 'Ready', healed);
  } finally {
    await second.close();
    await full.kubectl('delete', 'namespace', full.namespace, '--wait=false');
  }
});
