import { expect, test } from 'vitest';
import { addressesMax, readAddresses } from '../../../client/addresses.ts';
import { connectAddressOf, leavesEncryption, readDirections } from '../../../client/directions.ts';
import { questionFor } from '../../../client/question.ts';

test.each<readonly [unknown, readonly object[]]>([
  ['ws://localhost:6790/', [{ kind: 'gateway', url: 'ws://localhost:6790/' }]],
  [new URL('wss://example.com/x?y=1'), [{ kind: 'gateway', url: 'wss://example.com/x?y=1' }]],
  ['wss://example.com/#part', [{ kind: 'gateway', url: 'wss://example.com/' }]],
  ['https://example.com', [{ kind: 'connect', url: 'https://example.com/v1/connect' }]],
  ['https://example.com/live/', [{ kind: 'connect', url: 'https://example.com/live/v1/connect' }]],
  ['http://example.com/v1/connect', [{ kind: 'connect', url: 'http://example.com/v1/connect' }]],
  ['/v1/connect?key=1', [{ kind: 'connect', url: 'https://page.example/v1/connect?key=1' }]],
  [
    ['ws://a/', 'https://b/'],
    [
      { kind: 'gateway', url: 'ws://a/' },
      { kind: 'connect', url: 'https://b/v1/connect' },
    ],
  ],
])('%s is an address', (given, addresses) => {
  expect(readAddresses(given, 'https://page.example/watch')).toEqual(addresses);
});

test.each<readonly [string, unknown, new () => Error]>([
  ['a path without a page', '/x', SyntaxError],
  ['another scheme', 'ftp://example.com/', SyntaxError],
  ['no URL', 'nonsense', SyntaxError],
  ['no address', [], TypeError],
  ['a number', 5, TypeError],
  ['nothing', undefined, TypeError],
  ['nothing in a list', [null], TypeError],
  ['one address too many', Array.from({ length: addressesMax + 1 }, () => 'ws://a/'), TypeError],
])('%s is refused', (_what, given, kind) => {
  expect(() => readAddresses(given, undefined)).toThrow(kind);
});

test('as many addresses as may be are taken', () => {
  const many = Array.from({ length: addressesMax }, (_, index) => `ws://a${index}/`);
  expect(readAddresses(many, undefined)).toHaveLength(addressesMax);
});

test('a gateway is asked at its own origin, over the same kind of connection', () => {
  expect(connectAddressOf('ws://a:6790/any/path?x=1')).toBe('http://a:6790/v1/connect');
  expect(connectAddressOf('wss://a/')).toBe('https://a/v1/connect');
  expect(questionFor('https://a/v1/connect?key=1', 'video:1 弹')).toBe('https://a/v1/connect?key=1&channel=video%3A1+%E5%BC%B9');
});

test('an answer gives WebSocket URLs and bounds; what leads out of encryption, or is no bound, is passed over', () => {
  const backoff = { baseMs: 500, capMs: 20_000 };
  expect(readDirections({ urls: ['ws://a/', 'wss://b/'], backoff, epoch: 3, crowded: true, transport: 'pull' }, 'http://x/')).toEqual({
    urls: ['ws://a/', 'wss://b/'],
    backoff,
    isCrowded: true,
    transport: 'pull',
  });
  expect(readDirections({ urls: ['ws://a/', 'wss://b/', 'https://c/', 7], backoff }, 'https://x/')).toEqual({
    urls: ['wss://b/'],
    backoff,
    isCrowded: false,
  });
  expect(readDirections({ urls: ['ws://a/'], backoff: { baseMs: 0, capMs: 5 } }, 'http://x/')).toEqual({
    urls: ['ws://a/'],
    backoff: undefined,
    isCrowded: false,
  });
  // The asked host itself is as encrypted as the question.
  expect(readDirections({ urls: ['ws://x:8443/', 'ws://x/'] }, 'https://x:8443/v1/connect')?.urls).toEqual(['wss://x:8443/']);
  for (const nothing of [{ urls: [] }, { urls: ['ws://a/'] }, { urls: 'ws://a/' }, {}, null, 'x', [], undefined])
    expect(readDirections(nothing, 'https://x/')).toBeUndefined();
  expect([
    leavesEncryption('wss://a/', 'ws://b/'),
    leavesEncryption('ws://a/', 'ws://b/'),
    leavesEncryption('https://a/', 'wss://b/'),
  ]).toEqual([true, false, false]);
});
