import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Surroundings } from '../kubernetes/conditions/observation.ts';
import { Certificates } from '../support/certificates.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { askRedis, type RedisDoor } from '../support/redis-command.ts';
import { NumberedStream, Viewer } from './numbered-stream.ts';
import { OperatedPool } from './operated-pool.ts';
import { openServer, startRedisPod } from './redis-pod.ts';

const passwords = { first: 'p@ss:w/ord,%', second: 'another one' };

let pool: OperatedPool;
let at: Surroundings;
let certificates: Certificates;
let foreign: Certificates;
let redis: RedisDoor;

beforeAll(async () => {
  [certificates, foreign] = await Promise.all([Certificates.make('DNS:redis'), Certificates.make('DNS:redis')]);
  pool = await OperatedPool.open('redis-tls', { redis: false });
  at = new Surroundings(pool.cluster, pool.namespace);
  const { certificateFile, keyFile } = certificates;
  await pool.kubectl(['create', 'secret', 'generic', 'redis-server', `--from-file=${certificateFile}`, `--from-file=${keyFile}`]);
  const files = ['--tls-cert-file', '/secret/server.crt', '--tls-key-file', '/secret/server.key', '--tls-auth-clients', 'no'];
  const args = [...openServer, ...files, '--requirepass', passwords.first];
  const host = await startRedisPod(pool.cluster, pool.namespace, {
    name: 'redis',
    containers: [{ name: 'redis', port: 6379, args }],
    secret: 'redis-server',
  });
  redis = { host, port: 6379, tls: { ca: await certificates.ca(), servername: 'redis' } };
  await putSecret('login', { password: passwords.first });
  await putSecret('authority', { 'ca.crt': await certificates.ca() });
  await pool.startOperator();
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
  await Promise.all([certificates, foreign].map((each) => each?.dispose()));
});

async function putSecret(name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
  await at.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData });
}

/** A pool on the Redis of this file, by the login and the authority of these Secrets. */
async function applyPool(name: string, secrets: { readonly login: string; readonly authority: string }): Promise<void> {
  const { login, authority } = secrets;
  const access = { credentialsSecret: { name: login }, tls: { caSecret: { name: authority } } };
  await at.apply({
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'GatewayPool',
    metadata: { name },
    spec: {
      replicas: 1,
      bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'], ...access } },
      publisher: { minReplicas: 1 },
      drain: { propagationSeconds: 1, deadlineSeconds: 30 },
    },
  });
}

const reasonOfReady = (name: string): Promise<string | undefined> => at.condition(`gwp/${name}`, 'Ready').then((ready) => ready?.reason);

test('a pool reaches its Redis by TLS with an authority and a password from Secrets, and delivers', async () => {
  await applyPool('main', { login: 'login', authority: 'authority' });
  await at.untilReason('gwp/main', 'Ready', 'Ready');
  const viewer = new Viewer(await pool.clientsUrl(), 'video:1');
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  expect((await pool.publish('video:1', '1')).E).toBeNull();
  await expect.poll(() => viewer.numbers, { timeout: 15_000 }).toEqual([1]);
});

test('a wrong password, a foreign authority, and Secrets without what they should hold are told with what to do; what runs is not replaced by what does not', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(1);
  const before = watch.ready;
  await putSecret('login', { password: 'x'.repeat(20) });
  await putSecret('wrong-login', { password: 'y'.repeat(20) });
  await putSecret('foreign-authority', { 'ca.crt': await foreign.ca() });
  await putSecret('empty-authority', { 'tls.crt': await certificates.ca() });
  await applyPool('outsider', { login: 'wrong-login', authority: 'authority' });
  await applyPool('stranger', { login: 'login', authority: 'foreign-authority' });
  await applyPool('careless', { login: 'login', authority: 'empty-authority' });
  const refused = /WRONGPASS.* Redis refuses the user or password in the Secret of spec\.bus\.redis\.credentialsSecret/;
  await at.untilMessage('gwp/outsider', 'Ready', refused);
  await at.untilMessage('gwp/stranger', 'Ready', /certificate.* Check spec\.bus\.redis\.tls\.caSecret/);
  await at.untilMessage('gwp/careless', 'Ready', /Secret empty-authority, which spec\.bus\.redis\.tls\.caSecret names, has no key ca\.crt/);
  await at.untilMessage('gwp/main', 'Progressing', /1 old one is left.*WRONGPASS.*spec\.bus\.redis\.credentialsSecret/);
  expect(await Promise.all(['outsider', 'stranger', 'careless', 'main'].map(reasonOfReady))).toEqual([
    'RedisUnreachable',
    'RedisUnreachable',
    'MissingSecret',
    'Ready',
  ]);
  expect(watch.ready).toEqual(before);
}, 120_000);

test('a password that is changed in Redis and in the Secret replaces gateways and publishers, clients lose nothing, and an event says why; mended Secrets heal their pools', async () => {
  const watch = await pool.watch();
  const gateways = (): readonly string[] => watch.ready.filter((name) => name.startsWith('main-'));
  await expect.poll(() => gateways().length, { timeout: 20_000 }).toBe(1);
  const before = gateways();
  const viewer = new Viewer(await pool.clientsUrl(), 'video:1');
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  const stream = new NumberedStream(pool, 'video:1');
  onTestFinished(() => stream.stop());
  await expect.poll(() => viewer.last, { timeout: 20_000 }).toBeGreaterThan(0);

  // Redis asks those who are connected for nothing: only new connections need the new password.
  const changed = await askRedis({ ...redis, password: passwords.first }, [
    'ACL',
    'SETUSER',
    'default',
    'resetpass',
    `>${passwords.second}`,
  ]);
  expect(changed).toBe('+OK');
  const changedAt = performance.now();
  await putSecret('login', { password: passwords.second });
  await putSecret('wrong-login', { password: `${passwords.second}\n` });
  for (const name of ['foreign-authority', 'empty-authority']) await putSecret(name, { 'ca.crt': await certificates.ca() });
  await expect.poll(() => gateways().length === 1 && gateways()[0] !== before[0], { timeout: 90_000 }).toBe(true);
  await at.untilReason('gwp/main', 'Progressing', 'Complete');
  process.stdout.write(`the gateway is replaced ${Math.round(performance.now() - changedAt)} ms after its Redis password was changed\n`);
  await pool.kubectl(['rollout', 'status', 'deployment/main-publisher', '--timeout=60s']);
  const all = (): Promise<readonly (string | undefined)[]> => Promise.all(['outsider', 'stranger', 'careless'].map(reasonOfReady));
  await expect.poll(all, { timeout: 60_000, interval: 500 }).toEqual(['Ready', 'Ready', 'Ready']);
  process.stdout.write(`three pools are ready ${Math.round(performance.now() - changedAt)} ms after their Secrets were mended\n`);

  const reached = stream.next;
  await expect.poll(() => viewer.last, { timeout: 20_000 }).toBeGreaterThan(reached);
  await stream.stop();
  await expect.poll(() => viewer.last, { timeout: 20_000 }).toBe(stream.next - 1);
  process.stdout.write(`${stream.next} publications, ${JSON.stringify(viewer.account)}, not taken: ${JSON.stringify(stream.failures)}\n`);
  expect(viewer.account).toMatchObject({ unnamed: 0, disordered: 0 });
  expect(stream.failures).toEqual([]);
  const events = await pool.kubectl(['get', 'events', '-o', 'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}']);
  expect(events).toMatch(/^PodDrainStarted: .*what the pool's Secrets hold .* has changed$/m);
  // Whoever still had the old password would stay outside.
  for (const type of ['normal', 'pubsub']) await askRedis({ ...redis, password: passwords.second }, ['CLIENT', 'KILL', 'TYPE', type]);
  const heard = async (): Promise<number> => {
    await pool.publish('video:1', `${stream.next}`);
    return viewer.last;
  };
  await expect.poll(heard, { timeout: 20_000, interval: 100 }).toBe(stream.next);
}, 240_000);
