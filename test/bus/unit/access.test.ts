import { expect, test } from 'vitest';
import { placesOf, previousRedisAccess, redisAccess, type RedisAccess } from '../../../core/redis/access.ts';
import { readSettings } from '../../../core/process/settings.ts';

test.each<[string, RedisAccess, object]>([
  ['a URL alone', { url: 'redis://h:1/2' }, { mode: 'Standalone', endpoint: { host: 'h', port: 1, db: 2 } }],
  ['a URL without a port', { url: 'redis://h' }, { endpoint: { host: 'h', port: 6379, db: 0 } }],
  ['IPv6', { url: 'redis://[fd00::1]:7' }, { endpoint: { host: 'fd00::1', port: 7 } }],
  ['a login in the URL', { url: 'redis://u%40:p%2Fw@h' }, { login: { username: 'u@', password: 'p/w' } }],
  ['a login beside the URL', { url: 'redis://u:p@h', username: 'v', password: 'q' }, { login: { username: 'v', password: 'q' } }],
  ['TLS', { url: 'rediss://h', ca: 'PEM' }, { login: { tls: { ca: 'PEM' } } }],
  [
    'nodes',
    { url: 'redis://a:1, redis://b', mode: 'Cluster' },
    {
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 6379 },
      ],
    },
  ],
  [
    'Sentinels',
    { url: 'redis://:s@a,redis://:s@b:2', mode: 'Sentinel', sentinelName: 'm', username: 'u', password: 'p' },
    {
      endpoint: {
        name: 'm',
        sentinels: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 2 },
        ],
        sentinelPassword: 's',
        username: 'u',
        password: 'p',
      },
    },
  ],
])('%s is taken apart', (_what, access, expected) => {
  expect(placesOf(access)).toMatchObject(expected);
});

test.each<[RegExp, RedisAccess]>([
  [/several addresses/, { url: 'redis://a,redis://b' }],
  [/mixes/, { url: 'redis://a,rediss://b', mode: 'Cluster' }],
  [/SENTINEL_NAME/, { url: 'redis://a', mode: 'Sentinel' }],
  [/not Sentinel/, { url: 'redis://a', sentinelName: 'm' }],
  [/nothing would be encrypted/, { url: 'redis://a', ca: 'PEM' }],
  [/without BARRAGE_REDIS_PASSWORD/, { url: 'redis://a', username: 'u' }],
  [/only database 0/, { url: 'redis://a/1', mode: 'Cluster' }],
  [/no database/, { url: 'redis://a/x' }],
  [/different users or passwords/, { url: 'redis://:hunter2@a,redis://:hunter3@b', mode: 'Cluster' }],
])('what contradicts itself is refused: %s', (words, access) => {
  expect(() => placesOf(access)).toThrow(words);
  expect(() => placesOf(access)).not.toThrow(/hunter/);
});

test('the settings give the way to Redis; a CA file that is not there is a fault in words', () => {
  const result = readSettings({
    BARRAGE_REDIS_URL: 'redis://a,redis://b',
    BARRAGE_REDIS_MODE: 'Cluster',
    BARRAGE_REDIS_USERNAME: 'u',
    BARRAGE_REDIS_PASSWORD: 'p',
  });
  if (result.kind !== 'settings') throw new Error(result.faults.join());
  expect(redisAccess(result.settings)).toEqual({ url: 'redis://a,redis://b', mode: 'Cluster', username: 'u', password: 'p' });
  expect(() => redisAccess({ ...result.settings, redisCaFile: '/nowhere/ca.crt' })).toThrow(/BARRAGE_REDIS_CA_FILE can't be read/);
  expect(() => redisAccess({ ...result.settings, redisCaFile: 'package.json' })).toThrow(
    /BARRAGE_REDIS_CA_FILE holds no certificate in PEM/,
  );
});

test('the way to the previous bus has settings of its own, and its faults name them', () => {
  const result = readSettings({
    BARRAGE_REDIS_URL: 'redis://new',
    BARRAGE_BUS: 'b',
    BARRAGE_PREVIOUS_BUS: 'a',
    BARRAGE_PREVIOUS_REDIS_URL: 'redis://a,redis://b',
    BARRAGE_PREVIOUS_REDIS_MODE: 'Sentinel',
    BARRAGE_PREVIOUS_REDIS_SENTINEL_NAME: 'main',
    BARRAGE_PREVIOUS_REDIS_USERNAME: 'u',
    BARRAGE_PREVIOUS_REDIS_PASSWORD: 'p',
  });
  if (result.kind !== 'settings') throw new Error(result.faults.join());
  const { settings } = result;
  const access = { url: 'redis://a,redis://b', mode: 'Sentinel', sentinelName: 'main', username: 'u', password: 'p' };
  expect(previousRedisAccess(settings)).toEqual(access);
  expect(redisAccess(settings)).toEqual({ url: 'redis://new', mode: 'Standalone' });
  expect(() => previousRedisAccess({ ...settings, previousRedisSentinelName: '' })).toThrow(
    'BARRAGE_PREVIOUS_REDIS_MODE is Sentinel: set BARRAGE_PREVIOUS_REDIS_SENTINEL_NAME to the name',
  );
  expect(() => previousRedisAccess({ ...settings, previousRedisCaFile: '/nowhere/ca.crt' })).toThrow(
    /^BARRAGE_PREVIOUS_REDIS_CA_FILE can't/,
  );
});

test.each([
  ['BARRAGE_REDIS_URL', 'redis://a,redis://b', 'redis://a,b'],
  ['BARRAGE_REDIS_URL', 'rediss://u:p%25@a:1', 'redis://u:p%@a:1'],
  ['BARRAGE_REDIS_URL', 'redis://[::1]:6379', 'redis://'],
  ['BARRAGE_REDIS_MODE', 'Cluster', 'cluster'],
])('%s takes %s and not %s', (variable, good, bad) => {
  expect(readSettings({ BARRAGE_REDIS_URL: 'redis://a', [variable]: good }).kind).toBe('settings');
  expect(readSettings({ BARRAGE_REDIS_URL: 'redis://a', [variable]: bad }).kind).toBe('faults');
});
