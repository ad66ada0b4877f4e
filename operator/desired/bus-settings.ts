/**
 * The buses of a pool as its pods are configured with them. A pod keeps the bus that it was made with, so the settings
 * Secret holds every bus that a living pod knows, each under its id.
 */
import { createHash } from 'node:crypto';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { busIdentity, placesOf } from './bus-identity.ts';

/** Content of the credentials Secret. */
export interface RedisLogin {
  readonly username?: string;
  readonly password?: string;
}

/** A bus without its secrets. */
export interface PodBus {
  /** 10 hexadecimal digits. Pool documents name the bus by it. */
  readonly id: string;
  readonly mode: 'Standalone' | 'Sentinel' | 'Cluster';
  readonly prefix: string;
  readonly sentinelName?: string | undefined;
  /** Whether a login is told apart from the URL: behind Sentinels, a login in the URL would be the Sentinels' own. */
  readonly hasLogin: boolean;
  /** Whether it has an authority of its own to trust. */
  readonly hasCa: boolean;
}

/** A bus with its secrets. */
export interface BusSettings extends PodBus {
  /** `BARRAGE_REDIS_URL`: one address, or all addresses of Sentinels or a Cluster, with the login. */
  readonly url: string;
  readonly login?: RedisLogin | undefined;
  /** PEM of the authority to trust. It is public, but changes together with the secrets. */
  readonly ca?: string | undefined;
}

/** A pod's buses without their secrets. */
export function podBuses({ main, previous }: { readonly main: BusSettings; readonly previous?: BusSettings | undefined }): {
  readonly main: PodBus;
  readonly previous?: PodBus;
} {
  return { main: withoutSecrets(main), ...(previous === undefined ? {} : { previous: withoutSecrets(previous) }) };
}

function withoutSecrets({ url: _url, login: _login, ca: _ca, ...bus }: BusSettings): PodBus {
  return bus;
}

/** The settings of the bus that a pool's spec names; `undefined` on a memory bus. */
export function busSettings(
  pool: GatewayPool,
  secrets: { readonly credentials: RedisLogin | undefined; readonly ca: string | undefined },
  known: readonly BusSettings[],
): BusSettings | undefined {
  const { redis } = pool.spec.bus;
  if (redis === undefined) return undefined;
  const { namespace, name } = pool.metadata;
  const { credentials, ca } = secrets;
  const url = redisUrl(pool, credentials) ?? '';
  const login = redis.mode === 'Sentinel' ? credentials : undefined;
  return {
    id: busId(pool, known) ?? '',
    mode: redis.mode,
    prefix: redis.keyPrefix ?? `${namespace}/${name}`,
    ...(redis.sentinelName === undefined ? {} : { sentinelName: redis.sentinelName }),
    hasLogin: redis.mode === 'Sentinel' && redis.credentialsSecret !== undefined,
    hasCa: redis.tls?.caSecret !== undefined,
    url,
    ...(login === undefined ? {} : { login }),
    ...(ca === undefined ? {} : { ca }),
  };
}

/**
 * Id of the bus that a pool's spec names; `undefined` on a memory bus. A known bus with the same mode and key prefix
 * that shares an address is the same bus with another list of addresses, and keeps its id.
 */
export function busId(pool: GatewayPool, known: readonly BusSettings[]): string | undefined {
  const { redis } = pool.spec.bus;
  if (redis === undefined) return undefined;
  const { namespace, name } = pool.metadata;
  const places = new Set(placesOf(redis.addresses, namespace));
  const same = known.find(
    ({ mode, prefix, sentinelName, url }) =>
      mode === redis.mode &&
      prefix === (redis.keyPrefix ?? `${namespace}/${name}`) &&
      sentinelName === redis.sentinelName &&
      placesOf(addressesIn(url), namespace).some((place) => places.has(place)),
  );
  if (same !== undefined) return same.id;
  return createHash('sha256')
    .update(`${redis.mode} ${busIdentity(pool)}`)
    .digest('hex')
    .slice(0, 10);
}

/** `BARRAGE_REDIS_URL` for a pool's bus: one address, or all addresses of Sentinels or a Cluster. */
function redisUrl(pool: GatewayPool, credentials: RedisLogin | undefined): string | undefined {
  const { redis } = pool.spec.bus;
  if (redis === undefined) return undefined;
  const { username = '', password = '' } = redis.mode === 'Sentinel' ? {} : (credentials ?? {});
  const login = username === '' && password === '' ? '' : `${encodeURIComponent(username)}:${encodeURIComponent(password)}@`;
  const scheme = redis.tls === undefined ? 'redis' : 'rediss';
  return redis.addresses.map((address) => `${scheme}://${login}${address}`).join(',');
}

function addressesIn(url: string): readonly string[] {
  return url.split(',').map((each) => each.slice(each.lastIndexOf('@') + 1).replace(/^rediss?:\/\//, ''));
}

/** Keys of one bus in the settings Secret, each after the bus's id and a dot. */
export const busKeys = {
  url: 'redis-url',
  mode: 'redis-mode',
  prefix: 'redis-prefix',
  sentinelName: 'redis-sentinel-name',
  username: 'redis-username',
  password: 'redis-password',
  ca: 'redis-ca',
} as const;

/** Key of one value of a bus in the settings Secret. */
export function busKey(id: string, what: keyof typeof busKeys): string {
  return `${id}.${busKeys[what]}`;
}

/** The entries of a bus in the settings Secret. */
export function busData(bus: BusSettings): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(unnamedBusData(bus)).map(([key, value]) => [`${bus.id}.${key}`, value]));
}

/** The same, by the keys without an id that a release with one bus reads. */
export function unnamedBusData(bus: BusSettings): Readonly<Record<string, string>> {
  const values: Readonly<Record<keyof typeof busKeys, string | undefined>> = {
    url: bus.url,
    mode: bus.mode,
    prefix: bus.prefix,
    sentinelName: bus.sentinelName,
    username: bus.login?.username,
    password: bus.login?.password,
    ca: bus.ca,
  };
  const entries = (Object.keys(values) as (keyof typeof busKeys)[]).flatMap((what): [string, string][] => {
    const value = values[what];
    return value === undefined ? [] : [[busKeys[what], value]];
  });
  return Object.fromEntries(entries);
}

/** The buses in a settings Secret. A bus whose entries somebody has spoilt is left out. */
export function busesIn(data: Readonly<Record<string, string>>): readonly BusSettings[] {
  const ids = Object.keys(data).flatMap((key) => /^([a-z0-9]{1,16})\.redis-url$/.exec(key)?.[1] ?? []);
  return ids.flatMap((id): BusSettings[] => {
    const value = (what: keyof typeof busKeys): string | undefined => data[busKey(id, what)];
    const mode = (['Standalone', 'Sentinel', 'Cluster'] as const).find((each) => each === value('mode'));
    const [url, prefix, sentinelName, username, password, ca] = [
      value('url'),
      value('prefix'),
      value('sentinelName'),
      value('username'),
      value('password'),
      value('ca'),
    ];
    if (mode === undefined || url === undefined || prefix === undefined) return [];
    const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
    return [
      {
        id,
        mode,
        prefix,
        ...(sentinelName === undefined ? {} : { sentinelName }),
        hasLogin: password !== undefined,
        hasCa: ca !== undefined,
        url,
        ...(password === undefined ? {} : { login }),
        ...(ca === undefined ? {} : { ca }),
      },
    ];
  });
}

/** The login inside a bus's settings. */
export function loginIn({ login, url }: BusSettings): RedisLogin | undefined {
  const first = url.split(',', 1)[0] ?? '';
  if (login !== undefined || !URL.canParse(first)) return login;
  const { username, password } = new URL(first);
  const text = decodeURIComponent;
  return { ...(username === '' ? {} : { username: text(username) }), ...(password === '' ? {} : { password: text(password) }) };
}
