import { expect, test } from 'vitest';
import { listenFault } from '../../publisher/access.ts';
import { Rig } from './rig.ts';

const key = 'a-key-of-24-characters-x';
const otherKey = 'another-key-of-24-chars-';
const body = { c: 'video:1', d: 'x' };

test('with keys, whoever presents one may publish, in either header', async () => {
  await using rig = await Rig.start({ apiKeys: [otherKey, key] });
  for (const headers of [{ authorization: `Bearer ${key}` }, { authorization: `bearer ${otherKey}` }, { 'x-api-key': key }])
    expect((await rig.post('/v1/mesh/publish', body, { ...headers, host: 'example.com', origin: 'https://example.com' })).status).toBe(200);
  const connection = await rig.connect({ authorization: `Bearer ${key}` });
  expect((await connection.ask({ m: 'mesh.publish', p: body, i: 1 })).E).toBe(null);
});

test.each([
  ['no key', {}],
  ['another key', { authorization: `Bearer ${key}x` }],
  ['the beginning of a key', { 'x-api-key': key.slice(0, -1) }],
  ['an empty key', { 'x-api-key': '' }],
  ['a key as a password', { authorization: `Basic ${Buffer.from(`x:${key}`).toString('base64')}` }],
  ['a key without a scheme', { authorization: key }],
])('with keys, %s is 501', async (_, headers) => {
  await using rig = await Rig.start({ apiKeys: [key] });
  const answer = await rig.post('/v1/mesh/publish', body, headers);
  expect(answer.status).toBe(401);
  expect(answer.headers['www-authenticate']).toBe('Bearer');
  expect(answer.body.E?.c).toBe(501);
  expect(JSON.stringify(answer.body)).not.toContain(key);
  expect(await rig.upgradeStatus('/ws/v1', headers as Record<string, string>)).toBe(401);
  expect(await rig.metric('barrage_publisher_publications_total', { result: 'unauthorized' })).toBe(1);
});

test.each(['localhost', 'localhost:6789', '127.0.0.1:6789', '[::1]:6789', '127.1.2.3'])(
  'without keys the Host %s is let in',
  async (host) => {
    await using rig = await Rig.start();
    expect((await rig.post('/v1/mesh/publish', body, { host })).status).toBe(200);
  },
);

test.each(['example.com', 'localhost.example.com:6789', '127.0.0.1.nip.io', '10.0.0.1', '[::2]', 'localhost:6789:1'])(
  'without keys the Host %s is refused: a rebound DNS name',
  async (host) => {
    await using rig = await Rig.start();
    const answer = await rig.post('/v1/mesh/publish', body, { host });
    expect([answer.status, answer.body.E?.c]).toEqual([401, 501]);
    expect(answer.body.E?.m).toContain('BARRAGE_API_KEYS');
    expect(await rig.upgradeStatus('/ws/v1', { host })).toBe(401);
  },
);

test.each([
  'https://example.com',
  'http://localhost.example.com',
  'null',
  'file://',
  'http://10.0.0.1:6790',
  'http://127.0.0.1@example.com',
  '',
])('without keys the page of origin %j is refused', async (origin) => {
  await using rig = await Rig.start();
  expect((await rig.post('/v1/mesh/publish', body, { origin })).status).toBe(401);
  expect(await rig.upgradeStatus('/ws/v1', { origin })).toBe(401);
});

test.each(['http://localhost:6790', 'http://127.0.0.1:6790', 'http://[::1]:6790', 'https://localhost'])(
  'without keys the page of origin %s is let in',
  async (origin) => {
    await using rig = await Rig.start();
    expect((await rig.post('/v1/mesh/publish', body, { origin })).status).toBe(200);
    const connection = await rig.connect({ origin });
    expect((await connection.ask({ m: 'mesh.publish', p: body, i: 1 })).E).toBe(null);
  },
);

test('without keys a form of a web page is refused for its content type', async () => {
  await using rig = await Rig.start();
  expect((await rig.post('/v1/mesh/publish', body, { 'content-type': 'text/plain' })).status).toBe(415);
});

test('a publisher without keys may listen on loopback only', () => {
  for (const host of ['127.0.0.1', 'localhost', '::1']) expect(listenFault({ host, apiKeys: [] })).toBeUndefined();
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com']) {
    expect(listenFault({ host, apiKeys: [] })).toContain('BARRAGE_API_KEYS');
    expect(listenFault({ host, apiKeys: [key] })).toBeUndefined();
  }
});
