import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { neutralEnvironment } from '../support/environment.ts';
import { readOptions } from '../../client/replay/options.ts';
import { retryAfterMs } from '../../client/replay/publish.ts';
import { TestStandalone } from '../support/standalone.ts';

interface Published {
  readonly body: { readonly c: string; readonly d: string };
  readonly atMs: number;
  readonly authorization: string | undefined;
  readonly port: number | undefined;
}

interface Publisher {
  readonly url: string;
  readonly published: Published[];
  readonly close: () => Promise<void>;
}

/** A real HTTP server that answers as the test says, with success unless it says otherwise. */
async function publisher(answer: (attempt: number, response: ServerResponse) => boolean = () => false): Promise<Publisher> {
  const published: Published[] = [];
  let attempts = 0;
  const server = createServer((request: IncomingMessage, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      if (answer(++attempts, response)) return;
      expect([request.method, request.url, request.headers['content-type']]).toEqual(['POST', '/v1/mesh/publish', 'application/json']);
      const { authorization } = request.headers;
      published.push({
        body: JSON.parse(text) as Published['body'],
        atMs: performance.now(),
        authorization,
        port: request.socket.remotePort,
      });
      response.end('{"E":null,"r":{"s":9,"f":0,"offset":1,"epoch":"e"}}');
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(async () => {
    if (server.listening) await close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, published, close };
}

async function file(comments: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-replay-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'comments.xml');
  await writeFile(path, comments);
  return path;
}

function comments(times: readonly number[]): string {
  return `<i>${times.map((at, index) => `<d p="${at},1,25,255,0,0,a,${index}">n${index}</d>`).join('')}</i>`;
}

/** Runs the command to its end. */
async function replay(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['client/replay/main.ts', ...args], { env: { ...neutralEnvironment(), ...environment } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const [status] = (await once(child, 'close')) as [number];
  return { status, stdout, stderr };
}

const slow = { timeout: 30_000 };

test('a file is played in order, at its pace times the speed, over one connection, and counted', slow, async () => {
  const { url, published } = await publisher();
  const path = await file(comments([2, 0, 1, 4, 3]));
  const { status, stdout, stderr } = await replay([path, '--channel', 'video:1', '--speed', '10', '--url', url]);
  expect([status, stderr]).toEqual([0, '']);
  expect(published.map(({ body }) => body)).toEqual(
    ['n1', 'n2', 'n0', 'n4', 'n3'].map((text) => ({ c: 'video:1', d: `{"text":"${text}","mode":"scroll","size":25,"color":"#0000ff"}` })),
  );
  // 4 s of video at ten times its pace. It may be late on a busy machine, never early.
  expect(Number(/; in ([\d.]+) s/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(0.4);
  expect(new Set(published.map(({ port }) => port)).size).toBe(1);
  expect(stdout).toMatch(/^finished: 5\/5 \(100 %\), [\d.]+\/s, 9 viewers reached, 0 errors; in [\d.]+ s\n$/);
});

test('it begins where it is told to, and presents the key that the environment holds', slow, async () => {
  const { url, published } = await publisher();
  const path = await file(comments([0, 59, 60, 60.1]));
  const args = [path, '--channel', 'c', '--from', '60', '--url', `${url}/`, '--key-from-env', 'REPLAY_KEY'];
  const { status } = await replay(args, { REPLAY_KEY: 'a key of sixteen' });
  expect(status).toBe(0);
  expect(published.map(({ body }) => (JSON.parse(body.d) as { text: string }).text)).toEqual(['n2', 'n3']);
  expect(published[0]?.authorization).toBe('Bearer a key of sixteen');
});

test('a temporary error is repeated after Retry-After, in order', slow, async () => {
  const { url, published } = await publisher((attempt, response) => {
    if (attempt !== 2 && attempt !== 3) return false;
    response.writeHead(attempt === 2 ? 503 : 429, { 'retry-after': '0' }).end('{"E":{"c":503,"m":"temporarily unavailable"}}');
    return true;
  });
  const { status, stdout } = await replay([await file(comments([0, 0, 0])), '--channel', 'c', '--url', url]);
  expect(status).toBe(0);
  expect(published.map(({ body }) => (JSON.parse(body.d) as { text: string }).text)).toEqual(['n0', 'n1', 'n2']);
  expect(stdout).toContain('2 errors');
});

test('a publisher that stays unavailable is given up after five attempts', slow, async () => {
  let attempts = 0;
  const { url } = await publisher((attempt, response) => {
    attempts = attempt;
    response.writeHead(503, { 'retry-after': '0' }).end('{"E":{"c":503,"m":"temporarily unavailable, repeat"}}');
    return true;
  });
  const { status, stdout, stderr } = await replay([await file(comments([0, 0])), '--channel', 'c', '--url', url]);
  expect([status, attempts]).toEqual([1, 5]);
  expect(stderr).toContain('still failing after 5 attempts: HTTP 503: temporarily unavailable, repeat');
  expect(stdout).toMatch(/^failed: 0\/2/);
});

test('a refusal and an answer of another kind of server end it at once, in words', slow, async () => {
  const path = await file(comments([0, 0]));
  for (const [code, body, words] of [
    [400, '{"E":{"c":101,"m":"a channel name has no spaces"}}', 'the publisher refused it: HTTP 400: a channel name has no spaces'],
    [401, '{"E":{"c":501,"m":"a key is wanted"}}', 'HTTP 401: a key is wanted'],
    [200, '<html>', 'not the answer of a Barrage publisher'],
  ] as const) {
    const { url, published } = await publisher((_attempt, response) => {
      response.writeHead(code).end(body);
      return true;
    });
    const { status, stderr } = await replay([path, '--channel', 'c', '--url', url]);
    expect([status, published.length]).toEqual([1, 0]);
    expect(stderr).toContain(words);
  }
});

test('a publisher that is not there is said to be so at once', slow, async () => {
  const { url, close } = await publisher();
  await close();
  const { status, stderr } = await replay([await file(comments([0])), '--channel', 'c', '--url', url]);
  expect(status).toBe(1);
  expect(stderr).toBe(`replay: ${url}: the publisher can't be reached: ECONNREFUSED. Start one with: npm start\n`);
});

test('a file that is none is refused before anything is published, and what is left out of another is told by reason', slow, async () => {
  const { url, published } = await publisher();
  const none = await file('{"comments":[]}');
  expect(await replay([none, '--channel', 'c', '--url', url])).toEqual({
    status: 1,
    stdout: '',
    stderr: `replay: ${none}:1:1: this is no XML, but JSON. Nothing was published.\n`,
  });
  expect(published).toEqual([]);
  const cut = await file('<i><d p="0,1,25,255">a</d><d p="soon,1,25,255">b</d><d p="1,7,25,255">[]</d><d p="2,1,2');
  const { status, stdout } = await replay([cut, '--channel', 'c', '--url', url]);
  expect([status, published.length]).toEqual([0, 1]);
  expect(stdout).toContain('left out 1 with a position or code of their own; left out 1 without a time; left out 1 cut off or unreadable');
});

test('a missing file is said to be missing, and SIGINT ends with the counts so far', slow, async () => {
  const missing = await replay(['/nowhere.xml', '--channel', 'c']);
  expect(missing.status).toBe(1);
  expect(missing.stderr).toContain('ENOENT');

  const { url, published } = await publisher();
  const path = await file(comments([0, 3600]));
  const child = spawn(process.execPath, ['client/replay/main.ts', path, '--channel', 'c', '--url', url]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  await expect.poll(() => published.length, { timeout: 20_000 }).toBe(1);
  child.kill('SIGINT');
  const [status] = (await once(child, 'close')) as [number];
  expect(status).toBe(130);
  expect(stdout).toMatch(/^stopped: 1\/2/);
});

test('a wrong command line prints the reason and the usage, with exit status 2', slow, async () => {
  const { status, stderr } = await replay(['a.xml', 'b.xml']);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^replay: one comment file at a time, not also b\.xml\n\n[^]*npm run replay -- FILE\.xml/);
});

test.each([
  [['a.xml', '--channel', ''], '--channel is empty'],
  [['a.xml', 'b.xml', '--channel', 'c'], 'one comment file at a time'],
  [['a.xml', '--channel', 'c', '--speed', '0'], '--speed "0" must be a number from 0.01 to 1000'],
  [['a.xml', '--channel', 'c', '--speed', '1e3'], '--speed'],
  [['a.xml', '--channel', 'c', '--from=-1'], '--from "-1"'],
  [['a.xml', '--channel', 'c', '--url', 'localhost:6789'], '--url "localhost:6789" must be an address such as http://127.0.0.1:6789'],
  [['--gateway', 'localhost:6790'], '--gateway "localhost:6790" must be an address such as ws://127.0.0.1:6790'],
  [['a.xml', '--channel', 'c', '--key-from-env', 'NOT_SET'], 'the environment variable NOT_SET is not set'],
  [['a.xml', '--channel', 'c', '--fast'], "Unknown option '--fast'"],
])('the command line %j is refused', (args, reason) => {
  expect(readOptions(args, {})).toEqual({ kind: 'fault', reason: expect.stringContaining(reason) });
});

test('without arguments the sample goes to the demo on this machine, and somebody watches; another publisher has no watcher by itself', () => {
  const nothing = { file: undefined, channel: 'video:1', speed: 1, fromSeconds: 0, key: undefined };
  const [url, gateway] = [new URL('http://127.0.0.1:6789'), new URL('ws://127.0.0.1:6790')];
  expect(readOptions([], {})).toEqual({ kind: 'options', options: { ...nothing, url, gateway } });
  expect(readOptions(['--url', url.href], {})).toEqual({ kind: 'options', options: { ...nothing, url, gateway: undefined } });
});

test('the sample is played, and a viewer says how many were given, and how many the budget left out', slow, async () => {
  const standalone = await TestStandalone.withPolicies(
    'channels: [{channel: tight, budget: {publicationsPerSecond: 5}, merge: {windowMilliseconds: 100}}]',
  );
  const place = ['--url', `http://127.0.0.1:${standalone.publisherPort}`, '--gateway', `ws://127.0.0.1:${standalone.port}`];
  const all = await replay([...place, '--from', '750', '--speed', '200']);
  expect([all.status, all.stderr]).toEqual([0, '']);
  const [, total] = /^replay: the sample, 2000 comments, to video:1\n[^]*finished: (\d+)\/\1 /.exec(all.stdout) ?? [];
  expect(all.stdout).toContain(`\na viewer at 127.0.0.1:${standalone.port} was given ${total} of ${total}: none was left out\n`);
  expect(all.stdout).toMatch(/\na screen of 1280 × 720 had a place for about \d+ % of them, .* try --speed [\d.]+\n$/);

  const few = await replay([...place, '--from', '750', '--speed', '200', '--channel', 'tight']);
  const [, given, of, left] = /was given (\d+) of (\d+): the gateway left out (\d+) above the channel's budget/.exec(few.stdout) ?? [];
  expect(of).toBe(total);
  expect(Number(given) + Number(left)).toBe(Number(of));
  expect(Number(left)).toBeGreaterThan(0);

  const unwatched = await replay([...place.slice(0, 2), '--gateway', 'ws://127.0.0.1:1', '--from', '775', '--speed', '200']);
  expect(unwatched.status).toBe(0);
  expect(unwatched.stdout).toMatch(/\nnot counted: no viewer could watch at 127\.0\.0\.1:1: .+\n/);
});

test('Retry-After is followed up to 10 s; anything else means a second', () => {
  expect([undefined, '0', '2', '9999', 'soon'].map(retryAfterMs)).toEqual([1000, 0, 2000, 10_000, 1000]);
});
