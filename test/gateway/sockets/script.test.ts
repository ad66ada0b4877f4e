import { expect, test } from 'vitest';
import { TestStandalone } from '../../support/standalone.ts';

test('the port of clients serves the client for browsers, and counts who asked', async () => {
  const barrage = await TestStandalone.start();
  const at = (path: string): string => `http://127.0.0.1:${barrage.port}${path}`;
  const first = await fetch(at('/barrage.js'), { headers: { origin: 'https://elsewhere.example', 'accept-encoding': 'gzip, br' } });
  expect([first.status, first.headers.get('content-encoding'), first.headers.get('access-control-allow-origin')]).toEqual([200, 'br', '*']);
  const text = await first.text();
  const address = first.headers.get('barrage-address') ?? '';
  const lasting = await fetch(at(address), { headers: { 'accept-encoding': 'gzip' } });
  expect([lasting.status, lasting.headers.get('content-encoding'), await lasting.text()]).toEqual([200, 'gzip', text]);
  const extra = /\.\/(barrage-extra-\w+\.js)/.exec(text)?.[1] ?? '';
  expect((await fetch(at(`/${extra}`))).status).toBe(200);
  const unchanged = await fetch(at('/barrage.js'), {
    headers: { 'accept-encoding': 'br', 'if-none-match': first.headers.get('etag') ?? '' },
  });
  expect([unchanged.status, await unchanged.text()]).toEqual([304, '']);
  const head = await fetch(at('/barrage.js'), { method: 'HEAD', headers: { 'accept-encoding': 'br' } });
  expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, first.headers.get('etag'), '']);
  expect((await fetch(at('/barrage.older.js'))).status).toBe(404);
  expect((await fetch(at('/barrage.js'), { method: 'POST' })).status).toBe(404);
  const count = (result: string): Promise<number> => barrage.metric('barrage_gateway_script_requests_total', `result="${result}"`);
  expect(await Promise.all(['sent', 'unchanged', 'missing'].map(count))).toEqual([4, 1, 1]);
});
