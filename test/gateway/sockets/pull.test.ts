import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { DocumentsUnderWay } from '../../../gateway/pull/documents-under-way.ts';
import { encodeDocument, sizeOf } from '../../../gateway/pull/encoded-document.ts';
import { startAuthServer } from '../../support/auth-server.ts';
import type { PulledBatch, PulledHead } from '../../support/poller.ts';
import { rawSocket } from '../../support/raw-socket.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { refusedUpgrade } from '../../support/websocket.ts';

const history = { size: 1000, ttlSeconds: 60 };
const channels = [
  { channel: 'video:*', history },
  { channel: 'vip:*', history, access: { subscribe: 'Authenticated' } },
  { channel: 'user:*', history, access: { subscribe: 'Owner' } },
];
const policies = JSON.stringify({ channels });

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** A request below `/v1/channels/`, without what a client library would add or undo. */
async function ask(
  barrage: TestStandalone,
  path: string,
  { method = 'GET', headers = {} }: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const request = httpRequest({ host: '127.0.0.1', port: barrage.port, method, path: `/v1/channels/${path}`, headers });
  request.end();
  const [response] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks) };
}

function bodyOf<Body>({ bytes }: Answer): Body {
  return JSON.parse(bytes.toString()) as Body;
}

function errorOf(answer: Answer): string {
  return bodyOf<{ readonly error: { readonly code: string } }>(answer).error.code;
}

async function publish(barrage: TestStandalone, channel: string, count: number): Promise<string> {
  let epoch = '';
  for (let number = 1; number <= count; number++) ({ epoch } = await barrage.publish(channel, `p${number}`));
  return epoch;
}

test('a client reads the head and the segments of a channel', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const epoch = await publish(barrage, 'video:1', 53);
  const head = await ask(barrage, 'video%3A1/head');
  expect([head.status, head.headers]).toEqual([
    200,
    expect.objectContaining({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'public, max-age=1',
      'access-control-allow-origin': '*',
      vary: 'Accept-Encoding',
      'content-length': String(head.bytes.length),
    }),
  ]);
  const { open, ...rest } = bodyOf<PulledHead>(head);
  expect(rest).toEqual({ channel: 'video:1', epoch, offset: 53, segmentOffsets: 50, waitMs: 1000 });
  expect(open).toMatchObject({ after: 50, upto: 53 });
  expect(open.items.map(({ data }) => data)).toEqual(['p51', 'p52', 'p53']);

  const segment = await ask(barrage, `video%3A1/segments/${epoch}/0`);
  expect(segment.headers['cache-control']).toMatch(/^public, max-age=(?:[1-5]?\d|60), immutable$/);
  const { items } = bodyOf<PulledBatch>(segment);
  expect(items.map(({ offset, data }) => `${offset} ${data}`)).toEqual(
    Array.from({ length: 50 }, (_, index) => `${index + 1} p${index + 1}`),
  );
});

test('documents are compressed for those who take it, and not sent to those who have them', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const epoch = await publish(barrage, 'video:1', 50);
  for (const path of ['video%3A1/head', `video%3A1/segments/${epoch}/0`]) {
    const plain = await ask(barrage, path);
    const packed = await ask(barrage, path, { headers: { 'accept-encoding': 'br, gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true);
    expect(packed.headers.etag).not.toBe(plain.headers.etag);
    const none = { 'if-none-match': `"x", W/${plain.headers.etag}` };
    const again = await ask(barrage, path, { headers: none });
    expect([again.status, again.bytes.length, again.headers.etag]).toEqual([304, 0, plain.headers.etag]);
    expect(again.headers['cache-control']).toMatch(/^public, max-age=/);
    expect((await ask(barrage, path, { headers: { ...none, 'accept-encoding': 'gzip' } })).status).toBe(200);
    const head = await ask(barrage, path, { method: 'HEAD' });
    expect([head.status, head.bytes.length, head.headers['content-length']]).toEqual([200, 0, String(plain.bytes.length)]);
  }
  expect(await barrage.metric('barrage_gateway_pull_documents_encoded_total', 'document="segment"')).toBe(1);
  expect(await barrage.metric('barrage_gateway_pull_requests_total', 'result="unchanged"')).toBe(2);
  expect(await barrage.metric('barrage_gateway_pull_requests_total', 'result="sent"')).toBe(8);
  expect(await barrage.metric('barrage_gateway_pull_cache_bytes')).toBeGreaterThan(2_048);
  await expect.poll(() => barrage.metric('barrage_gateway_pull_sending_bytes')).toBe(0);
});

test.each([
  ['GET', 'chat%3A1/head', 404, 'no_history'],
  ['GET', 'video%3A1/segments/abc/0', 410, 'epoch_unknown'],
  ['GET', 'video%3A1/segments/EPOCH/1', 404, 'not_closed'],
  ['GET', 'a%20b/head', 400, 'bad_channel'],
  ['GET', 'video%3A1/segments/abc/x', 400, 'bad_request'],
  ['GET', 'video:1/history', 404, 'not_found'],
  ['POST', 'video%3A1/head', 405, 'method_not_allowed'],
  ['DELETE', 'video%3A1/head', 405, 'method_not_allowed'],
  ['HEAD', 'chat%3A1/head', 404, ''],
])('%s %s is answered %i %s in the form of the other errors', async (method, path, status, code) => {
  const barrage = await TestStandalone.withPolicies(policies);
  const epoch = await publish(barrage, 'video:1', 2);
  const answer = await ask(barrage, path.replace('EPOCH', epoch), { method });
  expect(answer.status).toBe(status);
  expect(answer.headers['access-control-allow-origin']).toBe('*');
  if (status === 405) expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS');
  if (code === '') expect(answer.bytes).toHaveLength(0);
  else expect(bodyOf(answer)).toEqual({ error: { code, message: expect.stringMatching(/.{10}/) } });
});

test('a channel that is not public needs a token, and its answers are for one asker', async () => {
  const answers = { ann: { status: 200, body: '{"uid":"ann"}' }, slow: { status: 503, body: '' } };
  const auth = await startAuthServer(answers);
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_AUTH_URL: auth.url });
  const epoch = await publish(barrage, 'vip:1', 50);
  await publish(barrage, 'user:ann', 1);
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  for (const path of ['vip%3A1/head', `vip%3A1/segments/${epoch}/0`, 'user%3Aann/head']) {
    const stranger = await ask(barrage, path);
    expect([stranger.status, errorOf(stranger), stranger.headers['www-authenticate']]).toEqual([401, 'not_authenticated', 'Bearer']);
    const refused = await ask(barrage, path, as('nobody'));
    expect([refused.status, errorOf(refused), refused.headers['cache-control']]).toEqual([401, 'not_authenticated', 'no-store']);
    const late = await ask(barrage, path, as('slow'));
    expect([late.status, errorOf(late), late.headers['retry-after']]).toEqual([503, 'unavailable', '1']);
    const known = await ask(barrage, path, as('ann'));
    expect([known.status, known.headers.vary]).toEqual([200, 'Accept-Encoding, Authorization']);
    expect(known.headers['cache-control']).toMatch(/^private, max-age=/);
  }
  const other = await ask(barrage, 'user%3Abob/head', as('ann'));
  expect([other.status, errorOf(other), other.headers['cache-control']]).toEqual([403, 'forbidden', 'no-store']);
  // Each good or bad token was checked once, however often it came.
  expect(auth.bodies.filter((body) => /ann|nobody/.test(body))).toHaveLength(2);
  const preflight = await ask(barrage, 'vip%3A1/head', { method: 'OPTIONS' });
  expect([preflight.status, preflight.headers['access-control-allow-headers']]).toEqual([204, 'authorization']);
});

test('a public channel needs no token, and a wrong one changes nothing', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  await publish(barrage, 'video:1', 1);
  const answer = await ask(barrage, 'video%3A1/head', { headers: { authorization: 'Bearer nonsense' } });
  expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'public, max-age=1']);
});

test('a gateway on loopback answers pages of this machine and of its list, and no rebound name', async () => {
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_GATEWAY_ORIGINS: 'https://example.com' });
  await publish(barrage, 'video:1', 1);
  const statusFor = async (headers: Readonly<Record<string, string>>) => (await ask(barrage, 'video%3A1/head', { headers })).status;
  expect(await statusFor({ origin: 'https://example.com' })).toBe(200);
  expect(await statusFor({ origin: 'http://localhost:3000' })).toBe(200);
  expect(await statusFor({ origin: 'https://evil.example' })).toBe(403);
  expect(await statusFor({ origin: 'null' })).toBe(403);
  expect(await statusFor({ host: 'evil.example' })).toBe(403);
});

test('beyond loopback a page of a refused origin pulls what is public, though it may not connect, and nothing else', async () => {
  const barrage = await TestStandalone.withPolicies(policies, {
    BARRAGE_GATEWAY_HOST: '0.0.0.0',
    BARRAGE_PUBLISHER_HOST: '127.0.0.1',
    BARRAGE_GATEWAY_ORIGINS: 'https://example.com',
  });
  const headers = { origin: 'https://evil.example' };
  const epoch = await publish(barrage, 'video:1', 50);
  await publish(barrage, 'vip:1', 1);
  expect((await refusedUpgrade(barrage.port, headers)).status).toBe(403);
  for (const path of ['video%3A1/head', `video%3A1/segments/${epoch}/0`]) expect((await ask(barrage, path, { headers })).status).toBe(200);
  for (const path of ['vip%3A1/head', 'user%3Aann/head']) expect((await ask(barrage, path, { headers })).status).toBe(401);
});

test('requests are bounded by the second; one more is told to come back', async () => {
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_PULL_REQUESTS_PER_SECOND: '3' });
  // In one write, so that they come within a moment.
  const socket = await rawSocket(barrage.port);
  let text = '';
  socket.on('data', (data: Buffer) => void (text += data.toString()));
  const count = 40;
  socket.write('GET /v1/channels/video%3A1/head HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(count));
  await expect.poll(() => text.match(/^HTTP\/1\.1 /gm)?.length).toBe(count);
  const answered = text.match(/^HTTP\/1\.1 200 /gm)?.length ?? 0;
  expect(answered).toBeGreaterThanOrEqual(3);
  expect(answered).toBeLessThan(count);
  expect(text).toMatch(/HTTP\/1\.1 503 [^{]*retry-after: 1\r\n/i);
  expect(await barrage.metric('barrage_gateway_pull_requests_total', 'result="limited"')).toBe(count - answered);
});

test('a policy without history closes the way at once, also to what is encoded', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const epoch = await publish(barrage, 'video:1', 50);
  expect((await ask(barrage, `video%3A1/segments/${epoch}/0`)).status).toBe(200);
  const put = (more: object): void =>
    barrage.gateway.setPolicies(new Policies(policyFileSchema.parse({ channels: [{ channel: 'video:*', ...more }] }).channels));
  put({ history, access: { subscribe: 'Authenticated' } });
  expect((await ask(barrage, `video%3A1/segments/${epoch}/0`)).status).toBe(401);
  put({});
  expect(errorOf(await ask(barrage, `video%3A1/segments/${epoch}/0`))).toBe('no_history');
});

test('a document that stands still with several readers counts once', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  for (let number = 0; number < 50; number++) await barrage.publish('video:1', 'x'.repeat(60_000));
  const { epoch } = bodyOf<PulledHead>(await ask(barrage, 'video%3A1/head'));
  const readers = await Promise.all([rawSocket(barrage.port), rawSocket(barrage.port)]);
  const size = (await ask(barrage, `video%3A1/segments/${epoch}/0`)).bytes.length;
  for (const reader of readers) {
    reader.pause();
    reader.write(`GET /v1/channels/video%3A1/segments/${epoch}/0 HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(4));
  }
  await expect.poll(() => barrage.metric('barrage_gateway_pull_requests_total', 'document="segment"')).toBeGreaterThanOrEqual(3);
  await expect.poll(() => barrage.metric('barrage_gateway_pull_sending_bytes')).toBeGreaterThanOrEqual(size);
  expect(await barrage.metric('barrage_gateway_pull_sending_bytes')).toBeLessThan(2 * size);
  for (const reader of readers) reader.destroy();
  await expect.poll(() => barrage.metric('barrage_gateway_pull_sending_bytes')).toBe(0);
});

test('a document for askers that went away while their answers were made counts nothing', async () => {
  const document = await encodeDocument('x');
  const underWay = new DocumentsUnderWay({ bytesMax: sizeOf(document), standstillMsMax: 10_000 });
  const gone: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    response.once('close', () => gone.push(response));
    if (gone.length === 0) asker.destroy();
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const asker = await rawSocket((server.address() as AddressInfo).port);
  // Of several on one connection only the first has the socket.
  asker.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3));
  await expect.poll(() => gone.length).toBe(3);
  expect(gone.map((response) => [underWay.begin(document, response), underWay.bytes])).toEqual(Array.from({ length: 3 }, () => [true, 0]));
});

test('documents under way are bounded, and a reader that takes nothing is cut off', async () => {
  const documents = await Promise.all([1, 2].map((fill) => encodeDocument(String(fill).repeat(8_000_000))));
  const [size = 0, other = 0] = documents.map(sizeOf);
  const underWay = new DocumentsUnderWay({ bytesMax: size + other, standstillMsMax: 500 });
  const small = await encodeDocument('');
  const begun: boolean[] = [];
  const server = createServer((_request, response) => {
    for (const document of [...documents, documents[0], small]) if (document !== undefined) begun.push(underWay.begin(document, response));
    response.end(documents[0]?.plain.bytes);
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const reader = await rawSocket((server.address() as AddressInfo).port);
  reader.pause();
  reader.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await expect.poll(() => begun).toEqual([true, true, true, false]);
  await expect.poll(() => underWay.bytes).toBe(0);
  reader.destroy();
});
