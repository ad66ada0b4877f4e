import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { Certificates } from '../support/certificates.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestStandalone } from '../support/standalone.ts';
import { codeBlocks } from './code-blocks.ts';
import { commandsOf } from './runners.ts';

const all = commandsOf('test/docs/commands.test.ts');
const isStart = ({ line }: { readonly line: string }): boolean => line.endsWith('npm start');
const commands = all.filter((command) => !isStart(command));

test('the lines of shell for Redis, for an admin port and for curl do what the pages say', { timeout: 120_000 }, async () => {
  const certificates = await Certificates.make();
  onTestFinished(() => certificates.dispose());
  const redis = await RedisServer.start({ tls: certificates });
  onTestFinished(() => redis.dispose());
  const barrage = await TestStandalone.start({ BARRAGE_REDIS_URL: redis.url, BARRAGE_REDIS_CA_FILE: certificates.caFile });
  const encrypted = await TestStandalone.start({
    BARRAGE_TLS_CERT_FILE: certificates.certificateFile,
    BARRAGE_TLS_KEY_FILE: certificates.keyFile,
  });
  await barrage.publish('video:1', 'first');
  const gone = await barrage.plain();
  gone.socket.close();
  await expect.poll(() => barrage.metric('barrage_gateway_connections_ended_total')).toBeGreaterThan(0);
  const folder = await mkdtemp(join(tmpdir(), 'barrage-commands-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'gateways.log'), '{"user":"u-7","event":"connection-closed"}\n');
  const env = {
    ...neutralEnvironment(),
    GATEWAY_ADMIN: `http://localhost:${barrage.port}`,
    KEY: 'a key of sixteen',
    REDIS_URL: redis.url,
    SSL_CERT_FILE: certificates.caFile,
  };
  expect(commands.length).toBeGreaterThan(12);
  for (const { place, line } of commands) {
    const command = line
      .replaceAll('REDIS_HOST:6379', `127.0.0.1:${redis.port}`)
      .replaceAll('GATEWAY_HOST:6790', `127.0.0.1:${encrypted.port}`)
      .replaceAll(/(?:REDIS|GATEWAY)_HOST/g, 'redis')
      .replace('redis-cli ', `redis-cli --cacert ${certificates.caFile} `)
      .replaceAll(/live(?:-publish)?:(?=67)/g, 'localhost:')
      .replaceAll('localhost:6789', `localhost:${barrage.publisherPort}`)
      .replaceAll('localhost:6790', `localhost:${barrage.port}`)
      // A stream has no end: what has come after a second is looked at.
      .replace('curl -N ', 'curl -N --max-time 1 ');
    const { stdout, code } = await promisify(execFile)('sh', ['-c', command], { env, cwd: folder }).then(
      ({ stdout: text }) => ({ stdout: text, code: 0 }),
      (error: { stdout: string; code: number }) => error,
    );
    expect([place, line, code]).toEqual([place, line, line.startsWith('curl -N') ? 28 : 0]);
    // redis-cli ends well, whatever the server says. A server that is alone is no Cluster.
    expect([place, line, /^(?:\(error\) )?ERR (?!This instance has cluster support disabled)/m.exec(stdout)]).toEqual([place, line, null]);
    expect([place, line, stdout.trim() === '' && !line.includes('ACL LOG') && !line.includes('SLOWLOG')]).toEqual([place, line, false]);
  }
});

test.each(all.filter(isStart))('$place: $line starts everything, and ends with its signal', async ({ line }) => {
  const certificates = await Certificates.make();
  onTestFinished(() => certificates.dispose());
  // The suite runs after `npm ci`.
  const command = `exec ${line.replace('npm ci && ', 'env ').replace(/^(?=\S+=)/, 'env ')}`
    .replace('/etc/barrage/tls.crt', certificates.certificateFile)
    .replace('/etc/barrage/tls.key', certificates.keyFile);
  const ports = { BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0', BARRAGE_DRAIN_MS: '0' };
  const started = spawn('sh', ['-c', command], {
    env: { ...neutralEnvironment(), ...ports },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void started.kill('SIGKILL'));
  let said = '';
  started.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await expect.poll(() => said).toContain('Paste this while the page is open');
  const ended = once(started, 'exit');
  process.kill(-(started.pid ?? 0), 'SIGTERM');
  await ended;
});

test('the lines of docs/kubectl.md install the command line under its three names', { timeout: 60_000 }, async () => {
  const blocks = codeBlocks(readFileSync('docs/kubectl.md', 'utf8')).filter(({ code }) => code.includes('/usr/local/bin'));
  expect(blocks).toHaveLength(1);
  const folder = await mkdtemp(join(tmpdir(), 'barrage-bin-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const lines = [
    blocks[0]?.code.replaceAll('/usr/local/bin', folder),
    'kubectl-barrage --version',
    'barrage --version',
    "kubectl_complete-barrage ''",
  ];
  const env = { ...neutralEnvironment(), PATH: `${folder}:${process.env['PATH']}` };
  const { stdout } = await promisify(execFile)('sh', ['-ec', lines.join('\n')], { env });
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
  expect(stdout.split('\n').filter((line) => line === version)).toHaveLength(2);
  // What kubectl asks the third for: words, each with what it does.
  expect(stdout).toMatch(/^top\b/m);
});

test('the policy file of docs/policies.md is taken, with every field', async () => {
  const [block] = codeBlocks(readFileSync('docs/policies.md', 'utf8')).filter(({ language }) => language === 'yaml');
  const barrage = await TestStandalone.withPolicies(block?.code ?? '');
  const { offset } = await barrage.publish('video:1', 'first');
  expect(offset).toBe(1);
});

test('the answer of GET /v1/connect in docs/placement.md has the form of a gateway’s', async () => {
  const [connect, document] = codeBlocks(readFileSync('docs/placement.md', 'utf8')).filter(({ language }) => language === 'json');
  const barrage = await TestStandalone.start();
  const answer = (await (await fetch(`http://localhost:${barrage.port}/v1/connect?channel=video:1`)).json()) as object;
  const documented = JSON.parse(connect?.code ?? '') as object;
  for (const name of Object.keys(answer)) expect(Object.keys(documented)).toContain(name);
  expect(() => JSON.parse(document?.code ?? '') as unknown).not.toThrow();
});
