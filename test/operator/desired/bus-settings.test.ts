import { expect, test } from 'vitest';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import {
  busData,
  busesIn,
  busId,
  busSettings,
  loginIn,
  type BusSettings,
  type RedisLogin,
} from '../../../operator/desired/bus-settings.ts';
import { gatewayPod, gatewayRevision } from '../../../operator/desired/gateway-pod.ts';
import { poolWith } from '../decide/pool-fixture.ts';
import { environmentOf, ingredientsWith, ownContainer } from './ingredients.ts';

type Redis = Partial<NonNullable<GatewayPool['spec']['bus']['redis']>>;

function pool(redis: Redis = {}): GatewayPool {
  return poolWith({ bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'], ...redis } } });
}

function settings(redis: Redis = {}, credentials?: RedisLogin, known: readonly BusSettings[] = []): BusSettings {
  const bus = busSettings(pool(redis), { credentials, ca: undefined }, known);
  if (bus === undefined) throw new Error('a memory bus');
  return bus;
}

test('the URL of Redis holds any user name and password', () => {
  expect(settings().url).toBe('redis://redis:6379');
  const url = new URL(settings({}, { username: 'a:b', password: 'p@ss/w?rd' }).url);
  expect([decodeURIComponent(url.username), decodeURIComponent(url.password), url.host]).toEqual(['a:b', 'p@ss/w?rd', 'redis:6379']);
  expect(settings({ tls: {} }, { password: 'x' }).url).toBe('rediss://:x@redis:6379');
  expect(busSettings(poolWith({ bus: { type: 'Memory' } }), { credentials: undefined, ca: undefined }, [])).toBeUndefined();
});

const login = { username: 'u', password: 'p' };
const sentinels = { mode: 'Sentinel', addresses: ['a:1', 'b:2'], sentinelName: 'main', credentialsSecret: { name: 'login' } } as const;

test('Sentinels and a Cluster are reached by all their addresses; behind Sentinels the login is a setting of its own', () => {
  expect(settings({ mode: 'Cluster', addresses: ['a:1', 'b:2'] }, login)).toMatchObject({ url: 'redis://u:p@a:1,redis://u:p@b:2' });
  expect(settings({ mode: 'Cluster', addresses: ['a:1', 'b:2'] }, login).login).toBeUndefined();
  expect(settings({ ...sentinels, addresses: ['a:1', 'b:2'] }, login)).toMatchObject({ url: 'redis://a:1,redis://b:2', login });
});

test('a bus that the settings Secret holds is read as it was written, and a spoilt one is not read', () => {
  const buses = [
    settings({}, { password: 'a:b@c' }),
    settings({ ...sentinels, addresses: ['a:1'] }, login),
    { ...settings({ keyPrefix: 'x' }), hasCa: true, ca: 'PEM' },
  ];
  const data = Object.assign({ 'api-keys': 'k' }, ...buses.map(busData)) as Record<string, string>;
  expect(busesIn(data)).toEqual(buses);
  expect(buses.map(loginIn)).toEqual([{ password: 'a:b@c' }, login, {}]);
  expect(busesIn({ ...data, [`${buses[0]?.id}.redis-mode`]: 'Other' })).toEqual(buses.slice(1));
});

test('another mode, prefix or server is another bus; another list of addresses of the same one is not', () => {
  const cluster = settings({ mode: 'Cluster', addresses: ['a:1', 'b:2'] });
  const idOf = (redis: Redis, known: readonly BusSettings[] = [cluster]): string | undefined => busId(pool(redis), known);
  expect(idOf({ mode: 'Cluster', addresses: ['a.live.svc:1', 'c:3'] })).toBe(cluster.id);
  const others = [
    idOf({ mode: 'Cluster', addresses: ['c:3'] }),
    idOf({ mode: 'Standalone', addresses: ['a:1'] }),
    idOf({ mode: 'Cluster', addresses: ['a:1'], keyPrefix: 'other' }),
    idOf({ ...sentinels, addresses: ['a:1'] }),
    idOf({ ...sentinels, addresses: ['a:1'], sentinelName: 'other' }),
  ];
  expect(new Set([cluster.id, ...others]).size).toBe(6);
  for (const id of others) expect(id).toMatch(/^[0-9a-f]{10}$/);
});

test('a gateway of a changing pool listens to the previous bus too, which makes it no other revision', () => {
  const previous = { ...settings({ ...sentinels, addresses: ['a:1'] }, login), hasCa: true };
  const main = settings({ mode: 'Cluster', addresses: ['c:1'], keyPrefix: 'new' });
  const alone = { ...ingredientsWith(), buses: { main } };
  const both = { ...alone, buses: { main, previous } };
  expect(gatewayRevision(both)).toBe(gatewayRevision(alone));
  const pod = gatewayPod(both, 'web-aaaaa-0');
  const fromSettings = (key: string, more: object = {}) => ({
    secretKeyRef: { name: 'web-settings', key: `${previous.id}.${key}`, ...more },
  });
  expect(environmentOf(ownContainer(pod.spec))).toMatchObject({
    BARRAGE_BUS: main.id,
    BARRAGE_REDIS_MODE: 'Cluster',
    BARRAGE_REDIS_PREFIX: 'new',
    BARRAGE_PREVIOUS_BUS: previous.id,
    BARRAGE_PREVIOUS_REDIS_MODE: 'Sentinel',
    BARRAGE_PREVIOUS_REDIS_SENTINEL_NAME: 'main',
    BARRAGE_PREVIOUS_REDIS_PREFIX: 'live/web',
    BARRAGE_PREVIOUS_REDIS_URL: fromSettings('redis-url'),
    BARRAGE_PREVIOUS_REDIS_USERNAME: fromSettings('redis-username', { optional: true }),
    BARRAGE_PREVIOUS_REDIS_PASSWORD: fromSettings('redis-password'),
    BARRAGE_PREVIOUS_REDIS_CA_FILE: `/etc/barrage/redis-ca/${previous.id}.crt`,
  });
  expect(pod.metadata.annotations).toMatchObject({ 'barrage.dev/bus': main.id, 'barrage.dev/previous-bus': previous.id });
  expect(JSON.stringify(pod.spec)).toContain(`{"key":"${previous.id}.redis-ca","path":"${previous.id}.crt"}`);
  expect(JSON.stringify(gatewayPod(alone, 'web-aaaaa-0'))).not.toMatch(/PREVIOUS|previous/);
});
