import { request } from 'node:http';
import { expect, test } from 'vitest';
import { Placement } from '../../../core/pool/placement.ts';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { answerConnect } from '../../../gateway/moving/connect-answer.ts';
import type { RequestHeaders } from '../../../gateway/moving/public-address.ts';
import { TestPool } from '../../support/gateway-pool.ts';
import { TestStandalone } from '../../support/standalone.ts';

const backoff = { baseMs: 500, capMs: 20_000 };

function get(url: string, headers: RequestHeaders = { host: 'gateway.example:6790' }, method = 'GET'): ReturnType<typeof answerConnect> {
  return answerConnect({ method, url, headers, socket: {} }, { placement: undefined, epoch: 0, backoff });
}

/** A GET with any Host header, which fetch does not let one choose. */
function statusOf(port: number, host: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

test('any gateway tells where to connect for a channel: the order of the placement, the same on each', async () => {
  const pool = await TestPool.start(['a', 'b', 'c']);
  const document = pool.document({ epoch: 7, hashSeed: 5, overrides: [{ channel: 'video:2', gateways: ['c'] }] });
  await pool.pushToAll(document);
  for (const channel of ['video:1', 'video:2', 'chat:弹幕'])
    for (const { port } of pool.members) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/connect?channel=${encodeURIComponent(channel)}`);
      expect(response.status).toBe(200);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      const urls = new Placement(document).of(channel).map(({ url }) => url);
      expect(await response.json()).toEqual({ urls, backoff: { baseMs: 10, capMs: 50 }, epoch: 7 });
    }
  expect(new Placement(document).of('video:2')[0]?.name).toBe('c');
});

test('without a pool document the answer is the address that was asked', async () => {
  const { port } = await TestStandalone.start();
  const response = await fetch(`http://127.0.0.1:${port}/v1/connect?channel=video:1`);
  expect(await response.json()).toEqual({ urls: [`ws://127.0.0.1:${port}/`], backoff, epoch: 0 });
  expect(await statusOf(port, 'a"b', '/v1/connect?channel=video:1')).toBe(400);
});

test('behind a proxy that ends TLS the address is wss', () => {
  const answer = get('/v1/connect?channel=video:1', { host: 'rt.example.com', 'x-forwarded-proto': 'https' });
  expect(answer).toEqual({ status: 200, body: { urls: ['wss://rt.example.com/'], backoff, epoch: 0 } });
});

test.each([
  '/v1/connect',
  '/v1/connect?channel=',
  '/v1/connect?channel=a%20b',
  '/v1/connect?channel=a*',
  '/v1/connect?channel=a&channel=b',
])('%s is answered 400, with what is wrong', (url) => {
  expect(get(url)).toEqual({ status: 400, body: { error: { code: expect.any(String), message: expect.any(String) } } });
});

test('a page whose origin is refused is told so, with the origin and the setting: a browser hides the 403 of its dial', async () => {
  const { port } = await TestStandalone.start({
    BARRAGE_GATEWAY_HOST: '0.0.0.0',
    BARRAGE_PUBLISHER_HOST: '127.0.0.1',
    BARRAGE_GATEWAY_ORIGINS: 'https://app.example',
  });
  const ask = async (headers: Readonly<Record<string, string>>): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/connect?channel=video:1`, { headers });
    return ((await response.json()) as { readonly refused?: string }).refused;
  };
  expect(await ask({ origin: 'http://localhost:5173' })).toMatch(
    /^pages of http:\/\/localhost:5173 may .*BARRAGE_GATEWAY_ORIGINS.*allowedOrigins/,
  );
  expect([await ask({ origin: 'https://app.example' }), await ask({})]).toEqual([undefined, undefined]);
});

test('other methods, and a Host that is none, are refused', () => {
  expect(get('/v1/connect?channel=a', {}, 'POST').status).toBe(405);
  for (const host of [undefined, '', 'a b', 'x/y', 'evil"', '[::1', `${'x'.repeat(254)}`])
    expect(get('/v1/connect?channel=a', { host }).status, String(host)).toBe(400);
  expect(get('/v1/connect?channel=a', { host: '[::1]:6790' })).toMatchObject({ body: { urls: ['ws://[::1]:6790/'] } });
});

test('a gateway that takes nobody says so, and names pull where it is full and the channel keeps a history', () => {
  const policies = new Policies(
    policyFileSchema.parse({ channels: [{ channel: 'video:*', history: { size: 10, ttlSeconds: 60 } }] }).channels,
  );
  const bodyOf = (channel: string, state: { readonly isCrowded?: boolean; readonly isFull?: boolean }): unknown => {
    const request = { method: 'GET', url: `/v1/connect?channel=${channel}`, headers: { host: 'a' }, socket: {} };
    const { crowded, transport } = answerConnect(request, { placement: undefined, epoch: 0, backoff, policies, ...state }).body as {
      readonly crowded?: boolean;
      readonly transport?: string;
    };
    return [crowded, transport];
  };
  expect(bodyOf('video:1', {})).toEqual([undefined, undefined]);
  expect(bodyOf('video:1', { isCrowded: true })).toEqual([true, undefined]);
  expect(bodyOf('video:1', { isCrowded: true, isFull: true })).toEqual([true, 'pull']);
  expect(bodyOf('plain:1', { isCrowded: true, isFull: true })).toEqual([true, undefined]);
});
