import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../../core/process/settings.ts';
import { Operator } from '../../operator/operator.ts';
import { gatewayPool, redisBus, Surroundings } from '../kubernetes/conditions/observation.ts';
import { clusterTimeoutMs, sharedNode } from '../support/cluster.ts';
import { applyDefinitions, startRedis } from './operated-pool.ts';
import { recordedTranscript, shapeOf, storedTranscript, storeTranscript, Transcript } from './transcript.ts';

const password = 'pa55-which-nobody-may-see';
const key = 'a-key-which-nobody-may-see-0123456789';

let at: Surroundings;
let operator: Operator;
let log = '';

beforeAll(async () => {
  const cluster = await sharedNode();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('conditions', { 'pod-security.kubernetes.io/enforce': 'restricted' }));
  operator = await startLoggedOperator();
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

test(
  'a pool whose Redis is unreachable says so, and becomes ready when it is there; kubectl tells the story as the docs show it',
  { timeout: 120_000 },
  async () => {
    const transcript = new Transcript(at);
    await at.apply(gatewayPool('live', { replicas: 2, bus: redisBus, drain: { propagationSeconds: 1, deadlineSeconds: 30 } }));
    const { message } = await at.untilReason('gwp/live', 'Ready', 'RedisUnreachable');
    expect(message).toContain('Check spec.bus.redis');
    // Both gateways have told it.
    await at.untilField('gwp/live', '.status.conditions[?(@.type=="Ready")].message', /and 1 more gateway/);
    await at.untilField('gwp/live', '.status.conditions[?(@.type=="Progressing")].message', /and 1 more gateway/);
    await at.untilTold('GatewayPool/live', 'RedisUnreachable');
    await transcript.run('A pool whose Redis is not there', 'get gwp live -o wide');
    await transcript.run('Why it is not ready', 'describe gwp live');
    await startRedis(at.cluster, at.namespace);
    await at.untilReason('gwp/live', 'Ready', 'Ready');
    await at.untilTold('GatewayPool/live', 'RedisUnreachable is over');
    await at.untilField('gwp/live', '.status.readyReplicas', '2');
    await at.kubectl('wait', '--for=condition=Available', 'deployment/live-publisher', '--timeout=60s');
    await transcript.run('When Redis is there', 'get gwp live');
    await transcript.run('What belongs to it', 'get pods,services,deployments,hpa,pdb -l barrage.dev/pool=live -o name');
    await transcript.run('Three gateways instead of two', 'scale gwp live --replicas=3');
    await at.untilField('gwp/live', '.status.readyReplicas', '3');
    await transcript.run('And there they are', 'get gwp live -o wide');
    await transcript.run('What a field means', 'explain gatewaypool.spec.drain');
    if (recordedTranscript) storeTranscript(transcript.text);
    expect(shapeOf(storedTranscript())).toEqual(shapeOf(transcript.text));
  },
);

test('an image that can not be pulled is told, with its name', async () => {
  const image = 'image.invalid/nothing:here';
  await at.apply(gatewayPool('imageless', { template: { spec: { containers: [{ name: 'barrage', image }] } } }));
  const { message } = await at.untilReason('gwp/imageless', 'Ready', 'ImagePullFailed');
  expect(message).toContain(image);
  expect((await at.condition('gwp/live', 'Ready'))?.status).toBe('True');
  await at.untilTold('GatewayPool/imageless', 'ImagePullFailed');
  await at.apply(gatewayPool('imageless'));
  await at.untilReason('gwp/imageless', 'Ready', 'Ready');
  await at.untilTold('GatewayPool/imageless', 'ImagePullFailed is over');
});

test('publishers that can not run are told with the reason, though the gateways are ready', async () => {
  const image = 'image.invalid/no-publisher:here';
  const container = { name: 'barrage', image };
  await at.apply(gatewayPool('mute', { bus: redisBus, publisher: { template: { spec: { containers: [container] } } } }));
  const { message } = await at.untilReason('gwp/mute', 'Ready', 'PublishersNotReady');
  expect(message).toMatch(/No publisher is ready/);
  await at.untilField('gwp/mute', '.status.conditions[?(@.type=="Ready")].message', /image\.invalid\/no-publisher:here/);
  await at.untilTold('GatewayPool/mute', 'PublishersNotReady');
  await at.apply(gatewayPool('mute', { bus: redisBus }));
  await at.untilReason('gwp/mute', 'Ready', 'Ready');
});

test('what Secrets hold is in no other object, event or log', async () => {
  const bus = { type: 'Redis', redis: { ...redisBus.redis, credentialsSecret: { name: 'redis-login' } } };
  await at.apply(gatewayPool('discreet', { bus, auth: { apiKeysSecret: { name: 'discreet-keys' } } }));
  await at.untilReason('gwp/discreet', 'Ready', 'MissingSecret');
  await at.kubectl('create', 'secret', 'generic', 'redis-login', `--from-literal=password=${password}`);
  await at.kubectl('create', 'secret', 'generic', 'discreet-keys', `--from-literal=one=${key}`);
  // This Redis knows no password and refuses every one.
  await at.untilReason(
    'gwp/discreet',
    'Ready',
    'RedisUnreachable|GatewayCrashes|GatewayNotReady|GatewaysStarting|PublishersNotReady|Ready',
  );
  await expect.poll(async () => (await at.redisUrls('discreet')).join(), { timeout: 30_000 }).toContain(password);
  const kinds = 'gwp,bch,pods,services,configmaps,deployments,replicasets,hpa,pdb,networkpolicies,events';
  const objects = await at.kubectl('get', kinds, '-o', 'yaml', '--show-managed-fields');
  const signing = await at.field('secret/discreet-signing', '.data.private-key');
  const pods = (await at.kubectl('get', 'pods', '-l', 'barrage.dev/pool=discreet', '-o', 'name')).trim().split('\n');
  const podLogs = await Promise.all(pods.map((pod) => at.kubectl('logs', pod).catch(() => '')));
  const seen = [objects, log, ...podLogs].join('\n');
  expect(log).toContain('this operator leads');
  for (const value of [password, key, ...[password, key].map((text) => Buffer.from(text).toString('base64')), signing])
    expect(seen.includes(value)).toBe(false);
});

/** Its whole log is kept. */
async function startLoggedOperator(): Promise<Operator> {
  const read = readSettings({
    BARRAGE_OPERATOR_NAMESPACE: at.namespace,
    BARRAGE_OPERATOR_WATCH_NAMESPACES: at.namespace,
    BARRAGE_OPERATOR_IMAGE: 'barrage:test',
    BARRAGE_OPERATOR_HOST: '127.0.0.1',
    BARRAGE_OPERATOR_PROBE_PORT: '0',
    BARRAGE_OPERATOR_METRICS_PORT: '0',
  });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString();
      done();
    },
  });
  return Operator.start({
    settings: read.settings,
    logger: pino({ level: 'trace', messageKey: 'message' }, destination),
    source: { kubeconfig: at.cluster.kubeconfig },
    onLost: (reason) => {
      throw new Error(`the operator lost its lead: ${reason}`);
    },
  });
}
