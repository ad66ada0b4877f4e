import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { parseAllDocuments } from 'yaml';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { TestProcess } from '../support/process.ts';
import { poolKeys } from '../support/pool-document.ts';
import { InstalledCommandLine, type Ended, type RunningCommand } from './command-line.ts';

const key = 'a-key-of-a-test-0123456789';
const jwtSecret = 'a-secret-of-a-test-of-32-characters';

let installed: InstalledCommandLine;
beforeAll(async () => {
  installed = await InstalledCommandLine.install();
});
afterAll(() => installed.remove());

const policies = `channels:
  - channel: 'private:*'
    access: { subscribe: Authenticated }
`;

/** A real all-in-one process, and the options that lead to it. */
class Running {
  readonly process: TestProcess;
  readonly place: readonly string[];

  private constructor(process: TestProcess, place: readonly string[]) {
    this.process = process;
    this.place = place;
  }

  static async start(variables: Readonly<Record<string, string>> = {}): Promise<Running> {
    const file = join(installed.folder, 'policies.yaml');
    await writeFile(file, policies);
    const process = new TestProcess('standalone/main.ts', {
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_PUBLISHER_PORT: '0',
      BARRAGE_ADMIN_PORT: '0',
      BARRAGE_API_KEYS: key,
      BARRAGE_JWT_SECRET: jwtSecret,
      BARRAGE_LOG_LEVEL: 'debug',
      BARRAGE_POLICY_FILE: file,
      ...variables,
    });
    const [gateway, publisher, admin] = await process.said(
      /clients +ws:\/\/localhost:(\d+)[^]*publish +http:\/\/localhost:(\d+)[^]*metrics +http:\/\/localhost:(\d+)/,
    );
    const url = (port: string | undefined): string => `http://127.0.0.1:${port}`;
    return new Running(process, ['--url', url(gateway), '--admin-url', url(admin), '--publisher-url', url(publisher)]);
  }

  async run(args: readonly string[], variables: Readonly<Record<string, string>> = {}, input = ''): Promise<Ended> {
    return installed.run('barrage', [...args, ...this.place], variables, input);
  }
}

async function tokenOf(user: string): Promise<string> {
  return new SignJWT({ sub: user, uid: user }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(Buffer.from(jwtSecret));
}

test('what is published is tailed, counted and found in the log: the same commands without Kubernetes', async () => {
  const running = await Running.start();
  const token = { BARRAGE_TOKEN: await tokenOf('alice') };
  const tail = installed.start('barrage', ['tail', 'private:1', '--limit', '3', '-o', 'json', ...running.place], token);
  await tail.said(/subscribed to private:1/);

  const environment = { BARRAGE_API_KEY: key };
  expect(await running.run(['publish', 'private:1', 'hello\u001b[2J', '--wait'], environment)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^private:1 #1 \(epoch \w+\): sent to 1 member, not to 0, 0 waiting\n$/),
    stderr: '',
  });
  const keyFile = join(installed.folder, 'key');
  await writeFile(keyFile, `${key}\n`);
  const piped = await running.run(['publish', 'private:1', '--key-file', keyFile, '-o', 'json'], {}, 'from a pipe');
  expect(JSON.parse(piped.stdout)).toMatchObject({ channel: 'private:1', s: 1, f: 0, offset: 2 });

  const top = await running.run(['top', 'channels', '-o', 'yaml']);
  expect(parseAllDocuments(top.stdout).map((document) => document.toJS() as unknown)).toEqual([
    [expect.objectContaining({ channel: 'private:1', members: 1, gateways: 1 })],
  ]);

  expect(await running.run(['publish', 'private:1', '--binary', '--priority', 'high', '-f', '-'], environment, 'bytes')).toMatchObject({
    status: 0,
  });

  const { status, stdout } = await tail.ended();
  expect(status).toBe(0);
  expect(stdout).not.toContain('\u001b');
  const tailed = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly data: string });
  expect(tailed).toMatchObject([
    { channel: 'private:1', offset: 1, type: 'text', data: 'hello\u001b[2J' },
    { offset: 2, data: 'from a pipe' },
    { offset: 3, type: 'binary', data: Buffer.from('bytes').toString('base64') },
  ]);

  const gateways = await running.run(['top']);
  expect(gateways).toMatchObject({ status: 0, stderr: '' });
  expect(gateways.stdout).toMatch(/^GATEWAY +CONNECTIONS .* STATE\n\S+ +\d+ .* serving\n/);
  // Not a terminal: no colour, no cursor movement.
  expect(gateways.stdout).not.toContain('\u001b');
  expect((await running.run(['status'])).stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+: ready\n/);

  const log = join(installed.folder, 'gateway.log');
  await expect.poll(() => running.process.stderr).toContain('connection-closed');
  const text = running.process.stderr;
  await writeFile(log, text);
  const found = await running.run(['logs', 'alice', '--file', log]);
  expect(found).toMatchObject({ status: 0, stderr: '' });
  expect(found.stdout).toMatch(/^\d{4}-.* DEBUG .* connection-opened [^]*user=alice[^]*connection-closed .*user=alice/);
  const fromPipe = await running.run(['logs', 'alice', '-o', 'json'], {}, text);
  for (const line of fromPipe.stdout.trimEnd().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ source: 'standard input', level: 'debug' });
  expect((await running.run(['logs', 'bob', '--file', log])).stderr).toMatch(/^No line is about bob, in \d+ lines of 1 log\./);
}, 120_000);

test('explain reckons with a GatewayPool under the load of the running gateways', async () => {
  const running = await Running.start();
  const spec = join(installed.folder, 'pool.yaml');
  await writeFile(
    spec,
    'kind: GatewayPool\nmetadata: {name: live}\nspec: {bus: {type: Redis, redis: {mode: Standalone, addresses: ["redis:6379"]}}, scaling: {type: Connections, connections: {minReplicas: 1, maxReplicas: 9, targetConnectionsPerPod: 1}}}\n',
  );
  const tails = [1, 2].map(() => installed.start('barrage', ['tail', 'video:1', ...running.place]));
  for (const tail of tails) await tail.said(/subscribed to video:1/);
  const { status, stdout } = await running.run(['explain', '--spec', spec, '-o', 'json']);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    connections: 2,
    twice: { connections: 4, desired: 5 },
    why: expect.stringMatching(/^2 connections at 1 a gateway/),
  });
  tails[0]?.interrupt();
  expect(await tails[0]?.ended()).toMatchObject({ status: 130 });
  expect(await running.run(['explain'])).toMatchObject({ status: 2, stderr: expect.stringContaining('--spec POOL.yaml') });
}, 60_000);

test('a gateway drains by a signed command, and says what to do without the key', async () => {
  const keys = poolKeys();
  const process = new TestProcess('standalone/main.ts', {
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_ADMIN_PORT: '0',
    BARRAGE_POOL_PUBLIC_KEY: keys.publicKeyPem,
  });
  await expect.poll(() => process.stderr, { timeout: 20_000 }).toContain('"adminPort"');
  const port = /"adminPort":(\d+)/.exec(process.stderr)?.[1];
  const [good, other] = [join(installed.folder, 'good.pem'), join(installed.folder, 'other.pem')];
  await writeFile(good, keys.privateKeyPem);
  await writeFile(other, poolKeys().privateKeyPem);
  const drain = (...args: readonly string[]): Promise<Ended> =>
    installed.run('barrage', ['drain', '--admin-url', `http://127.0.0.1:${port}`, ...args]);
  expect(await drain()).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('SIGTERM') });
  expect(await drain('--signing-key-file', good)).toMatchObject({ status: 2, stderr: expect.stringContaining('say --yes') });
  expect(await drain('--signing-key-file', other, '--yes')).toMatchObject({
    status: 4,
    stderr: expect.stringContaining('refuses to drain'),
  });
  expect(await drain('--signing-key-file', good, '--yes')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('is drained'),
    stderr: '',
  });
}, 60_000);

test('bad input is told with what to do, and by the exit status', async () => {
  const running = await Running.start();
  const publish = ['publish', 'video:1', 'x'];
  const cases: readonly (readonly [
    status: number,
    words: string,
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ])[] = [
    [4, 'refuses the key (the variable BARRAGE_API_KEY): ', publish, { BARRAGE_API_KEY: 'a-wrong-key-0123456789' }],
    [4, 'there was none', publish],
    [2, 'there is no such channel: ', ['publish', '', 'x']],
    [2, 'there is no such channel: ', ['publish', '\u001b[2J', 'x']],
    [2, 'there is no such channel: ', ['tail', 'video:*']],
    [4, 'BARRAGE_TOKEN', ['tail', 'private:1']],
    [4, 'BARRAGE_TOKEN', ['tail', 'private:1'], { BARRAGE_TOKEN: 'no token' }],
    [2, 'gateways, channels', ['top', 'chanels']],
    [2, 'Did you mean top?', ['topp']],
    [2, "unknown option '--key'", [...publish, '--key', key]],
    [2, '--interval 0 is no whole number', ['top', '--interval', '0']],
    [2, '10m', ['logs', 'x', '--since', 'noon']],
    [2, "/nowhere/key can't be read", [...publish, '--key-file', '/nowhere/key']],
    [2, '--url nowhere is no address', ['top', '--url', 'nowhere']],
  ];
  await Promise.all(
    cases.map(async ([status, words, args, variables]) => {
      const ended = await running.run(args, variables);
      expect(ended, args.join(' ')).toEqual({ status, stdout: '', stderr: expect.stringContaining(words) });
      expect(ended.stderr).not.toContain('\u001b');
    }),
  );

  await running.process.kill();
  expect(await running.run(['publish', 'video:1', 'x'], { BARRAGE_API_KEY: key })).toMatchObject({
    status: 5,
    stderr: expect.stringContaining("can't be reached: connect ECONNREFUSED"),
  });
  expect((await running.run(['top'])).stdout).toContain('silent: ');
}, 120_000);

test('words of a foreign server do not reach the terminal as control characters', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(400).end(JSON.stringify({ E: { c: 101, m: 'bad \u001b]0;owned\u0007' } }));
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { status, stderr } = await installed.run('barrage', ['publish', 'video:1', 'x', '--publisher-url', `http://127.0.0.1:${port}`]);
  expect(status).toBe(4);
  expect(stderr).toContain(String.raw`bad \x1b]0;owned\x07`);
});

test('help, and completions for bash, zsh and fish', async () => {
  for (const args of [['--help'], ['top', '-h']])
    expect(await installed.run('barrage', args)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Usage: barrage /),
      stderr: '',
    });
  expect(await installed.run('kubectl-barrage', ['top', '--help'])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^Usage: kubectl barrage top /),
  });
  for (const shell of ['bash', 'zsh', 'fish'])
    expect(await installed.run('barrage', ['completion', shell])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('barrage complete --'),
    });
  // What the shells' scripts ask.
  const complete = async (...words: readonly string[]): Promise<readonly string[]> =>
    (await installed.run('barrage', ['complete', '--', ...words])).stdout.split('\n').map((line) => line.split('\t', 1)[0] ?? '');
  expect(await complete('')).toEqual(expect.arrayContaining(['top', 'status', 'tail', 'publish', 'drain', 'explain', 'logs']));
  expect(await complete('top', '')).toEqual(expect.arrayContaining(['gateways', 'channels']));
  expect(await complete('top', '--')).toEqual(expect.arrayContaining(['--watch', '--output', '--url']));
  expect(await complete('top', '--output', '')).toEqual(expect.arrayContaining(['json', 'yaml']));
  // bash runs the script.
  const { stdout } = await installed.run('bash', ['-c', 'source <(barrage completion bash) && complete -p barrage']);
  expect(stdout).toMatch(/complete .*-F \S+ barrage/);
}, 60_000);

test('on a terminal pages take the place of the last one in colours, not with NO_COLOR; a drain asks', async () => {
  const running = await Running.start();
  const onTerminal = (line: string, variables: Readonly<Record<string, string>> = {}, input = ''): RunningCommand =>
    installed.start('script', ['--quiet', '--return', '--command', line, '/dev/null'], { TERM: 'xterm-256color', ...variables }, input);
  const top = onTerminal(`barrage top --watch --interval 1 ${running.place.join(' ')}`);
  await expect.poll(() => top.stdout.split('\u001b[H\u001b[J').filter((page) => page.includes('serving')).length).toBeGreaterThan(1);
  expect(top.stdout).toContain('\u001b[1mGATEWAY');
  const colourless = await onTerminal(`barrage top ${running.place.join(' ')}`, { NO_COLOR: '1' }).ended();
  expect(colourless.stdout).toMatch(/^GATEWAY/);
  expect(colourless.stdout).not.toContain('\u001b');

  const key = join(installed.folder, 'terminal.pem');
  await writeFile(key, poolKeys().privateKeyPem);
  const drain = await onTerminal(`barrage drain --signing-key-file ${key} ${running.place.join(' ')}`, {}, 'n\n').ended();
  expect(drain).toMatchObject({ status: 2, stdout: expect.stringMatching(/Drain it\? \[y\/N\][^]*not confirmed: nothing was done/) });
}, 60_000);
