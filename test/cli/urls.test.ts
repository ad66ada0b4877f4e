import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Certificates } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { TestProcess } from '../support/process.ts';
import { startForTest, TestStandalone } from '../support/standalone.ts';
import { InstalledCommandLine, type Ended } from './command-line.ts';

let installed: InstalledCommandLine;
beforeAll(async () => {
  installed = await InstalledCommandLine.install();
});
afterAll(() => installed.remove());

async function run(args: readonly string[], input: string | Uint8Array = ''): Promise<Ended> {
  return installed.run('barrage', args, {}, input);
}

test('a payload that is not UTF-8 is not published as text, and is with --binary', async () => {
  const { publisherPort } = await TestStandalone.start();
  const place = ['--publisher-url', `http://127.0.0.1:${publisherPort}`];
  const bytes = Buffer.from('a\xffb', 'latin1');
  const file = join(installed.folder, 'bytes');
  await writeFile(file, bytes);
  const refused = { status: 2, stdout: '', stderr: 'barrage: the payload is not UTF-8: use --binary\n' };
  expect(await run(['publish', 'video:1', ...place], bytes)).toEqual(refused);
  expect(await run(['publish', 'video:1', '-f', file, ...place])).toEqual(refused);
  expect(await run(['publish', 'video:1', '--binary', '-f', file, ...place])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^video:1 #1 /),
  });
});

test('a tail whose first connection can not be made says why, and ends at once', async () => {
  const certificates = await Certificates.make('IP:127.0.0.1');
  onTestFinished(() => certificates.dispose());
  const [{ port: securePort }, closedPort] = await Promise.all([
    TestStandalone.start((await MountedSecret.of(certificates)).settings),
    freePort(),
  ]);
  const startedAt = performance.now();
  const [closed, unknown, secure, several] = await Promise.all([
    run(['tail', 'video:1', '--url', `http://127.0.0.1:${closedPort}`]),
    run(['tail', 'video:1', '--url', 'http://nowhere.invalid']),
    run(['tail', 'video:1', '--url', `http://127.0.0.1:${securePort}`]),
    run(['tail', 'video:1', '--url', `http://127.0.0.1:${closedPort}`, `http://127.0.0.1:${securePort}`]),
  ]);
  // It gives up a silent gateway after 15 s.
  expect(performance.now() - startedAt).toBeLessThan(12_000);
  const refused = `127.0.0.1:${closedPort} can't be reached: connect ECONNREFUSED 127.0.0.1:${closedPort}`;
  const ofTls = `127.0.0.1:${securePort} answers: this port speaks TLS: use https:// or wss:// instead of http:// or ws://`;
  expect(closed).toEqual({ status: 5, stdout: '', stderr: `barrage: ${refused}\n` });
  expect(unknown).toMatchObject({ status: 5, stderr: expect.stringMatching(/^barrage: nowhere\.invalid can't be reached: getaddrinfo E/) });
  expect(secure).toEqual({ status: 5, stdout: '', stderr: `barrage: ${ofTls}\n` });
  expect(several).toEqual({ status: 5, stdout: '', stderr: `barrage: ${refused}; ${ofTls}\n` });
}, 30_000);

test('a tail that is sent to a publisher says so at once', async () => {
  const { publisherPort: port } = await TestStandalone.start();
  expect(await run(['tail', 'video:1', '--url', `http://127.0.0.1:${port}`])).toEqual({
    status: 5,
    stdout: '',
    stderr: `barrage: 127.0.0.1:${port} is a publisher: name the clients' port of a gateway with --url\n`,
  });
});

test('a tail that was connected tells the cause of a loss, and tries again', async () => {
  const standalone = await startForTest();
  const { gatewayPort: port } = standalone;
  const tail = installed.start('barrage', ['tail', 'video:1', '--limit', '1', '--url', `http://127.0.0.1:${port}`]);
  await tail.said(/subscribed to video:1/);
  await standalone.close();
  await tail.said(/: 127\.0\.0\.1:\d+ can't be reached: connect ECONNREFUSED [\d.:]+; trying again\n/);
  const again = await TestStandalone.start({ BARRAGE_GATEWAY_PORT: String(port) });
  const publish = ['publish', 'video:1', 'again', '--publisher-url', `http://127.0.0.1:${again.publisherPort}`];
  await expect.poll(async () => (await run(publish)).stdout, { timeout: 20_000 }).toContain('1 member will get it');
  expect(await tail.ended()).toMatchObject({ status: 0, stdout: expect.stringContaining('again') });
}, 40_000);

test('a gateway that is not ready is not told to serve', async () => {
  const port = await freePort();
  const noRedis = `redis://127.0.0.1:${await freePort()}`;
  void new TestProcess('gateway/main.ts', { BARRAGE_GATEWAY_PORT: String(port), BARRAGE_REDIS_URL: noRedis });
  const place = ['--url', `http://127.0.0.1:${port}`];
  const row = /^127\.0\.0\.1:\d+ .* waits for .*the bus: .*ECONNREFUSED/m;
  await expect.poll(async () => (await run(['top', ...place])).stdout, { timeout: 20_000 }).toMatch(row);
  const { stdout } = await run(['status', ...place]);
  expect(stdout).toMatch(row);
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+: waiting for: /);
  expect(stdout).not.toContain('serving');
}, 40_000);

test('where operations are on the admin port, the words of the clients port are not taken for readiness', async () => {
  const { port, adminPort } = await TestStandalone.start({ BARRAGE_ADMIN_PORT: '0' });
  const place = ['--url', `http://127.0.0.1:${port}`];
  const words = "has no operations: if this is a gateway's port, name its admin port (BARRAGE_ADMIN_PORT) with --admin-url";
  const { stdout } = await run(['status', ...place]);
  expect(stdout.split('\n')[0]).toBe(`http://127.0.0.1:${port}: ${words}`);
  expect(stdout).not.toContain('no such page');
  expect((await run(['top', ...place])).stdout).toContain(words);
  const right = await run(['status', ...place, '--admin-url', `http://127.0.0.1:${adminPort}`]);
  expect(right.stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+: ready\n/);
});

test('top ends with status 5 where no URL answers, and shows what it has', async () => {
  const closed = `http://127.0.0.1:${await freePort()}`;
  const { port } = await TestStandalone.start();
  const answering = `http://127.0.0.1:${port}`;
  const stderr = 'barrage: no gateway has told its figures\n';
  expect(await run(['top', '--url', closed])).toEqual({ status: 5, stderr, stdout: expect.stringMatching(/^GATEWAY .*\n.*ECONNREFUSED/) });
  const json = await run(['top', '-o', 'json', '--url', closed, closed]);
  expect(json).toMatchObject({ status: 5, stderr });
  expect(JSON.parse(json.stdout)).toMatchObject([{ isWell: false }, { isWell: false }]);
  expect(await run(['top', 'channels', '--url', closed])).toMatchObject({
    status: 5,
    stderr,
    stdout: expect.stringContaining('ECONNREFUSED'),
  });
  expect(await run(['top', 'channels', '-o', 'json', '--url', closed])).toMatchObject({ status: 5, stderr, stdout: '[]\n' });
  expect(await run(['top', '--url', closed, answering])).toMatchObject({ status: 0, stderr: '' });
}, 30_000);

test('a publication that the bus did not confirm was not published, or nobody knows, as the answer says', async () => {
  const port = await freePort();
  const noRedis = `redis://127.0.0.1:${await freePort()}`;
  void new TestProcess('publisher/main.ts', { BARRAGE_PUBLISHER_PORT: String(port), BARRAGE_REDIS_URL: noRedis });
  const publish = (to: number): Promise<Ended> => run(['publish', 'video:1', 'x', '--publisher-url', `http://127.0.0.1:${to}`]);
  await expect
    .poll(() => publish(port), { timeout: 20_000 })
    .toMatchObject({ status: 1, stderr: expect.stringMatching(/^barrage: not published: 127\.0\.0\.1:\d+ says: .* It was not published/) });

  const unconfirmed = async (body: string): Promise<string> => {
    const server = createServer((request, response) => void request.resume().once('end', () => response.writeHead(503).end(body)));
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return (await publish((server.address() as AddressInfo).port)).stderr;
  };
  const unknown = /^barrage: unknown whether it was published: 127\.0\.0\.1:\d+ says: /;
  expect(await unconfirmed('{"E":{"c":503,"m":"the bus did not answer in time","published":"unknown"}}')).toMatch(unknown);
  expect(await unconfirmed('a proxy without a publisher')).toMatch(unknown);
}, 40_000);
