import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { request } from 'node:https';
import { connect, getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import { Certificates } from '../support/certificates.ts';
import { launchChromium } from '../support/chromium.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { rawSocket, readToEnd, upgradeRequest } from '../support/raw-socket.ts';
import { TestStandalone } from '../support/standalone.ts';
import { TestClient, V1Client } from '../support/websocket.ts';
import { readExposition } from '../support/exposition.ts';

vi.setConfig({ testTimeout: 60_000 });

let first: Certificates;
let second: Certificates;
/** Both authorities. */
let ca: string;

beforeAll(async () => {
  [first, second] = await Promise.all([Certificates.make(), Certificates.make()]);
  ca = `${await first.ca()}${await second.ca()}`;
});

afterAll(async () => {
  await Promise.all([first.dispose(), second.dispose()]);
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly contentType: string | undefined;
}

async function ask(url: string, body?: object): Promise<Answer> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const asked = url.startsWith('https:')
    ? request(url, { ca, agent: false, headers, method: body === undefined ? 'GET' : 'POST' })
    : httpRequest(url, { agent: false, headers, method: body === undefined ? 'GET' : 'POST' });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(asked, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, body: Buffer.concat(chunks).toString(), contentType: response.headers['content-type'] };
}

async function metric(port: number, name: string, label: string): Promise<number> {
  const { body } = await ask(`https://127.0.0.1:${port}/metrics`);
  return readExposition(body)
    .samples.filter((sample) => sample.name === name && Object.values(sample.labels).includes(label))
    .reduce((sum, { value }) => sum + value, 0);
}

async function handshake(port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca, ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

function fingerprint(socket: TLSSocket): string {
  return socket.getPeerCertificate().fingerprint256;
}

async function publish(port: number, channel: string, data: string): Promise<void> {
  const { status, body } = await ask(`https://127.0.0.1:${port}/v1/mesh/publish`, { c: channel, d: data });
  expect([status, body]).toEqual([200, expect.stringContaining('"E":null')]);
}

test('clients and backends speak TLS 1.2 or newer and HTTP/1.1, and are told wss:// addresses', async () => {
  const secret = await MountedSecret.of(first);
  const barrage = await TestStandalone.start(secret.settings);
  const { port, publisherPort } = barrage;
  const [plain, v1] = [await TestClient.open(port, { ca }), await V1Client.open(port, { ca })];
  plain.send({ op: 'subscribe', channel: '1@video' });
  await plain.next();
  await v1.subscribe('video:1');
  // A frame longer than a TLS record, and than the socket's mark.
  const long = 'x'.repeat(30_000);
  for (const data of ['short', long, 'last']) await publish(publisherPort, 'video:1', data);
  await expect.poll(() => v1.items('video:1').map(({ data }) => data), { timeout: 15_000 }).toEqual(['short', long, 'last']);
  const connectAnswer = await ask(`https://127.0.0.1:${port}/v1/connect?channel=video:1`);
  expect(JSON.parse(connectAnswer.body)).toMatchObject({ urls: [`wss://127.0.0.1:${port}/`] });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const socket = await handshake(port, { maxVersion, ALPNProtocols: ['h2', 'http/1.1'] });
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([maxVersion, 'http/1.1']);
  }
  await expect(handshake(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow();
  await expect(handshake(port, { ciphers: 'AES128-SHA', maxVersion: 'TLSv1.2' })).rejects.toThrow();
  await expect(handshake(port, { ca: [] })).rejects.toThrow(/certificate/);
  await expect.poll(() => metric(port, 'barrage_tls_handshakes_total', 'protocol'), { timeout: 15_000 }).toBe(2);
  await expect.poll(() => metric(port, 'barrage_tls_handshakes_total', 'certificate'), { timeout: 15_000 }).toBe(0);
});

test('plain HTTP on a port of TLS is refused with the way to do it, in the form of each port', async () => {
  const secret = await MountedSecret.of(first);
  const { port, publisherPort } = await TestStandalone.start(secret.settings);
  const text = 'this port speaks TLS: use https:// or wss:// instead of http:// or ws://';
  expect(await ask(`http://127.0.0.1:${port}/`)).toEqual({ status: 400, body: `${text}\n`, contentType: 'text/plain' });
  const published = await ask(`http://127.0.0.1:${publisherPort}/v1/mesh/publish`, { c: 'video:1', d: 'x' });
  expect([published.status, JSON.parse(published.body)]).toEqual([400, { E: { c: 101, m: text } }]);
  const upgrade = await rawSocket(port);
  upgrade.write(`${upgradeRequest(port)}\r\n`);
  expect((await readToEnd(upgrade)).toString()).toContain(text);
  const other = await rawSocket(port);
  other.write(Buffer.from([0, 1, 2]));
  expect(await readToEnd(other)).toHaveLength(0);
  expect(await metric(port, 'barrage_tls_handshakes_total', 'plain-http')).toBe(3);
  expect(await metric(port, 'barrage_tls_handshakes_total', 'not-tls')).toBe(1);
});

test('a new certificate is shown to new connections, and 200 clients that are connected stay', async () => {
  const secret = await MountedSecret.of(first);
  const barrage = await TestStandalone.start(secret.settings);
  const { port, publisherPort } = barrage;
  const clients = await Promise.all(Array.from({ length: 200 }, () => V1Client.open(port, { ca })));
  onTestFinished(() => clients.forEach(({ socket }) => socket.terminate()));
  await Promise.all(clients.map((client) => client.subscribe('video:1')));
  const before = fingerprint(await handshake(port));
  await publish(publisherPort, 'video:1', 'before');
  await secret.hold(second, first);
  await expect.poll(() => metric(port, 'barrage_tls_certificate_loads_total', 'refused'), { timeout: 15_000 }).toBe(1);
  expect(fingerprint(await handshake(port))).toBe(before);
  await secret.hold(second);
  await expect.poll(async () => fingerprint(await handshake(port)), { timeout: 15_000 }).not.toBe(before);
  await expect.poll(async () => fingerprint(await handshake(publisherPort)), { timeout: 15_000 }).not.toBe(before);
  await publish(publisherPort, 'video:1', 'after');
  const expected = ['before', 'after'];
  await expect
    .poll(
      () =>
        clients.filter(
          (client) =>
            client
              .items('video:1')
              .map(({ data }) => data)
              .join() === expected.join(),
        ).length,
      { timeout: 15_000 },
    )
    .toBe(200);
  expect(clients.filter(({ closing }) => closing !== undefined)).toEqual([]);
  expect(barrage.gateway.connections.size).toBe(200);
});

test('the SDK connects by wss from Node and from a browser, and the demo page works by https, also its line for a shell', async () => {
  const secret = await MountedSecret.of(first);
  const { port, publisherPort } = await TestStandalone.start(secret.settings);
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, await first.ca()]);
  onTestFinished(() => setDefaultCACertificates(trusted));
  const received: unknown[] = [];
  const barrage = new Barrage(`wss://127.0.0.1:${port}/`);
  onTestFinished(() => barrage.close());
  const subscription = barrage.subscribe('video:1');
  subscription.on('publication', (publication) => received.push(publication));
  await expect.poll(() => barrage.state, { timeout: 15_000 }).toBe('open');
  const browser = await launchChromium();
  onTestFinished(() => browser.close());
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  const opened = page.waitForEvent('websocket');
  await page.goto(`https://127.0.0.1:${port}/`);
  const socket = await opened;
  expect(socket.url()).toMatch(new RegExp(`^wss://127\\.0\\.0\\.1:${port}/`));
  const frames: string[] = [];
  socket.on('framereceived', ({ payload }) => frames.push(String(payload)));
  await expect
    .poll(
      async () => {
        await publish(publisherPort, 'video:1', '{"text":"by TLS"}');
        return frames.some((frame) => frame.includes('by TLS'));
      },
      { timeout: 15_000, interval: 500 },
    )
    .toBe(true);
  await expect.poll(() => received.length, { timeout: 15_000 }).toBeGreaterThan(0);
  const line = (await page.locator('#curl').textContent()) ?? '';
  expect(line).toContain(`curl https://127.0.0.1:${publisherPort}/v1/mesh/publish `);
  const words = page.locator('.own-authority');
  expect([await words.textContent(), await words.getAttribute('hidden')]).toEqual([expect.stringContaining('--cacert FILE'), null]);
  const { stdout } = await promisify(execFile)('sh', ['-c', line.replace('curl ', `curl -sS --cacert ${first.caFile} `)]);
  expect(JSON.parse(stdout)).toMatchObject({ E: null });
});
