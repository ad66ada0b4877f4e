import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { closeCodes } from '../../../core/close-codes.ts';
import { settingsTable } from '../../../core/process/settings-table.ts';
import { TestProcess } from '../../support/process.ts';
import { rawSocket, rawWebSocket, readToEnd, upgradeRequest } from '../../support/raw-socket.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { TestClient, V1Client, refusedUpgrade, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 40_000 });

const shell = promisify(execFile);

interface Running {
  readonly process: TestProcess;
  readonly gatewayPort: number;
  readonly publisherPort: number;
}

async function standalone(variables: Readonly<Record<string, string>> = {}): Promise<Running> {
  const started = new TestProcess('standalone/main.ts', { BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0', ...variables });
  const [gatewayPort, publisherPort] = await started.said(
    /ws:\/\/localhost:(\d+)\/[\s\S]*http:\/\/localhost:(\d+)\/v1\/mesh\/publish[\s\S]*Ctrl-C/,
  );
  return { process: started, gatewayPort: Number(gatewayPort), publisherPort: Number(publisherPort) };
}

test('it prints its addresses, and a curl that a screen sees when it is pasted', async () => {
  const { process: started, gatewayPort, publisherPort } = await standalone();
  for (const path of [`:${gatewayPort}/\n`, `:${gatewayPort}/emit`, `:${publisherPort}/v1/mesh/publish`, `:${gatewayPort}/metrics`])
    expect(started.stdout).toContain(`http://localhost${path}`);
  const viewer = await V1Client.open(gatewayPort);
  onTestFinished(() => viewer.socket.terminate());
  await viewer.subscribe('video:1');
  const curl = /^ {2}curl [\s\S]*?'$\n/m.exec(started.stdout)?.[0] ?? '';
  const { stdout } = await shell('sh', ['-c', curl]);
  expect(JSON.parse(stdout)).toMatchObject({ E: null, r: { s: 1, f: 0 } });
  await until(() => viewer.items('video:1').length === 1);
  expect(JSON.parse(String(viewer.items('video:1')[0]?.data))).toEqual({
    text: 'Hello, 弹幕!',
    mode: 'scroll',
    size: 36,
    color: '#ffff00',
  });
});

test('a page that may not connect is in the log with its origin and the setting; one of this machine may, from any port', async () => {
  const { process: started, gatewayPort } = await standalone();
  const page = await TestClient.open(gatewayPort, { headers: { origin: 'http://localhost:5173' } });
  onTestFinished(() => page.socket.terminate());
  expect((await refusedUpgrade(gatewayPort, { origin: 'https://app.example' })).status).toBe(403);
  await until(() => started.stderr.includes('https://app.example'));
  const line = started.stderr.split('\n').find((text) => text.includes('https://app.example')) ?? '';
  expect(JSON.parse(line)).toMatchObject({
    event: 'origin-refused',
    level: 'warn',
    origin: 'https://app.example',
    setting: expect.stringContaining('BARRAGE_GATEWAY_ORIGINS'),
    times: 1,
  });
});

test('a port that is taken ends it with status 1 and says which, and what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  for (const variable of ['BARRAGE_GATEWAY_PORT', 'BARRAGE_PUBLISHER_PORT', 'BARRAGE_ADMIN_PORT']) {
    const started = new TestProcess('standalone/main.ts', {
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_PUBLISHER_PORT: '0',
      [variable]: String(port),
    });
    expect(await started.ended()).toBe(1);
    expect(started.stderr).toContain(`port ${port} on 127.0.0.1 is taken`);
    expect(started.stderr).toContain(variable);
    expect(started.stderr).not.toMatch(/\n\s+at /);
  }
});

test('wrong settings end it with status 2, and all of them are named with what they accept', async () => {
  const wrong: Record<string, string> = {
    BARRAGE_GATEWAY_HOST: 'a b',
    BARRAGE_GATEWAY_PORT: '65536',
    BARRAGE_GATEWAY_NAME: '',
    BARRAGE_GATEWAY_CONNECTIONS_MAX: '0',
    BARRAGE_PUBLISHER_HOST: '/',
    BARRAGE_PUBLISHER_PORT: '-1',
    BARRAGE_ADMIN_PORT: 'x',
    BARRAGE_API_KEYS: 'short-secret',
    BARRAGE_REDIS_URL: 'http://secret@redis',
    BARRAGE_REDIS_PREFIX: 'a b',
    BARRAGE_AUTH_URL: 'ftp://secret',
    BARRAGE_PING_INTERVAL_MS: '1e4',
    BARRAGE_IDLE_TIMEOUT_MS: '',
    BARRAGE_BACKOFF_BASE_MS: '9',
    BARRAGE_BACKOFF_CAP_MS: '600001',
    BARRAGE_FAN_OUT_PERCENT: '96',
    BARRAGE_DRAIN_MS: '86400001',
    BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '0',
    BARRAGE_LOG_LEVEL: 'loud',
  };
  const started = new TestProcess('standalone/main.ts', wrong);
  expect(await started.ended()).toBe(2);
  for (const { variable, accepts } of Object.values(settingsTable)) {
    if (!(variable in wrong)) continue;
    const line = started.stderr.split('\n').find((each) => each.includes(`${variable}=`) || each.includes(`${variable}:`));
    expect([variable, line?.endsWith(`must be ${accepts}`)]).toEqual([variable, true]);
  }
  expect(started.stderr).not.toContain('secret');
  expect(started.stdout).toBe('');
});

test('SIGTERM asks every client to come back with 1012, evenly, and ends it with status 0 within ten seconds', async () => {
  const { process: started, gatewayPort, publisherPort } = await standalone({ BARRAGE_DRAIN_MS: '400' });
  const clients = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? V1Client.open(gatewayPort) : TestClient.open(gatewayPort))),
  );
  const api = await TestClient.open(publisherPort, { path: '/ws/v1' });
  // Who reads nothing, sends half a request, or keeps its side open, must not hold it up.
  clients[0]?.stall();
  await rawWebSocket(gatewayPort);
  (await rawSocket(gatewayPort)).write(upgradeRequest(gatewayPort));
  const refused = await rawSocket(gatewayPort);
  refused.write(`${upgradeRequest(gatewayPort, ['Origin: http://evil.example'])}\r\n`);
  const startedAt = performance.now();
  started.terminate();
  const status = await started.ended();
  expect(status).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(9_000);
  for (const client of clients.slice(1)) expect(await client.closed()).toEqual({ code: 1012, reason: closeCodes.goingAway.reason });
  expect((await api.closed()).code).toBe(1012);
  clients[0]?.resume();
});

/** A program that a process runs before its own: it sends SIGTERM to itself in the middle of a call. */
function signalling(atCall: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(`import net from 'node:net';\n${atCall}`)}` };
}

test.each([
  [
    'the banner is written',
    `const write = process.stdout.write;
     process.stdout.write = (text, ...more) => {
       process.kill(process.pid, 'SIGTERM');
       return Reflect.apply(write, process.stdout, [text, ...more]);
     };`,
  ],
  [
    'its first port listens',
    `const { listen } = net.Server.prototype;
     net.Server.prototype.listen = function (...given) {
       return Reflect.apply(listen, this, given).once('listening', () => process.kill(process.pid, 'SIGTERM'));
     };`,
  ],
])('SIGTERM at the moment when %s ends it in order', async (_moment, atCall) => {
  const started = new TestProcess('standalone/main.ts', {
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_DRAIN_MS: '0',
    ...signalling(atCall),
  });
  expect(await started.ended()).toBe(0);
  expect(started.stderr).toContain('"event":"leaving"');
  expect(started.stderr).not.toMatch(/work-cut-off|closing-failed/);
});

test('while it leaves nobody new is taken', async () => {
  const { process: started, gatewayPort } = await standalone({ BARRAGE_DRAIN_MS: '600000', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '1' });
  const clients = await Promise.all(Array.from({ length: 10 }, () => TestClient.open(gatewayPort)));
  started.terminate();
  await until(() => clients.some(({ closing }) => closing !== undefined));
  expect(await refusedUpgrade(gatewayPort)).toMatchObject({ status: 503, retryAfter: expect.stringMatching(/^\d+$/) });
  const ready = await fetch(`http://127.0.0.1:${gatewayPort}/readyz`);
  expect(ready.status).toBe(503);
  await ready.text();
  started.terminate();
  expect(await started.ended()).toBe(0);
});

const metricNames = [
  'barrage_gateway_connections',
  'barrage_gateway_subscriptions',
  'barrage_gateway_rooms',
  'barrage_gateway_publications_received_total',
  'barrage_gateway_flushes_total',
  'barrage_gateway_merge_publications_bucket',
  'barrage_gateway_merge_window_seconds_count',
  'barrage_gateway_publications_delivered_total',
  'barrage_gateway_publications_dropped_total',
  'barrage_gateway_frames_sent_total',
  'barrage_gateway_bytes_sent_total',
  'barrage_delivery_latency_seconds_count',
  'barrage_publisher_publications_total',
  'barrage_bus_up',
  'process_cpu_seconds_total',
  'nodejs_eventloop_lag_seconds',
];

test('/livez, /readyz and /metrics answer on both main ports, and count what happened', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  await client.subscribe('video:1');
  await barrage.publish('video:1', 'x');
  await until(() => client.items('video:1').length === 1);
  for (const port of [barrage.port, barrage.publisherPort]) {
    const ask = async (path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    expect([await ask('/livez'), await ask('/readyz')]).toEqual(['200 alive\n', '200 ready\n']);
    const metrics = await ask('/metrics');
    for (const name of metricNames) expect([name, new RegExp(`^${name}[ {]`, 'm').test(metrics)]).toEqual([name, true]);
    for (const reason of ['budget', 'conflated', 'expired', 'slow', 'disconnected'])
      for (const priority of ['high', 'normal', 'low'])
        expect(metrics).toContain(`barrage_gateway_publications_dropped_total{policy="*",reason="${reason}",priority="${priority}"} 0`);
    expect(metrics).toMatch(/^barrage_gateway_publications_delivered_total\{policy="\*"\} 1$/m);
    expect(metrics).toMatch(/^barrage_gateway_frames_sent_total 1$/m);
    expect(metrics).not.toContain('video:1');
  }
});

test('an admin port of its own takes the endpoints from the main ports', async () => {
  const { gatewayPort, process: started } = await standalone({ BARRAGE_ADMIN_PORT: '0' });
  expect((await fetch(`http://127.0.0.1:${gatewayPort}/metrics`)).status).toBe(404);
  // The port that is printed can be asked: also where the system chose it.
  const [metricsUrl] = await started.said(/metrics +(http:\S+)/);
  expect((await fetch(metricsUrl ?? '')).status).toBe(200);
});

test('a silent client is pinged, and one that answers nothing within the idle time is closed with 4001', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_PING_INTERVAL_MS: '1000', BARRAGE_IDLE_TIMEOUT_MS: '2000' });
  const alive = await barrage.plain();
  const mute = await rawWebSocket(barrage.port, 'barrage.v1');
  const said = await readToEnd(mute);
  expect(said.includes(Buffer.from([0x89, 0x00]))).toBe(true);
  expect(said.includes(Buffer.concat([Buffer.from([0x0f, 0xa1]), Buffer.from(closeCodes.idle.reason)]))).toBe(true);
  expect(await barrage.metric('barrage_gateway_connections_closed_total', 'code="4001"')).toBe(1);
  await until(() => alive.pings > 2);
  expect(alive.closing).toBeUndefined();
});
