import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { RedisAccess } from '../../core/redis/access.ts';
import { createRedisBus } from '../../core/redis/bus.ts';
import { Certificates } from '../support/certificates.ts';
import { TestProcess } from '../support/process.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import { RedisServer, type RedisServerOptions } from '../support/redis-server.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { AnsweringGateway, Listener, publication, question, until } from './world.ts';

const dayMs = 86_400_000;
const password = 'p@ss:w/ord,%';

let certificates: Certificates;
let foreign: Certificates;
beforeAll(async () => {
  [certificates, foreign] = await Promise.all([Certificates.make(), Certificates.make()]);
});
afterAll(async () => {
  await Promise.all([certificates.dispose(), foreign.dispose()]);
});

async function newServer(options: RedisServerOptions): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  onTestFinished(() => server.dispose());
  return server;
}

/** Publishes, hears and calls through a bus that is reached this way. */
async function expectAtWork(access: RedisAccess): Promise<void> {
  const bus = createRedisBus({ ...access, prefix: 'login' });
  onTestFinished(() => bus.close());
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  await bus.log.append('a', [publication('x')]);
  await until('heard', () => listener.texts.length === 1);
  const number = await bus.calls.serve(new AnsweringGateway('g'));
  expect(await bus.calls.call(number, question, 5000)).toMatchObject({ kind: 'reply' });
  const { certificateEndsAt } = bus.figures();
  if (!access.url.startsWith('rediss:')) expect(certificateEndsAt).toBeUndefined();
  // The test's certificates are good for two days.
  else expect(Math.round(((certificateEndsAt ?? 0) - Date.now()) / dayMs)).toBe(2);
}

/** Why a bus that is reached this way does not come up, as it says it and as it is logged. */
async function refusalOf(access: RedisAccess, words: RegExp): Promise<void> {
  const { logger, lines: logged } = recordedLog();
  const bus = createRedisBus({ ...access, prefix: 'login', logger });
  onTestFinished(() => bus.close());
  await until('it says why', () => words.test(JSON.stringify(bus.state())));
  const failure: unknown = await bus.log.append('a', [publication('x')]).catch((error: unknown) => error);
  expect(String(failure)).toMatch(words);
  expect(logged.length).toBeGreaterThan(0);
  expect(JSON.stringify([logged, bus.state(), String(failure)])).not.toContain('ss:w/ord');
}

test('an ACL user with a password, by settings or in the URL, where the default user has none of its rights', async () => {
  const server = await newServer({});
  await server.command('ACL', 'SETUSER', 'barrage', 'on', `>${password}`, '~login:*', '&login:*', '+@all');
  const userInfo = `barrage:${encodeURIComponent(password)}`;
  await server.command('ACL', 'SETUSER', 'default', '-@all', '+@connection', '+acl');
  await expectAtWork({ url: server.url, username: 'barrage', password });
  await expectAtWork({ url: server.url.replace('//', `//${userInfo}@`) });
  await refusalOf({ url: server.url, username: 'barrage', password: `${password}!` }, /WRONGPASS/);
});

test('a password of the default user', async () => {
  const server = await newServer({ password });
  await expectAtWork({ url: server.url, password });
  await refusalOf({ url: server.url }, /NOAUTH/);
});

test('TLS with an authority of its own: trusted where it is given, refused where it is not or another is', async () => {
  const server = await newServer({ password, tls: certificates });
  expect(server.url).toMatch(/^rediss:/);
  await expectAtWork({ url: server.url, password, ca: await certificates.ca() });
  await refusalOf({ url: server.url, password }, /certificate|self-signed/);
  await refusalOf({ url: server.url, password, ca: await foreign.ca() }, /certificate/);
  await refusalOf({ url: server.url.replace('127.0.0.1', 'localhost'), password, ca: await certificates.ca() }, /altnames|localhost/);
});

test('Sentinels and servers by TLS, the servers with a password', async () => {
  const sentinels = await RedisSentinels.start({ sentinels: 1, password, tls: certificates });
  onTestFinished(() => sentinels.dispose());
  expect(sentinels.access.url).toMatch(/^rediss:/);
  await expectAtWork({ ...sentinels.access, password, ca: await certificates.ca() });
  await refusalOf({ ...sentinels.access, password: 'x'.repeat(20), ca: await certificates.ca() }, /WRONGPASS/);
});

test("Sentinels with a password: the servers' one, or one of their own in the URL", async () => {
  const sentinels = await RedisSentinels.start({ sentinels: 1, password, sentinelPassword: 'the Sentinels' });
  onTestFinished(() => sentinels.dispose());
  const { access } = sentinels;
  await expectAtWork({ ...access, url: access.url.replace('//', '//:the%20Sentinels@'), password });
  await refusalOf({ ...access, password }, /no Sentinel can be asked: (?:WRONGPASS|NOAUTH)/);
  const same = await RedisSentinels.start({ sentinels: 1, password, sentinelPassword: password });
  onTestFinished(() => same.dispose());
  await expectAtWork({ ...same.access, password });
});

test('a Cluster by TLS and with a password', async () => {
  const cluster = await RedisCluster.start({ masters: 3, password, tls: certificates });
  onTestFinished(() => cluster.dispose());
  expect(cluster.access.url).toMatch(/^rediss:/);
  await expectAtWork({ ...cluster.access, password, ca: await certificates.ca() });
  await refusalOf({ ...cluster.access, password: 'x'.repeat(20), ca: await certificates.ca() }, /WRONGPASS/);
});

test('a Sentinel is not taken for a server; Sentinels that do not know the name are told from those that do not answer', async () => {
  const sentinels = await RedisSentinels.start({ sentinels: 1 });
  onTestFinished(() => sentinels.dispose());
  const { access } = sentinels;
  await refusalOf({ url: access.url }, /the server is a Sentinel: set BARRAGE_REDIS_MODE to Sentinel/);
  await refusalOf({ ...access, sentinelName: 'nobody' }, /the Sentinels know no master named 'nobody'/);
  await refusalOf(
    { ...access, sentinelName: 'nobody', url: `redis://127.0.0.1:1,${access.url}` },
    /the Sentinels know no master named 'nobody'/,
  );
});

test('what keeps a bus down is told in the same words at each attempt', async () => {
  const sentinels = await RedisSentinels.start({ sentinels: 1, password });
  onTestFinished(() => sentinels.dispose());
  const encrypted = await newServer({ password, tls: certificates });
  const wrong = { password: 'x'.repeat(20) };
  for (const [access, words] of [
    [{ ...sentinels.access, ...wrong }, /WRONGPASS/],
    [{ ...sentinels.access, sentinelName: 'nobody', password }, /no master named/],
    [{ url: encrypted.url.replace('rediss', 'redis'), password }, /broke off/],
  ] as const) {
    const bus = createRedisBus({ ...access, prefix: 'login' });
    onTestFinished(() => bus.close());
    await until('it says why', () => words.test(JSON.stringify(bus.state())));
    const told = new Set<string>();
    const startedAt = performance.now();
    await until('several attempts were made', () => {
      told.add(JSON.stringify(bus.state()));
      return bus.figures().connectionErrors > 12 || performance.now() - startedAt > 5000;
    });
    expect([...told]).toHaveLength(1);
  }
});

test('a Cluster and a single server are not taken for one another', async () => {
  const [single, cluster] = [await newServer({}), await RedisCluster.start({ masters: 1 })];
  onTestFinished(() => cluster.dispose());
  await refusalOf({ ...cluster.access, mode: 'Standalone' }, /set BARRAGE_REDIS_MODE to Cluster/);
  await refusalOf({ url: single.url, mode: 'Cluster' }, /no node of a Redis Cluster/);
});

test.each(['gateway/main.ts', 'publisher/main.ts', 'standalone/main.ts'])(
  '%s reaches Redis by its settings and logs no password',
  async (main) => {
    const server = await newServer({ password, tls: certificates });
    const variables = {
      BARRAGE_REDIS_URL: server.url,
      BARRAGE_REDIS_CA_FILE: certificates.caFile,
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_PUBLISHER_PORT: '0',
    };
    const well = new TestProcess(main, { ...variables, BARRAGE_REDIS_PASSWORD: password });
    await until('it is up', () => well.stderr.includes('the bus is up'), 30_000);
    const wrong = new TestProcess(main, { ...variables, BARRAGE_REDIS_PASSWORD: `${password}!` });
    await until('it says why it is not', () => wrong.stderr.includes('WRONGPASS'), 30_000);
    const contradiction = new TestProcess(main, { ...variables, BARRAGE_REDIS_MODE: 'Sentinel', BARRAGE_REDIS_PASSWORD: password });
    expect(await contradiction.ended()).not.toBe(0);
    expect(contradiction.stderr).toContain('BARRAGE_REDIS_SENTINEL_NAME');
    for (const { stdout, stderr } of [well, wrong, contradiction]) expect(stdout + stderr).not.toContain('ss:w/ord');
  },
);
