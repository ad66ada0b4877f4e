import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SignJWT } from 'jose';
import { parse } from 'yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InstalledCommandLine, type Ended, type RunningCommand } from '../cli/command-line.ts';
import { findProgram } from '../cluster/programs.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';

const jwtSecret = 'a-secret-of-a-test-of-32-characters';

let pool: OperatedPool;
let installed: InstalledCommandLine;
let kubectl: string;

beforeAll(async () => {
  [pool, installed, kubectl] = await Promise.all([OperatedPool.open('plugin'), InstalledCommandLine.install(), findProgram('kubectl')]);
  await pool.startOperator();
  await pool.kubectl(['create', 'secret', 'generic', 'tokens', `--from-literal=key=${jwtSecret}`]);
  const container = '{name: barrage, env: [{name: BARRAGE_LOG_LEVEL, value: debug}]}';
  const spec = `  replicas: 2\n  auth: {jwtSecret: {name: tokens, key: key}}\n  template: {spec: {containers: [${container}]}}\n`;
  // A client outside of the cluster's network can't follow a hint: it stays until the deadline.
  await pool.apply(poolMain(spec).replace('deadlineSeconds: 30', 'deadlineSeconds: 10'));
  await pool.untilCondition('gwp/main', 'Ready');
  await pool.kubectl(['wait', 'gwp/main', '--for=jsonpath={.status.readyReplicas}=2', '--timeout=60s']);
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
  await installed?.remove();
});

/** `kubectl barrage …`, as a plugin of the real kubectl. */
function start(args: readonly string[], variables: Readonly<Record<string, string>> = {}): RunningCommand {
  return installed.start(kubectl, ['barrage', ...args], { KUBECONFIG: pool.cluster.kubeconfig, HOME: installed.folder, ...variables });
}

async function run(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return start([...args, '-n', pool.namespace], variables).ended();
}

async function gateways(): Promise<readonly string[]> {
  const selector = 'barrage.dev/pool=main,app.kubernetes.io/component=gateway';
  return (await pool.kubectl(['get', 'pods', '-l', selector, '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ').toSorted();
}

test('a publication is tailed through the API server while its gateway is drained: top, status, explain and logs tell the story', async () => {
  const token = await new SignJWT({ sub: 'alice', uid: 'alice' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(Buffer.from(jwtSecret));
  const tail = start(['tail', 'video:1', '--limit', '2', '-n', pool.namespace], { BARRAGE_TOKEN: token });
  await tail.said(/subscribed to video:1/);
  expect(await run(['publish', 'video:1', 'first', '--wait'])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('sent to 1 member'),
    stderr: '',
  });

  const names = await gateways();
  const top = JSON.parse((await run(['top', '-o', 'json'])).stdout) as readonly {
    readonly name: string;
    readonly connections: number;
    readonly state: string;
  }[];
  expect(top.map(({ name }) => name).toSorted()).toEqual(names);
  expect(top.map(({ connections, state }) => [connections, state])).toEqual([
    [1, 'serving'],
    [0, 'serving'],
  ]);
  expect(parse((await run(['top', 'channels', '-o', 'yaml'])).stdout)).toEqual([
    { channel: 'video:1', pool: `${pool.namespace}/main`, members: 1, gateways: 1 },
  ]);

  const status = await run(['status', 'main']);
  expect(status).toMatchObject({ status: 0, stderr: '' });
  for (const part of [
    `${pool.namespace}/main: ready`,
    'Redis Standalone at redis:6379',
    'Gateways    2 desired, 2 present, 2 ready',
    'spec.replicas is 2',
    ...names,
    'PodCreated',
  ])
    expect(status.stdout).toContain(part);
  // Without a name: the only pool of the namespace.
  expect((await run(['explain'])).stdout).toMatch(
    /2 gateways desired, 2 present, 2 ready[^]*spec\.replicas is 2\.[^]*Nothing\.[^]*2 connections: it would stay 2 gateways/,
  );

  // The gateway that holds the client leaves. The client comes back to another one, and misses nothing.
  const busy = top[0]?.name ?? '';
  expect(await run(['drain', busy])).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringMatching(/has 1 connection\..*The operator creates a gateway in its place.*say --yes/),
  });
  const drained = await run(['drain', busy, '--yes']);
  expect(drained).toMatchObject({ status: 0, stdout: expect.stringMatching(new RegExp(`^${busy} is gone, after \\d+ s\\.\n$`)) });
  await expect.poll(() => pool.field('gwp/main', '.status.readyReplicas'), { timeout: 30_000 }).toBe('2');
  expect(await gateways()).not.toContain(busy);
  expect(await run(['publish', 'video:1', 'second'])).toMatchObject({ status: 0 });
  const { status: ended, stdout } = await tail.ended();
  expect(ended).toBe(0);
  expect(stdout).toMatch(/^\S+ {2}#1 {2}first\n\S+ {2}#2 {2}second\n$/);

  const found = await run(['logs', 'alice', '--since', '10m']);
  expect(found).toMatchObject({
    status: 0,
    stdout: '',
    stderr: expect.stringMatching(/^No line is about alice, in [1-9]\d* lines of 2 logs\./),
  });
}, 120_000);

test('faults name their cause and remedy: pool, gateway, channel, context, key, rights, API server', async () => {
  expect(await run(['status', 'mian'])).toEqual({
    status: 3,
    stdout: '',
    stderr: `kubectl barrage: the namespace ${pool.namespace} has no pool mian. It has: main. Another namespace is chosen with -n\n`,
  });
  expect(await start(['top', '-n', 'default']).ended()).toMatchObject({
    status: 3,
    stderr: expect.stringContaining('the namespace default has no GatewayPool'),
  });
  expect(await run(['drain', 'redis', '--yes'])).toMatchObject({
    status: 3,
    stderr: expect.stringMatching(/redis is a pod, but no gateway of a pool .* Gateways there: main-/),
  });
  expect(await run(['tail', 'no such channel'])).toMatchObject({ status: 2, stderr: expect.stringContaining('there is no such channel') });
  expect(await run(['top', '--context', 'elsewhere'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('the kubeconfig has no context elsewhere. It has: '),
  });
  expect(await run(['publish', 'video:1', 'x'], { BARRAGE_API_KEY: 'a-wrong-key-0123456789' })).toMatchObject({
    status: 4,
    stderr: expect.stringContaining('refuses the key (the variable BARRAGE_API_KEY)'),
  });

  // Somebody who may read pools and pods, and no more.
  await pool.kubectl(['create', 'serviceaccount', 'reader']);
  await pool.kubectl([
    'create',
    'role',
    'reader',
    '--verb=get,list',
    '--resource=gatewaypools.barrage.dev,barragechannels.barrage.dev,pods',
  ]);
  await pool.kubectl(['create', 'rolebinding', 'reader', '--role=reader', `--serviceaccount=${pool.namespace}:reader`]);
  const token = (await pool.kubectl(['create', 'token', 'reader'])).trim();
  const kubeconfig = (server: string): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'reader',
      contexts: [{ name: 'reader', context: { cluster: 'test', user: 'reader', namespace: pool.namespace } }],
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': join(dirname(pool.cluster.kubeconfig), 'pki/ca.crt') } }],
      users: [{ name: 'reader', user: { token } }],
    });
  const [reader, away] = [join(installed.folder, 'reader'), join(installed.folder, 'away')];
  await Promise.all([writeFile(reader, kubeconfig(pool.cluster.url)), writeFile(away, kubeconfig('https://127.0.0.1:1'))]);
  const asReader = async (...args: readonly string[]): Promise<Ended> => start([...args, '--kubeconfig', reader]).ended();
  const missing = (right: string) => ({
    status: 4,
    stdout: '',
    stderr: expect.stringContaining(`the right to ${right} in the namespace ${pool.namespace} is missing`),
  });
  expect(await asReader('top')).toEqual(missing('get pods/portforward'));
  expect(await asReader('tail', 'video:1')).toMatchObject({ status: 4, stderr: expect.stringContaining('pods/portforward') });
  expect(await asReader('publish', 'video:1', 'x')).toEqual(missing('get secrets'));
  expect(await asReader('logs', 'alice')).toEqual(missing('get pods/log'));
  expect(await start(['top', '--kubeconfig', away]).ended()).toMatchObject({
    status: 5,
    stderr: expect.stringMatching(/the API server https:\/\/127\.0\.0\.1:1 .* can't be reached: .*ECONNREFUSED/),
  });

  // kubectl asks the plugin for its completions.
  const completed = await installed.run(kubectl, ['__complete', 'barrage', 'top', ''], { KUBECONFIG: pool.cluster.kubeconfig });
  expect(completed.stdout).toMatch(/^gateways\b[^]*channels\b/m);
}, 90_000);
