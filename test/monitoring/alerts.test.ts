import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ruleFileText } from '../../monitoring/alerts/rules.ts';
import { Balancer } from '../support/balancer.ts';
import { TestProcess } from '../support/process.ts';
import { Prometheus, type FiredAlert, type ScrapeTarget } from '../support/prometheus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestClient, until } from '../support/websocket.ts';

// Windows and waits of the rules are sixty times as short. The rules are the same: test/monitoring/alert-rules.test.ts.
vi.setConfig({ testTimeout: 120_000, expect: { poll: { timeout: 40_000, interval: 200 } } });

function target(port: number, pod: string): ScrapeTarget {
  return { job: 'barrage', address: `127.0.0.1:${port}`, labels: { namespace: 'live', pool: 'web', pod } };
}

async function watch(targets: readonly ScrapeTarget[]): Promise<Prometheus> {
  const prometheus = await Prometheus.start({ targets, rules: [ruleFileText({ timeScale: 60 })] });
  onTestFinished(() => prometheus.stop());
  await expect.poll(() => prometheus.query('count(barrage_bus_up == 1)')).toMatchObject([{ value: targets.length }]);
  return prometheus;
}

async function firing(prometheus: Prometheus): Promise<readonly FiredAlert[]> {
  return (await prometheus.alerts()).filter(({ state }) => state === 'firing');
}

async function firingNames(prometheus: Prometheus): Promise<readonly string[]> {
  return (await firing(prometheus)).map(({ labels }) => labels['alertname'] ?? '').toSorted();
}

async function untilFires(prometheus: Prometheus, name: string): Promise<FiredAlert> {
  await expect.poll(() => firingNames(prometheus)).toContain(name);
  const found = (await firing(prometheus)).find(({ labels }) => labels['alertname'] === name);
  if (found === undefined) throw new Error(`${name} fired, and is over`);
  expect(found.labels).toMatchObject({ namespace: 'live', pool: 'web' });
  expect(found.annotations['description']).toContain('live/web');
  return found;
}

async function untilOver(prometheus: Prometheus, name: string): Promise<void> {
  await expect.poll(() => firingNames(prometheus)).not.toContain(name);
}

/** Runs the one command of an alert's runbook that has these words in it. */
async function follow(
  alert: FiredAlert,
  words: string,
  variables: Readonly<Record<string, string>>,
): Promise<{ readonly isDone: boolean; readonly output: string }> {
  const text = readFileSync(alert.annotations['runbook_url'] ?? '', 'utf8');
  const commands = [...text.matchAll(/^ *((?:timeout|redis-cli|curl) .*)$/gm), ...text.matchAll(/`((?:ps|kill) [^`]*)`/g)].map(
    ([, command = '']) => command,
  );
  const [command = '', ...others] = commands.filter((each) => each.includes(words));
  expect([command, others], words).toEqual([expect.stringContaining(words), []]);
  const filled = command.replaceAll(/\b(?:PID)\b/g, (name) => variables[name] ?? name);
  return new Promise((resolve) => {
    execFile('sh', ['-c', filled], { env: { PATH: process.env['PATH'], ...variables } }, (error, stdout, stderr) =>
      resolve({ isDone: error === null, output: stdout + stderr }),
    );
  });
}

async function publish(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ c: 'video:1', d: 'hello' }),
  });
  const { E } = (await response.json()) as { readonly E: { readonly c: number } | null };
  return E === null ? 0 : E.c;
}

test('Redis hangs, and then is gone: appends are late, the bus is down; the runbooks bring it back', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const shared = { BARRAGE_REDIS_URL: redis.url, BARRAGE_DRAIN_MS: '0' };
  const gateway = new TestProcess('gateway/main.ts', { ...shared, BARRAGE_GATEWAY_PORT: '0' });
  const publisher = new TestProcess('publisher/main.ts', { ...shared, BARRAGE_PUBLISHER_PORT: '0' });
  const [gatewayPort, publisherPort] = await Promise.all([gateway.port(), publisher.port()]);
  const prometheus = await watch([target(gatewayPort, 'web-1'), target(publisherPort, 'web-publisher-1')]);
  const variables = { REDIS_URL: redis.url, GATEWAY_ADMIN: `http://127.0.0.1:${gatewayPort}`, PID: String(redis.pid) };
  expect(await publish(publisherPort)).toBe(0);
  expect(await firingNames(prometheus)).toEqual([]);

  redis.pause();
  expect(await Promise.all([publish(publisherPort), publish(publisherPort), publish(publisherPort)])).not.toContain(0);
  const late = await untilFires(prometheus, 'BarrageAppendsLate');
  expect(late.annotations['description']).toMatch(/^For about [3-6] publications of pool live\/web /);
  const hung = await untilFires(prometheus, 'BarrageBusDown');
  expect(hung.annotations['description']).toMatch(/^2 processes of pool live\/web /);

  expect((await follow(hung, '/readyz', variables)).output).toMatch(/the bus: (?:Redis does not answer|the connection to Redis broke)/);
  expect((await follow(late, 'PING', variables)).isDone).toBe(false);
  expect((await follow(late, 'ps -o', variables)).output.trim()).toMatch(/^T/);
  await follow(late, 'kill -CONT', variables);
  await Promise.all([untilOver(prometheus, 'BarrageAppendsLate'), untilOver(prometheus, 'BarrageBusDown')]);

  await redis.stop('kept');
  const down = await untilFires(prometheus, 'BarrageBusDown');
  expect((await follow(down, 'PING', variables)).isDone).toBe(false);
  expect((await follow(down, '/readyz', variables)).output).toMatch(/the bus: .*(?:refused|broke)/i);
  await redis.start();
  expect((await follow(down, 'PING', variables)).output).toBe('PONG\n');
  await untilOver(prometheus, 'BarrageBusDown');
  expect(await publish(publisherPort)).toBe(0);
});

test('a gateway is nearly full, then its proxy cuts everybody off; the runbooks make room, and find the proxy', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const start = (port: string, connectionsMax: number): TestProcess =>
    new TestProcess('gateway/main.ts', {
      BARRAGE_REDIS_URL: redis.url,
      BARRAGE_DRAIN_MS: '0',
      BARRAGE_GATEWAY_PORT: port,
      BARRAGE_GATEWAY_CONNECTIONS_MAX: String(connectionsMax),
    });
  const first = start('0', 40);
  const port = await first.port();
  const prometheus = await watch([target(port, 'web-1')]);
  const variables = { GATEWAY_ADMIN: `http://127.0.0.1:${port}` };
  const crowd = async (by: number): Promise<readonly TestClient[]> => {
    const clients = await Promise.all(Array.from({ length: 38 }, () => TestClient.open(by)));
    onTestFinished(() => clients.forEach(({ socket }) => socket.terminate()));
    return clients;
  };
  const clients = await crowd(port);
  const near = await untilFires(prometheus, 'BarrageGatewayNearLimit');
  expect(near.annotations['description']).toMatch(/^Gateway web-1 of pool live\/web has 95% /);
  const asked = await follow(near, '/metrics', variables);
  expect(asked.output).toContain('barrage_gateway_connections_max 40');

  // What the runbook says where the machine has room: a higher bound, and a new start.
  first.terminate();
  expect(await first.ended()).toBe(0);
  await until(() => clients.every(({ closing }) => closing?.code === 1012));
  await start(String(port), 100).port();
  await using proxy = await Balancer.start([port]);
  await crowd(proxy.port);
  await untilOver(prometheus, 'BarrageGatewayNearLimit');
  expect((await untilFires(prometheus, 'BarrageGatewayRestarted')).annotations['description']).toContain('Gateway web-1 ');
  expect(await firingNames(prometheus)).not.toContain('BarrageConnectionsLost');

  proxy.cut();
  const lost = await untilFires(prometheus, 'BarrageConnectionsLost');
  expect(lost.annotations['description']).toMatch(/^\d\d connections of pool live\/web ended /);
  expect((await follow(lost, 'ended_total', variables)).output).toContain('barrage_gateway_connections_ended_total{how="cut"} 38');
  await crowd(proxy.port);
  await untilOver(prometheus, 'BarrageConnectionsLost');
  await untilOver(prometheus, 'BarrageGatewayRestarted');
});
