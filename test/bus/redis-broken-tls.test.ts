import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Certificates } from '../support/certificates.ts';
import { TestProcess } from '../support/process.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from './world.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.dispose());

async function proxyBefore(url: string): Promise<RedisProxy> {
  const { hostname, port } = new URL(url);
  const proxy = await RedisProxy.before({ host: hostname, port: Number(port) });
  onTestFinished(() => proxy.dispose());
  return proxy;
}

function newGateway(proxy: RedisProxy, variables: Readonly<Record<string, string>> = {}): TestProcess {
  return new TestProcess('gateway/main.ts', {
    BARRAGE_REDIS_URL: proxy.url.replace('redis:', 'rediss:'),
    BARRAGE_REDIS_CA_FILE: certificates.caFile,
    BARRAGE_GATEWAY_PORT: '0',
    ...variables,
  });
}

test.each(['open', 'garbled'] as const)('a gateway outlives a broken record of TLS and the reset after it, first %s', async (first) => {
  const server = await RedisServer.start({ tls: certificates });
  onTestFinished(() => server.dispose());
  const proxy = await proxyBefore(server.url);
  proxy.become(first);
  const gateway = newGateway(proxy);
  if (first === 'open') await until('it is up', () => gateway.stderr.includes('"bus-up"'), 30_000);
  proxy.become('garbled');
  await until('it says why', () => /"redis-failed"[^\n]*bad record type/.test(gateway.stderr), 30_000);
  const before = gateway.stderr.split('"bus-up"').length;
  proxy.become('open');
  await until('it is up again', () => gateway.stderr.split('"bus-up"').length > before, 30_000);
  expect(gateway.hasEnded).toBe(false);
});

test('a gateway outlives broken records of TLS in what it asks a Sentinel', async () => {
  const sentinels = await RedisSentinels.start({ sentinels: 1, tls: certificates });
  onTestFinished(() => sentinels.dispose());
  const proxy = await proxyBefore(sentinels.access.url);
  proxy.become('garbled');
  const gateway = newGateway(proxy, { BARRAGE_REDIS_MODE: 'Sentinel', BARRAGE_REDIS_SENTINEL_NAME: sentinels.access.sentinelName ?? '' });
  await until(
    'it has asked several times',
    () => /no Sentinel answers[^\n]*"times":(?!1,)/.test(gateway.stderr) || gateway.hasEnded,
    30_000,
  );
  proxy.become('open');
  await until('it is up', () => gateway.stderr.includes('"bus-up"'), 30_000);
  expect(gateway.hasEnded).toBe(false);
});
