import { expect, test } from 'vitest';
import { publicAddress } from '../../../gateway/moving/public-address.ts';

const host = 'gateway.internal:6790';

test.each([
  ['nothing', {}, 'ws://gateway.internal:6790/'],
  ['https', { 'x-forwarded-proto': 'https' }, 'wss://gateway.internal:6790/'],
  ['capitals', { 'x-forwarded-proto': 'HTTPS' }, 'wss://gateway.internal:6790/'],
  ['wss, as proxies that know WebSocket say', { 'x-forwarded-proto': 'wss' }, 'wss://gateway.internal:6790/'],
  ['ws', { 'x-forwarded-proto': 'ws' }, 'ws://gateway.internal:6790/'],
  ['a list: the first proxy spoke to the client', { 'x-forwarded-proto': 'https, http' }, 'wss://gateway.internal:6790/'],
  ['a list without spaces', { 'x-forwarded-proto': 'https,https' }, 'wss://gateway.internal:6790/'],
  ['an empty item', { 'x-forwarded-proto': ' ,https' }, 'wss://gateway.internal:6790/'],
  ['a list the other way round', { 'x-forwarded-proto': 'http, https' }, 'ws://gateway.internal:6790/'],
  ['the header twice', { 'x-forwarded-proto': ['https', 'http'] }, 'wss://gateway.internal:6790/'],
  ['another host', { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'live.example.com' }, 'wss://live.example.com/'],
  ['hosts of two proxies', { 'x-forwarded-host': 'live.example.com:8443, inner' }, 'ws://live.example.com:8443/'],
  ['a prefix', { 'x-forwarded-prefix': '/live' }, 'ws://gateway.internal:6790/live/'],
  ['a prefix that ends in a slash', { 'x-forwarded-prefix': '/live/v2/' }, 'ws://gateway.internal:6790/live/v2/'],
  ['prefixes of two proxies', { 'x-forwarded-prefix': '/a, /b' }, 'ws://gateway.internal:6790/a/b/'],
  ['no prefix', { 'x-forwarded-prefix': '/' }, 'ws://gateway.internal:6790/'],
  ['RFC 7239', { forwarded: 'for=192.0.2.60;proto=https;by=203.0.113.43' }, 'wss://gateway.internal:6790/'],
  ['RFC 7239 in capitals, quoted', { forwarded: 'For="[2001:db8::1]";Proto="HTTPS";Host="a.example:8443"' }, 'wss://a.example:8443/'],
  ['RFC 7239 of two proxies', { forwarded: 'for=a;proto=https;host=a.example, for=b;proto=http;host=b' }, 'wss://a.example/'],
  [
    'RFC 7239 before the others',
    { forwarded: 'proto=https;host=a.example', 'x-forwarded-host': 'b', 'x-forwarded-proto': 'http' },
    'wss://a.example/',
  ],
  ['RFC 7239 that says nothing of it', { forwarded: 'for=unknown', 'x-forwarded-proto': 'https' }, 'wss://gateway.internal:6790/'],
])('%s', (_, headers, url) => {
  expect(publicAddress({ host, ...headers })).toBe(url);
});

test.each([
  ['a host that is none', { 'x-forwarded-host': 'a"b' }],
  ['a host with a path', { 'x-forwarded-host': 'evil.example/x' }],
  ['a prefix with a query', { 'x-forwarded-prefix': '/a?b' }],
  ['a prefix that names a host', { 'x-forwarded-prefix': '//evil.example' }],
  ['a prefix with a line end', { 'x-forwarded-prefix': '/a\r\nb' }],
  ['half a pair', { forwarded: 'proto' }],
  ['an unclosed quote', { forwarded: 'proto="https' }],
  ['a header of any length', { forwarded: `${'a'.repeat(10_000)};proto=https` }],
])('%s counts as none', (_, headers) => {
  expect(publicAddress({ host, ...headers })).toBe('ws://gateway.internal:6790/');
});

test('a request without any host has no address', () => {
  expect(publicAddress({ 'x-forwarded-proto': 'https' })).toBeUndefined();
});
