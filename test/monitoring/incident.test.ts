import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ruleFileText } from '../../monitoring/alerts/rules.ts';
import { Balancer } from '../support/balancer.ts';
import { launchChromium } from '../support/chromium.ts';
import { TestProcess } from '../support/process.ts';
import { Prometheus, type FiredAlert, type ScrapeTarget } from '../support/prometheus.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestClient, V1Client } from '../support/websocket.ts';

/*
 * Four faults at once, and a newcomer who has the pages alone: the alerts, their runbooks, and the operations page.
 * Each question (which gateway, which channel, since when, how many were hit, what to do) is answered by these.
 */
let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterAll(async () => {
  await browser?.close();
});

// Windows and waits of the rules are sixty times as short. The rules are the same: test/monitoring/alert-rules.test.ts.
const timeScale = 60;
const hot = 'video:hot';
const quiet = 'video:quiet';

function target(port: number, pod: string): ScrapeTarget {
  return { job: 'barrage', address: `127.0.0.1:${port}`, labels: { namespace: 'shows', pool: 'live', pod } };
}

async function crowd(count: number, port: number): Promise<readonly TestClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => TestClient.open(port)));
  onTestFinished(() => clients.forEach(({ socket }) => socket.terminate()));
  return clients;
}

async function publish(port: number, channel: string, data: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ c: channel, d: data }),
  });
  await response.arrayBuffer();
}

/** All text of the operations page of one process. */
async function operationsPage(port: number): Promise<string> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  try {
    await page.goto(`http://localhost:${port}/ops`);
    await page.locator('#link[data-state=live]').waitFor();
    return await page.innerText('main');
  } finally {
    await page.close();
  }
}

/** The section "What to do" of an alert's runbook. */
function whatToDo(alert: FiredAlert): string {
  const [, section = ''] = /\n## What to do\n([^]*?)\n## /.exec(readFileSync(alert.annotations['runbook_url'] ?? '', 'utf8')) ?? [];
  return section;
}

test('an incident of four faults at once is understood from the pages alone', { timeout: 180_000 }, async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const line = await RedisProxy.before(redis, (text) => text);
  onTestFinished(() => line.dispose());
  const start = async (
    main: string,
    variables: Readonly<Record<string, string>>,
  ): Promise<{ readonly port: number; readonly admin: number }> => {
    // As in a pod: a gateway without room for clients still answers there.
    const admin = await freePort();
    const child = new TestProcess(main, {
      BARRAGE_REDIS_URL: redis.url,
      BARRAGE_DRAIN_MS: '0',
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_PUBLISHER_PORT: '0',
      BARRAGE_ADMIN_PORT: String(admin),
      ...variables,
    });
    return { port: await child.port(), admin };
  };
  const small = await start('gateway/main.ts', { BARRAGE_GATEWAY_CONNECTIONS_MAX: '40' });
  const large = await start('gateway/main.ts', {});
  const publisher = await start('publisher/main.ts', {});
  const distant = await start('publisher/main.ts', { BARRAGE_REDIS_URL: line.url });
  const pods = { 'live-1': small, 'live-2': large, 'live-publisher-1': publisher, 'live-publisher-2': distant };
  const prometheus = await Prometheus.start({
    targets: Object.entries(pods).map(([pod, { admin }]) => target(admin, pod)),
    rules: [ruleFileText({ timeScale })],
  });
  onTestFinished(() => prometheus.stop());
  await using proxy = await Balancer.start([large.port]);

  // A usual evening: viewers of two channels, some of them behind a proxy.
  await crowd(38, small.port);
  await crowd(60, proxy.port);
  const viewers = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      const viewer = await V1Client.open(large.port);
      onTestFinished(() => viewer.socket.terminate());
      await viewer.command('subscribe', { channel: index < 8 ? hot : quiet });
      return viewer;
    }),
  );
  const firing = async (): Promise<readonly FiredAlert[]> => (await prometheus.alerts()).filter(({ state }) => state === 'firing');
  await expect.poll(() => prometheus.query('count(barrage_bus_up == 1)')).toMatchObject([{ value: 4 }]);
  // Long enough for the increase of a counter to begin at its value of now.
  await new Promise((resolve) => setTimeout(resolve, 3_000));

  const brokenAt = Date.now();
  const over = new AbortController();
  onTestFinished(() => over.abort());
  // 1. More clients than one gateway takes. 2. A crowd of slow readers on one channel. 3. The proxy cuts everybody off.
  // 4. One publisher loses Redis.
  const dialling = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      await Promise.allSettled(Array.from({ length: 3 }, () => TestClient.open(small.port)));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  for (const viewer of viewers.slice(0, 8)) viewer.stall();
  const payload = 'x'.repeat(30_000);
  const flooding = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      await publish(publisher.port, hot, payload);
      await publish(publisher.port, quiet, 'hello');
      await publish(distant.port, quiet, 'hello').catch(() => {});
    }
  })();
  proxy.cut();
  line.dispose();

  const wanted = ['BarrageBusDown', 'BarrageConnectionsLost', 'BarrageDropsAboveBudget', 'BarrageGatewayFull'];
  const found = new Map<string, FiredAlert>();
  await expect
    .poll(
      async () => {
        for (const alert of await firing()) found.set(alert.labels['alertname'] ?? '', alert);
        return wanted.filter((name) => !found.has(name));
      },
      { timeout: 60_000, interval: 250 },
    )
    .toEqual([]);
  const alertOf = (name: string): FiredAlert => {
    const alert = found.get(name);
    if (alert === undefined) throw new Error(`${name} did not fire`);
    return alert;
  };
  const [full, lost, dropped, down] = ['BarrageGatewayFull', 'BarrageConnectionsLost', 'BarrageDropsAboveBudget', 'BarrageBusDown'].map(
    alertOf,
  );
  if (full === undefined || lost === undefined || dropped === undefined || down === undefined) throw new Error('unreachable');

  // Which gateway?
  expect(full.labels['pod']).toBe('live-1');
  const smallPage = await operationsPage(small.admin);
  expect(smallPage).toContain('No room for more connections');
  const largePage = await operationsPage(large.admin);
  expect(largePage).toContain('Slow clients lose publications');
  expect(largePage).not.toContain('No room for more connections');
  // Which publisher?
  expect(await operationsPage(distant.admin)).toContain('The bus is away');
  expect(await operationsPage(publisher.admin)).not.toContain('The bus is away');
  // Which channel?
  const [worst] = await prometheus.query('topk(1, sum by (channel) (barrage_gateway_top_channel_dropped_per_second{reason="slow"}))');
  expect(worst?.labels['channel']).toBe(hot);
  expect(largePage).toContain(hot);
  // Since when?
  for (const alert of [full, lost, dropped, down]) {
    const since = Date.parse(alert.activeAt);
    expect(since, alert.labels['alertname']).toBeGreaterThan(brokenAt - 1_000);
    expect(since, alert.labels['alertname']).toBeLessThan(brokenAt + 45_000);
  }
  // How many were hit?
  const numberIn = (alert: FiredAlert): number =>
    Number(/\d+/.exec((alert.annotations['description'] ?? '').replace(/^Gateway \S+ of pool \S+ /, ''))?.[0]);
  expect(numberIn(lost)).toBeGreaterThanOrEqual(50);
  expect(numberIn(full)).toBeGreaterThanOrEqual(1);
  expect(down.annotations['description']).toMatch(/^1 process of /);
  expect(dropped.annotations['description']).toMatch(/^\d+(?:\.\d+)?% of the publications for clients of pool shows\/live /);
  // What to do?
  expect(whatToDo(full)).toMatch(/maxReplicas|BARRAGE_GATEWAY_CONNECTIONS_MAX/);
  expect(whatToDo(lost)).toMatch(/proxy/);
  expect(whatToDo(dropped)).toMatch(/slow|queue|network/i);
  expect(whatToDo(down)).toMatch(/Redis/);

  over.abort();
  await Promise.all([dialling, flooding]);
});
