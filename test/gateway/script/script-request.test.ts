import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { readScriptFiles, type ScriptFiles } from '../../../gateway/script/script-files.ts';
import { answerScript, firstSeconds, isScriptRequest, type ScriptAnswer } from '../../../gateway/script/script-request.ts';

function ask(files: ScriptFiles | undefined, url: string, given: { method?: string; accept?: string; known?: string } = {}): ScriptAnswer {
  return answerScript({ method: given.method ?? 'GET', url, acceptEncoding: given.accept, ifNoneMatch: given.known }, files);
}

const files = (await readScriptFiles()) ?? new Map();
const address = files.get('/barrage.js')?.address ?? '';
const extra = [...files.keys()].find((path) => path.startsWith('/barrage-extra-')) ?? '';

test('the address without a hash is asked for again, those with a hash never', () => {
  expect(files.size).toBe(3);
  expect(address).toMatch(/^\/barrage\.\w{12}\.js$/);
  expect(ask(files, '/barrage.js').headers['cache-control']).toBe(`public, max-age=${firstSeconds}`);
  for (const path of [address, extra]) expect(ask(files, path).headers['cache-control']).toBe('public, max-age=31536000, immutable');
  expect(ask(files, '/barrage.js?v=1').body).toEqual(ask(files, address).body);
});

test('any page may load it, and knows what it is', () => {
  const { status, headers, body } = ask(files, '/barrage.js');
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    'content-type': 'text/javascript; charset=utf-8',
    'content-length': String(body?.length),
    'x-content-type-options': 'nosniff',
    'barrage-address': address,
    'barrage-integrity': `sha384-${createHash('sha384')
      .update(body ?? '')
      .digest('base64')}`,
    vary: 'Accept-Encoding',
  });
  expect(ask(files, '/barrage.js', { method: 'HEAD' })).toEqual({ result: 'sent', status, headers });
});

test.each([
  [undefined, undefined],
  ['gzip', 'gzip'],
  ['gzip, deflate, br, zstd', 'br'],
  ['br;q=0, gzip', 'gzip'],
  ['*', 'br'],
  ['identity', undefined],
])('whoever accepts %s gets %s', (accept, coding) => {
  const { headers, body } = ask(files, '/barrage.js', accept === undefined ? {} : { accept });
  expect(headers['content-encoding']).toBe(coding);
  const bytes = Buffer.from(body ?? '');
  const plain = coding === 'br' ? brotliDecompressSync(bytes) : coding === 'gzip' ? gunzipSync(bytes) : bytes;
  expect(plain.toString()).toBe(ask(files, '/barrage.js').body?.toString());
});

test('whoever has it already is told so, for each coding', () => {
  const { etag = '' } = ask(files, '/barrage.js', { accept: 'gzip' }).headers;
  const again = ask(files, '/barrage.js', { accept: 'gzip', known: etag });
  expect(again).toMatchObject({ result: 'unchanged', status: 304, headers: { etag, 'access-control-allow-origin': '*' } });
  expect(again.body).toBeUndefined();
  expect(ask(files, '/barrage.js', { known: etag }).status).toBe(200);
});

test('another version is told which one there is, and nobody keeps that answer', () => {
  const answer = ask(files, '/barrage.000000000000.js');
  expect(answer).toMatchObject({ result: 'missing', status: 404, headers: { 'cache-control': 'no-store' } });
  expect(answer.body).toBe(`this gateway has another version of the client: load /barrage.js, which is ${address} now\n`);
  expect(ask(undefined, '/barrage.js').body).toContain('run npm run build:client');
});

test.each([
  ['GET', '/barrage.js', true],
  ['HEAD', '/barrage.js?v=2', true],
  ['GET', '/barrage.0123abcd.js', true],
  ['GET', '/barrage-extra-0123abcd.js', true],
  ['POST', '/barrage.js', false],
  ['GET', '/barrage.json', false],
  ['GET', '/barrage.js/x', false],
  ['GET', '/barrage', false],
  ['GET', '/x/barrage.js', false],
  ['GET', '/', false],
])('%s %s is a request for the client: %s', (method, url, is) => {
  expect(isScriptRequest(method, url)).toBe(is);
});

test('where the build tool is not installed, the folder of the build is read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'barrage-script-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const none = async (): Promise<undefined> => undefined;
  expect(await readScriptFiles(join(folder, 'missing'), none)).toBeUndefined();
  expect(await readScriptFiles(folder, none)).toBeUndefined();
  for (const name of ['barrage.js', 'barrage-extra-abc123.js', 'index.js', 'package.json']) writeFileSync(join(folder, name), `// ${name}`);
  const read = await readScriptFiles(folder, none);
  const own = read?.get('/barrage.js')?.address ?? '';
  expect([...(read?.keys() ?? [])].toSorted()).toEqual(['/barrage-extra-abc123.js', own, '/barrage.js'].toSorted());
  expect(ask(read, '/barrage-extra-abc123.js').body?.toString()).toBe('// barrage-extra-abc123.js');
});
