import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isOfHost, originOfHeader, readOrigin } from '../../core/origin.ts';
import { ruleCases } from '../kubernetes/crds/rule-cases.ts';

test.each([
  ['https://example.com', 'https://example.com'],
  ['https://example.com/', 'https://example.com'],
  ['HTTPS://Example.COM', 'https://example.com'],
  ['https://example.com:443', 'https://example.com'],
  ['http://example.com:80/', 'http://example.com'],
  ['http://example.com:443', 'http://example.com:443'],
  ['https://EXAMPLE.com:8443/', 'https://example.com:8443'],
  ['http://localhost:5173', 'http://localhost:5173'],
  ['http://[::1]:5173', 'http://[::1]:5173'],
  ['https://弹幕.example', 'https://xn--lvtst.example'],
  ['capacitor://localhost', 'capacitor://localhost'],
  ['capacitor://LocalHost/', 'capacitor://localhost'],
  ['ionic://localhost', 'ionic://localhost'],
  ['tauri://localhost', 'tauri://localhost'],
  ['app://-', 'app://-'],
  ['chrome-extension://abcdefghijklmnop', 'chrome-extension://abcdefghijklmnop'],
  ['file://', 'file://'],
  ['null', 'null'],
])('an origin is read as people write it: %s', (written, origin) => {
  expect(readOrigin(written)).toEqual({ kind: 'origin', origin });
  expect(originOfHeader(origin)).toBe(origin);
});

test.each([
  ['example.com', 'has no scheme: write https://example.com'],
  ['example.com:8443', 'has no scheme: write https://example.com:8443'],
  ['localhost:5173', 'has no scheme: write http://localhost:5173'],
  ['127.0.0.1:80', 'has no scheme: write http://127.0.0.1'],
  ['https://example.com/watch', 'is more than an origin: write https://example.com'],
  ['https://example.com/?a', 'is more than an origin: write https://example.com'],
  ['https://example.com#a', 'is more than an origin: write https://example.com'],
  ['https://me@example.com', 'is more than an origin: write https://example.com'],
  ['wss://example.com', 'is no origin of a page: write https://example.com'],
  ['ws://localhost:6790', 'is no origin of a page: write http://localhost:6790'],
  ['https://*.example.com', 'is a pattern, and patterns are not taken: list each origin, or write * alone for all'],
  ['https://', 'is no origin: write scheme and host, such as https://example.com'],
  ['https://a b', 'is no origin: write scheme and host, such as https://example.com'],
  ['https://example.com:99999', 'is no origin: write scheme and host, such as https://example.com'],
  ['"https://example.com"', 'is no origin: write scheme and host, such as https://example.com'],
])('what no browser sends as an origin is told with the right form: %s', (written, fault) => {
  expect(readOrigin(written)).toEqual({ kind: 'fault', message: `${JSON.stringify(written)} ${fault}` });
});

test('reading is idempotent, and no text makes it throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string({ unit: 'binary' })), (text) => {
      const read = readOrigin(text);
      if (read.kind === 'origin') expect(readOrigin(read.origin)).toEqual(read);
    }),
  );
});

test('every origin that a GatewayPool takes is one that its gateways take', () => {
  const cases = ruleCases.filter(({ at }) => at === 'spec.auth.allowedOrigins.[]');
  const taken = cases.flatMap(({ accepted }) => accepted.map((edits) => String(edits['spec.auth.allowedOrigins[0]'])));
  expect(taken.length).toBeGreaterThan(5);
  for (const origin of taken) expect([origin, origin === '*' || readOrigin(origin).kind === 'origin']).toEqual([origin, true]);
});

test('a page is of the host that was asked for, in whatever spelling, with or without a default port', () => {
  for (const [origin, host] of [
    ['https://example.com', 'example.com'],
    ['https://example.com', 'example.com:443'],
    ['https://example.com', 'EXAMPLE.com'],
    ['http://example.com', 'example.com:80'],
    ['http://localhost:6790', 'localhost:6790'],
  ] as const)
    expect(isOfHost(origin, host), `${origin} ${host}`).toBe(true);
  for (const [origin, host] of [
    ['https://example.com', 'example.com:80'],
    ['https://example.com:8443', 'example.com'],
    ['https://evil.example', 'example.com'],
    ['https://example.com', 'evil@example.com'],
    ['https://example.com', 'example.com/'],
    ['https://example.com', ''],
    ['null', 'null'],
    ['capacitor://localhost', 'localhost'],
  ] as const)
    expect(isOfHost(origin, host), `${origin} ${host}`).toBe(false);
});
