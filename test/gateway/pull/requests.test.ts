import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { bearerOf, codingOf, hasAlready, refusalHeaders, segmentControl } from '../../../gateway/pull/headers.ts';
import { isPullRequest, readPullRequest } from '../../../gateway/pull/pull-request.ts';
import { refusals } from '../../../gateway/pull/refusals.ts';
import { segmentNumberMax } from '../../../gateway/pull/segments.ts';

const read = (url: string, method = 'GET') => readPullRequest(method, url);

test('heads and segments are read from the path', () => {
  expect(read('/v1/channels/video%3A1/head')).toEqual({ kind: 'request', request: { kind: 'head', channel: 'video:1' } });
  expect(read('/v1/channels/a%2Fb/head', 'HEAD')).toEqual({ kind: 'request', request: { kind: 'head', channel: 'a/b' } });
  const segment = { kind: 'segment', channel: '弹幕', part: { epoch: 'k3v9', number: 3, after: 150 } };
  expect(read(`/v1/channels/${encodeURIComponent('弹幕')}/segments/k3v9/3`)).toEqual({ kind: 'request', request: segment });
  const part = { epoch: 'k3v9', number: 3, after: 199 };
  expect(read('/v1/channels/c/segments/k3v9/3?after=199')).toMatchObject({ request: { part } });
  expect(read(`/v1/channels/c/segments/e/${segmentNumberMax}`)).toMatchObject({ kind: 'request' });
  expect(read('/v1/channels/c/head', 'OPTIONS')).toEqual({ kind: 'preflight' });
  expect(isPullRequest('/v1/channels/c/head')).toBe(true);
  expect(isPullRequest('/v1/connect?channel=c')).toBe(false);
});

test.each([
  ['/v1/channels//head', 400, 'bad_channel'],
  ['/v1/channels/%ff/head', 400, 'bad_channel'],
  ['/v1/channels/a%20b/head', 400, 'bad_channel'],
  [`/v1/channels/${'x'.repeat(limits.channelNameBytesMax + 1)}/head`, 400, 'bad_channel'],
  // Each of these would be an entry of its own in a cache.
  ['/v1/channels/c/head?x=1', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/1?x', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/01', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/1?after=50', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/1?after=100', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/1?after=060', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/1?after=60&after=61', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/-1', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/1.0', 400, 'bad_request'],
  ['/v1/channels/c/segments/e/', 400, 'bad_request'],
  [`/v1/channels/c/segments/e/${segmentNumberMax + 1}`, 400, 'bad_request'],
  ['/v1/channels/c/segments//1', 400, 'bad_request'],
  [`/v1/channels/c/segments/${'e'.repeat(33)}/1`, 400, 'bad_request'],
  ['/v1/channels/c/segments/e%00/1', 400, 'bad_request'],
  ['/v1/channels/', 404, 'not_found'],
  ['/v1/channels/c', 404, 'not_found'],
  ['/v1/channels/c/history', 404, 'not_found'],
  ['/v1/channels/c/head/', 404, 'not_found'],
  ['/v1/channels/a/b/head', 404, 'not_found'],
])('%s is refused: %i %s', (url, status, code) => {
  expect(read(url)).toEqual({
    kind: 'refused',
    refusal: expect.objectContaining({ status, code, message: expect.stringMatching(/.{10}/), maxAgeSeconds: 1 }),
  });
});

test.each([
  ['/v1/channels/video:1/head', '../video%3A1/head'],
  ['/v1/channels/video%3a1/head', '../video%3A1/head'],
  ['/v1/channels/%76ideo%3A1/head', '../video%3A1/head'],
  ['/v1/channels/c/head?', '../c/head'],
  ['/v1/channels/弹幕/head', `../${encodeURIComponent('弹幕')}/head`],
  ['/v1/channels/video:1/segments/k3v9/3', '../../../video%3A1/segments/k3v9/3'],
  ['/v1/channels/video:1/segments/k3v9/3?after=199', '../../../video%3A1/segments/k3v9/3?after=199'],
  ['/v1/channels/c/segments/k3v9/3?', '../../../c/segments/k3v9/3'],
])('%s is another spelling: a cache keeps the way to the one', (url, location) => {
  const answer = read(url);
  expect(answer).toMatchObject({ kind: 'refused', refusal: { status: 308, code: 'other_spelling', headers: { location } } });
  const target = new URL(location, `http://cdn.example/live${url}`);
  expect(target.pathname.startsWith('/live/v1/channels/')).toBe(true);
  expect(read(target.pathname.slice('/live'.length) + target.search)).toMatchObject({ kind: 'request' });
});

test.each(['POST', 'PUT', 'DELETE', 'PURGE'])('%s is no way to read', (method) => {
  expect(read('/v1/channels/c/head', method)).toMatchObject({ refusal: { status: 405, headers: { allow: 'GET, HEAD, OPTIONS' } } });
});

test('what holds for everybody may be kept for a moment, and nothing else', () => {
  const control = (refusal: Parameters<typeof refusalHeaders>[0], audience: 'public' | 'private') =>
    refusalHeaders(refusal, audience)['cache-control'];
  expect(control(refusals.open(), 'public')).toBe('public, max-age=1');
  expect(control(refusals.open(), 'private')).toBe('private, max-age=1');
  expect(control(refusals.lost(), 'public')).toBe('public, max-age=10');
  for (const refusal of [refusals.unauthenticated(''), refusals.forbidden(), refusals.rate(), refusals.bus(), refusals.internal()])
    expect(control(refusal, 'public')).toBe('no-store');
  expect(refusalHeaders(refusals.rate(), 'public')['retry-after']).toBe('1');
});

test('a segment is good until history may lose its first publication, and for an hour at most', () => {
  expect(segmentControl('public', 59_999)).toBe('public, max-age=59, immutable');
  expect(segmentControl('private', 0)).toBe('private, max-age=0, immutable');
  expect(segmentControl('public', limits.pullSegmentSecondsMax * 1000)).toBe('public, max-age=3600, immutable');
  expect(segmentControl('public', limits.pullSegmentSecondsMax * 1000 + 1000)).toBe('public, max-age=3600, immutable');
});

test.each([
  [undefined, false],
  ['', false],
  ['gzip', true],
  ['br, GZIP;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000', false],
  ['*', true],
  ['*;q=0.1, gzip;q=0', false],
  ['identity', false],
  ['gzipped', false],
])('whether an asker takes gzip: %s', (header, takes) => {
  expect(codingOf(header, ['gzip'])).toBe(takes ? 'gzip' : undefined);
});

test.each([
  [undefined, false],
  ['"abc"', true],
  ['W/"abc"', true],
  ['"x", "abc"', true],
  ['*', true],
  ['abc', false],
  ['"abcd"', false],
])('whether an asker has a document already: %s', (header, has) => {
  expect(hasAlready(header, '"abc"')).toBe(has);
});

test('a token is read as RFC 6750 has it', () => {
  expect(bearerOf('Bearer a.b.c')).toBe('a.b.c');
  expect(bearerOf('bearer  x ')).toBe('x');
  for (const header of [undefined, '', 'Bearer', 'Bearer a b', 'Basic abc']) expect(bearerOf(header)).toBeUndefined();
});
