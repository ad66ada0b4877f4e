import { Agent, request } from 'node:http';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createRedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { StandInGateway } from './rig.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = join(root, 'node_modules/.bin/node');
const key = 'a-key-of-24-characters-x';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

/** The publisher as a process of its own. */
class PublisherProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  errors = '';

  constructor(environment: Readonly<Record<string, string>>) {
    const settings = { BARRAGE_PUBLISHER_PORT: '0', BARRAGE_REDIS_URL: redis.url, ...environment };
    this.child = spawn(node, [join(root, 'publisher/main.ts')], {
      env: { PATH: process.env['PATH'], ...settings },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.on('data', (data: Buffer) => (this.errors += data.toString()));
    this.exited = once(this.child, 'close').then(([code]) => code);
  }

  /** Where it listens, once it does. */
  async listening(): Promise<{ readonly port: number; readonly adminPort: number }> {
    await expect.poll(() => this.errors, { timeout: 20_000 }).toContain('the publisher listens');
    const line = this.errors.split('\n').find((text) => text.includes('the publisher listens')) ?? '';
    return JSON.parse(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }
}

const url = (port: number, path: string) => `http://127.0.0.1:${port}${path}`;
const publish = (port: number) =>
  fetch(url(port, '/v1/mesh/publish'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ c: 'video:1', d: 'x' }),
  });

test.each([
  ['without Redis', { BARRAGE_REDIS_URL: '' }, 2, ['BARRAGE_REDIS_URL is not set', 'npm start']],
  ['reachable without a key', { BARRAGE_PUBLISHER_HOST: '0.0.0.0' }, 2, ['BARRAGE_PUBLISHER_HOST="0.0.0.0"', 'Set BARRAGE_API_KEYS']],
  [
    'with several at once and a misspelt one',
    { BARRAGE_REDIS_URL: '', BARRAGE_PUBLISHER_HOST: '0.0.0.0', BARRAGE_FOO: '1' },
    2,
    ['BARRAGE_REDIS_URL is not set', 'Set BARRAGE_API_KEYS', 'BARRAGE_FOO: this environment variable is no setting'],
  ],
  ['with a policy file that is not there', { BARRAGE_POLICY_FILE: '/nowhere/policy.yaml' }, 1, ['/nowhere/policy.yaml', 'ENOENT']],
  [
    'with wrong settings',
    { BARRAGE_PUBLISHER_PORT: 'x', BARRAGE_API_KEYS: 'short' },
    2,
    ['BARRAGE_PUBLISHER_PORT="x"', 'BARRAGE_API_KEYS: '],
  ],
])('%s it does not start, and says why', async (_, environment, status, words) => {
  await using publisher = new PublisherProcess(environment);
  expect(await publisher.exited).toBe(status);
  for (const word of words) expect(publisher.errors).toContain(word);
  expect(publisher.errors).not.toMatch(/^ +at /m);
});

test('with a bad policy file it does not start, and lists every fault', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'barrage-main-'));
  const file = join(directory, 'policy.yaml');
  await writeFile(file, 'channels:\n  - channel: "a b"\n  - channel: "b:*"\n    merge: { windowMilliseconds: -1 }\n');
  await using publisher = new PublisherProcess({ BARRAGE_POLICY_FILE: file });
  expect(await publisher.exited).toBe(1);
  await rm(directory, { recursive: true });
  for (const words of [file, 'channels[0].channel: ', 'channels[1].merge.windowMilliseconds: ']) expect(publisher.errors).toContain(words);
});

test('on a taken port it does not start, and says so', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  await using publisher = new PublisherProcess({ BARRAGE_PUBLISHER_PORT: String(port) });
  expect(await publisher.exited).toBe(1);
  expect(publisher.errors).toContain(`port ${port} on 127.0.0.1 is taken`);
  taken.close();
  await once(taken, 'close');
});

/** @returns what the answer says of its connection */
function publishOver(agent: Agent, port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'x-api-key': key };
    const sent = request({ agent, port, host: '127.0.0.1', path: '/v1/mesh/publish', method: 'POST', headers }, (response) => {
      response
        .resume()
        .on('end', () =>
          response.statusCode === 200 ? resolve(response.headers.connection) : reject(new Error(`status ${response.statusCode}`)),
        );
    });
    sent.on('error', reject);
    sent.end(JSON.stringify({ c: 'a', d: 'x' }));
  });
}

test('it publishes through Redis with the counts of the gateways, is observed, and leaves on SIGTERM with status 0', async () => {
  await using publisher = new PublisherProcess({ BARRAGE_API_KEYS: key, BARRAGE_PUBLISHER_HOST: '0.0.0.0', BARRAGE_REDIS_PREFIX: 'main' });
  const { port } = await publisher.listening();
  await expect.poll(async () => (await fetch(url(port, '/readyz'))).status, { timeout: 10_000 }).toBe(200);

  await using stack = new AsyncDisposableStack();
  const gatewayBus = stack.adopt(createRedisBus({ url: redis.url, prefix: 'main' }), (bus) => bus.close());
  const gateway = new StandInGateway('gateway-one');
  gateway.counts.set('video:1', { ready: 5, full: 1 });
  await expect.poll(() => gatewayBus.state().up, { timeout: 10_000 }).toBe(true);
  await gatewayBus.calls.serve(gateway);
  const counts = async () => ((await (await publish(port)).json()) as { r: object }).r;
  await expect.poll(counts, { timeout: 10_000 }).toMatchObject({ s: 5, f: 1 });

  const metrics = await (await fetch(url(port, '/metrics'))).text();
  expect(metrics).toMatch(/^barrage_bus_up 1$/m);
  expect(metrics).toMatch(/^barrage_publisher_publications_total\{result="accepted"\} [1-9]/m);
  expect(metrics).toMatch(/^nodejs_eventloop_lag_seconds /m);
  expect(metrics).toMatch(/^process_cpu_seconds_total /m);

  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/v1`, { headers: { 'x-api-key': key } });
  await once(socket, 'open');
  const closed = once(socket, 'close');
  publisher.child.kill('SIGTERM');
  expect((await closed)[0]).toBe(1012);
  expect(await publisher.exited).toBe(0);
});

test('SIGTERM under load: what was published is answered, and the process ends in time', async () => {
  await using publisher = new PublisherProcess({ BARRAGE_API_KEYS: key, BARRAGE_REDIS_PREFIX: 'leaving' });
  const { port } = await publisher.listening();
  await expect.poll(async () => (await fetch(url(port, '/readyz'))).status, { timeout: 10_000 }).toBe(200);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/v1`, { headers: { 'x-api-key': key } });
  const offsets: number[] = [];
  const refusals: unknown[] = [];
  let sent = 0;
  const send = (): void => socket.send(JSON.stringify({ m: 'mesh.publish', p: { c: 'a', d: 'x'.repeat(200) }, i: ++sent }));
  socket.on('message', (data: Buffer) => {
    const { E, r } = JSON.parse(data.toString()) as { E: { c: number } | null; r?: { offset: number } };
    if (r === undefined) refusals.push(E?.c);
    else offsets.push(r.offset);
    if (socket.readyState === WebSocket.OPEN) send();
  });
  await once(socket, 'open');
  for (let count = 0; count < 100; count++) send();
  await expect.poll(() => offsets.length, { timeout: 10_000 }).toBeGreaterThan(1_000);
  const closed = once(socket, 'close');
  const leavingSince = performance.now();
  publisher.child.kill('SIGTERM');
  expect((await closed)[0]).toBe(1012);
  expect(await publisher.exited).toBe(0);
  expect(performance.now() - leavingSince).toBeLessThan(10_000);
  expect(await redis.command('HGET', 'leaving:{a}:record', 'offset')).toMatch(new RegExp(` ${offsets.length}$`));
  expect(offsets.toSorted((one, other) => one - other)).toEqual(offsets.map((_, index) => index + 1));
  expect(new Set(refusals)).toEqual(new Set(refusals.length === 0 ? [] : [503]));
});

test('SIGTERM breaks off no HTTP request of backends that keep their connections', async () => {
  await using publisher = new PublisherProcess({ BARRAGE_API_KEYS: key, BARRAGE_REDIS_PREFIX: 'farewell' });
  const { port } = await publisher.listening();
  await expect.poll(async () => (await fetch(url(port, '/readyz'))).status, { timeout: 10_000 }).toBe(200);
  let answers = 0;
  /** Publishes over one connection until it is told that there will be no more. @returns how it was told */
  const backend = async (): Promise<unknown> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (;;) {
        const connection = await publishOver(agent, port);
        answers++;
        if (connection === 'close') return connection;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    } finally {
      agent.destroy();
    }
  };
  const ends = Promise.all(Array.from({ length: 16 }, backend));
  await expect.poll(() => answers, { timeout: 10_000 }).toBeGreaterThan(1_000);
  publisher.child.kill('SIGTERM');
  expect(new Set(await ends)).toEqual(new Set(['close']));
  expect(await publisher.exited).toBe(0);
  expect(await redis.command('HGET', 'farewell:{a}:record', 'offset')).toMatch(new RegExp(` ${answers}$`));
});

test('where Redis refuses publications their senders are told that it is temporary, its words are logged, and a metric counts them', async () => {
  const full = await RedisServer.start();
  try {
    await using publisher = new PublisherProcess({ BARRAGE_REDIS_URL: full.url, BARRAGE_API_KEYS: key });
    const { port } = await publisher.listening();
    await expect.poll(async () => (await publish(port)).status, { timeout: 10_000 }).toBe(200);
    await full.command('CONFIG', 'SET', 'maxmemory', '1');
    const refused = await publish(port);
    expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
      503,
      '5',
      {
        E: {
          c: 503,
          m: 'temporarily unavailable: the bus has no memory left (Redis: OOM). It was not published; repeat it after 5 s',
          published: 'no',
        },
      },
    ]);
    await expect.poll(() => publisher.errors).toMatch(/"reason":"OOM command not allowed[^\n]*"publications could not be appended"/);
    const metrics = await (await fetch(url(port, '/metrics'))).text();
    expect(metrics).toMatch(/^barrage_bus_append_failures_total\{reason="OOM"\} 1$/m);
    expect(metrics).toMatch(/^barrage_bus_append_failures_total\{reason="other"\} 0$/m);
    await full.command('CONFIG', 'SET', 'maxmemory', '0');
    expect((await publish(port)).status).toBe(200);
  } finally {
    await full.dispose();
  }
});

test('without its Redis it lives, is not ready, answers that it is temporary, and works again when Redis is back', async () => {
  const away = await RedisServer.start();
  await away.stop('gone');
  try {
    await using publisher = new PublisherProcess({ BARRAGE_REDIS_URL: away.url, BARRAGE_API_KEYS: key, BARRAGE_ADMIN_PORT: '0' });
    const { port, adminPort } = await publisher.listening();
    expect((await fetch(url(adminPort, '/livez'))).status).toBe(200);
    expect((await fetch(url(port, '/livez'))).status).toBe(404);
    const ready = await fetch(url(adminPort, '/readyz'));
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('waiting for: the bus: ')]);
    const refused = await publish(port);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.json()).toEqual({
      E: {
        c: 503,
        m: 'temporarily unavailable: the bus cannot be reached. It was not published; repeat it after 1 s',
        published: 'no',
      },
    });
    await away.start();
    await expect.poll(async () => (await publish(port)).status, { timeout: 5_000 }).toBe(200);
    await expect.poll(async () => (await fetch(url(adminPort, '/readyz'))).status, { timeout: 5_000 }).toBe(200);
  } finally {
    await away.dispose();
  }
});
