import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { SignJWT } from 'jose';
import { parse } from 'yaml';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import { InstalledCommandLine, type Ended, type RunningCommand } from '../cli/command-line.ts';
import { findProgram } from '../cluster/programs.ts';
import { only, rendered } from '../kubernetes/chart/helm.ts';
import { Certificates } from '../support/certificates.ts';
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
    expect.objectContaining({ channel: 'video:1', pool: `${pool.namespace}/main`, members: 1, gateways: 1 }),
  ]);

  const watched = start(['top', '--watch', '--interval', '1', '-o', 'json', '-n', pool.namespace]);
  await watched.said(/(?:\]\n[^]*){3}/);
  watched.interrupt();
  const { status: interrupted, stdout: pages } = await watched.ended();
  expect(interrupted).toBe(130);
  for (const page of pages.trimEnd().split('\n'))
    expect((JSON.parse(page) as typeof top).map(({ state }) => state)).toEqual(['serving', 'serving']);

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

  // The second gateway still runs; its log tells the life of the connection, from before its user was known.
  const lived =
    / DEBUG {2}main-\S+ {2}connection-opened [^]*user-identified .*user=alice[^]*subscribed .*channel=video:1[^]*connection-closed .*user=alice/;
  await expect.poll(async () => (await run(['logs', 'alice', '--since', '10m'])).stdout, { timeout: 20_000, interval: 100 }).toMatch(lived);
  const found = await run(['logs', 'alice', '--since', '10m']);
  expect(found).toMatchObject({ status: 0, stderr: '' });
  const connection = /connection=(\S+)/.exec(found.stdout)?.[1] ?? '';
  const ofConnection = await run(['logs', connection, '-o', 'json']);
  expect(
    ofConnection.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toContainEqual(expect.objectContaining({ event: 'connection-closed', user: 'alice', connection: expect.anything() }));
}, 120_000);

test('faults name their cause and remedy: pool, gateway, channel, context, key, rights, API server', async () => {
  // Somebody who may read pools and pods, and no more.
  await pool.kubectl(['create', 'serviceaccount', 'reader']);
  const readable = '--resource=gatewaypools.barrage.dev,barragechannels.barrage.dev,pods';
  await pool.kubectl(['create', 'role', 'reader', '--verb=get,list', readable]);
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

  const here = ['-n', pool.namespace];
  const asReader = ['--kubeconfig', reader];
  const wrongKey = { BARRAGE_API_KEY: 'a-wrong-key-0123456789' };
  const without = (right: string): string => `the right to ${right} in the namespace ${pool.namespace} is missing`;
  const cases: readonly (readonly [
    status: number,
    words: string,
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ])[] = [
    [3, `the namespace ${pool.namespace} has no pool mian. It has: main.`, ['status', 'mian', ...here]],
    [3, 'the namespace default has no GatewayPool', ['top', '-n', 'default']],
    [3, 'redis is a pod, but no gateway of a pool', ['drain', 'redis', '--yes', ...here]],
    [3, 'nobody is no pod', ['drain', 'nobody', '--yes', ...here]],
    [2, 'there is no such channel', ['tail', 'no such channel', ...here]],
    [2, 'the kubeconfig has no context elsewhere. It has: ', ['top', '--context', 'elsewhere']],
    [4, 'refuses the key (the variable BARRAGE_API_KEY)', ['publish', 'video:1', 'x', ...here], wrongKey],
    [4, without('get pods/portforward'), ['top', ...asReader]],
    [4, without('get pods/portforward'), ['tail', 'video:1', ...asReader]],
    [4, without('get secrets'), ['publish', 'video:1', 'x', ...asReader]],
    [4, without('get pods/log'), ['logs', 'alice', ...asReader]],
    [5, "the API server https://127.0.0.1:1 (context reader) can't be reached: connect ECONNREFUSED", ['top', '--kubeconfig', away]],
  ];
  for (const some of [cases.slice(0, 6), cases.slice(6)])
    await Promise.all(
      some.map(async ([status, words, args, variables]) => {
        const ended = await start(args, variables).ended();
        expect(ended, args.join(' ')).toEqual({ status, stdout: '', stderr: expect.stringContaining(words) });
      }),
    );

  // kubectl asks the plugin for its completions.
  const completed = await installed.run(kubectl, ['__complete', 'barrage', 'top', ''], { KUBECONFIG: pool.cluster.kubeconfig });
  expect(completed.stdout).toMatch(/^gateways\b[^]*channels\b/m);
}, 90_000);

/** What is asked by TLS at an address of the cluster, and the certificate that is shown there. */
async function askSecurely(
  url: string,
  { ca, servername, key, body }: { readonly ca: string; readonly servername: string; readonly key?: string; readonly body?: object },
): Promise<{ readonly status: number | undefined; readonly text: string; readonly fingerprint: string | undefined }> {
  const headers = { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), 'content-type': 'application/json' };
  const asked = request(url, { ca, servername, headers, agent: false, method: body === undefined ? 'GET' : 'POST' });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const fingerprint = (response.socket as TLSSocket).getPeerX509Certificate()?.fingerprint256;
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, text, fingerprint };
}

test('a pool with spec.tls on a real node: wss and https from outside, the plugin, helm test, and an exchanged Secret that drops no client', async () => {
  const hosts = ['secure', 'secure-publish'].map((service) => `${service}.${pool.namespace}.svc`);
  const [clientsHost = '', publishHost = ''] = hosts;
  const subject = hosts.map((host) => `DNS:${host}`).join();
  const [first, second] = await Promise.all([Certificates.make(subject), Certificates.make(subject)]);
  onTestFinished(async () => void (await Promise.all([first.dispose(), second.dispose()])));
  const ca = `${await first.ca()}${await second.ca()}`;
  const hold = async ({ certificateFile, keyFile }: Certificates): Promise<void> => {
    const [cert, key] = await Promise.all([certificateFile, keyFile].map((file) => readFile(file, 'utf8')));
    const stringData = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': ca };
    await pool.apply(
      JSON.stringify({ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: 'pair' }, stringData }),
    );
  };
  const fingerprintOf = async ({ certificateFile }: Certificates): Promise<string> =>
    new X509Certificate(await readFile(certificateFile)).fingerprint256;
  await hold(first);
  const spec = '  replicas: 1\n  publisher: {minReplicas: 1}\n  tls: {secretName: pair}\n';
  await pool.apply(poolMain(spec).replace('{name: main}', '{name: secure}'));
  await pool.untilCondition('gwp/secure', 'Ready');

  const [clients, publish] = await Promise.all(
    ['secure', 'secure-publish'].map((name) => pool.field(`service/${name}`, '.spec.clusterIP')),
  );
  const key = Buffer.from(await pool.field('secret/secure-api-key', '.data.key'), 'base64').toString();
  const gateway = (): ReturnType<typeof askSecurely> =>
    askSecurely(`https://${clients}:6790/v1/connect?channel=video:1`, { ca, servername: clientsHost });
  const publisher = (data: string): ReturnType<typeof askSecurely> =>
    askSecurely(`https://${publish}:6789/v1/mesh/publish`, { ca, servername: publishHost, key, body: { c: 'video:1', d: data } });
  // Nodes hear of a Service's pods a little later than the pool says that these are ready.
  await expect.poll(() => gateway().then(({ status }) => status, String), { timeout: 15_000 }).toBe(200);
  expect(JSON.parse((await gateway()).text)).toMatchObject({ urls: [expect.stringMatching(/^wss:\/\/.*:6790\/$/)] });
  await expect.poll(() => publisher('0').then(({ status }) => status, String), { timeout: 15_000 }).toBe(200);

  class NamedSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      const options: WebSocket.ClientOptions & { readonly servername: string } = { ca, servername: clientsHost };
      super(url, protocols, options);
    }
  }
  const client = new Barrage(`wss://${clients}:6790/`, { webSocket: NamedSocket, transports: ['websocket'] });
  onTestFinished(() => client.close());
  const [received, states]: [unknown[], string[]] = [[], []];
  const subscription = client.subscribe('video:1');
  subscription.on('publication', ({ data }) => received.push(data));
  await expect.poll(() => subscription.state, { timeout: 15_000 }).toBe('subscribed');
  client.on('state', (state) => states.push(state));
  expect((await publisher('1')).status).toBe(200);
  await expect.poll(() => received, { timeout: 15_000 }).toEqual(['1']);

  // The plugin sees spec.tls by itself.
  const ofPool = ['--pool', 'secure'];
  const tail = start(['tail', 'video:1', '--limit', '1', ...ofPool, '-n', pool.namespace]);
  await tail.said(/subscribed to video:1/);
  expect(await run(['publish', 'video:1', '2', '--wait', ...ofPool])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('sent to 2 members'),
    stderr: '',
  });
  expect(await tail.ended()).toMatchObject({ status: 0, stdout: expect.stringMatching(/ {2}2\n$/) });

  // What probes, the operator and Prometheus ask is the plain admin port.
  const ip = await pool.kubectl(['get', 'pods', '-l', 'barrage.dev/pool=secure', '-o', 'jsonpath={.items[*].status.podIP}']);
  for (const each of ip.split(' '))
    expect(await (await fetch(`http://${each}:6780/metrics`)).text()).toMatch(/^barrage_tls_certificate_valid 1$/m);

  // `helm test` of a release that names this pool.
  const trial = only(
    await rendered({
      image: { repository: 'barrage', tag: 'test' },
      test: { pool: { name: 'secure', namespace: pool.namespace }, tlsSecret: { name: 'pair' } },
    }),
    'Pod',
  );
  await pool.apply(JSON.stringify(trial));
  await pool.kubectl(['wait', `pod/${trial.metadata.name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s']);

  const before = await fingerprintOf(first);
  expect([(await gateway()).fingerprint, (await publisher('3')).fingerprint]).toEqual([before, before]);
  await hold(second);
  const exchangedAt = performance.now();
  // The Secret is on its way to the pods: they still show a certificate that is not the Secret's own any more.
  expect(await run(['publish', 'video:1', '4', ...ofPool])).toMatchObject({ status: 0, stderr: '' });
  const after = await fingerprintOf(second);
  const shown = async (): Promise<readonly (string | undefined)[]> => [(await gateway()).fingerprint, (await publisher('x')).fingerprint];
  await expect.poll(shown, { timeout: 150_000, interval: 1_000 }).toEqual([after, after]);
  process.stdout.write(`both show the new certificate ${Math.round(performance.now() - exchangedAt)} ms after the Secret was exchanged\n`);
  expect((await publisher('last')).status).toBe(200);
  await expect.poll(() => received.at(-1), { timeout: 15_000 }).toBe('last');
  expect(received.slice(0, 4)).toEqual(['1', '2', '3', '4']);
  // Not a single time was it disconnected, and nothing was replaced.
  expect(states).toEqual([]);
  expect(await pool.kubectl(['get', 'pods', '-l', 'barrage.dev/pool=secure', '-o', 'jsonpath={.items[*].status.podIP}'])).toBe(ip);
  expect(await run(['publish', 'video:1', 'x', ...ofPool])).toMatchObject({ status: 0, stderr: '' });
}, 300_000);
