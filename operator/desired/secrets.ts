/** The Secrets of a pool. Keys and passwords come in as data and go nowhere else. */
import { createHmac } from 'node:crypto';
import { canonical } from './revision.ts';
import { childMetadata, childNames } from './labels.ts';
import type { DesiredObject } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/**
 * The Ed25519 key pair (PEM) that signs pool documents and drain commands. It is made once, and never applied over an
 * existing one.
 */
export function signingSecret(
  pool: GatewayPool,
  keys: { readonly privateKey: string; readonly publicKey: string },
): DesiredObject<'Secret'> {
  return secret(pool, childNames.signing(pool), { 'private-key': keys.privateKey, 'public-key': keys.publicKey });
}

/** The pairs that living pods trust, the newest first: `0.private-key`, `0.public-key`, and so on. */
export function keptKeysSecret(
  pool: GatewayPool,
  pairs: readonly { readonly privateKey: string; readonly publicKey: string }[],
): DesiredObject<'Secret'> {
  const data = pairs.flatMap(({ privateKey, publicKey }, index) => [
    [`${index}.private-key`, privateKey],
    [`${index}.public-key`, publicKey],
  ]);
  return secret(pool, childNames.keptKeys(pool), Object.fromEntries(data) as Record<string, string>);
}

/** The first API key, for a pool that names no Secret: `key`, at least 16 random characters. It is made once. */
export function apiKeySecret(pool: GatewayPool, key: string): DesiredObject<'Secret'> {
  return secret(pool, childNames.apiKey(pool), { key });
}

/** Content of the credentials Secret. */
export interface RedisLogin {
  readonly username?: string;
  readonly password?: string;
}

export interface SecretSettings {
  /** `BARRAGE_REDIS_URL`; `undefined` on a memory bus. */
  readonly redisUrl: string | undefined;
  /**
   * `BARRAGE_REDIS_USERNAME` and `BARRAGE_REDIS_PASSWORD` behind Sentinels: a login in the URL would be the Sentinels'
   * own.
   */
  readonly redisLogin?: RedisLogin;
  /**
   * PEM of the authority to trust; absent without one in the pool. It is public, but changes together with the secrets.
   */
  readonly redisCa?: string;
  /** Every value of the API keys' Secret. Without any, publishers wait. */
  readonly apiKeys: readonly string[];
  /** `BARRAGE_JWT_SECRET`; absent without a readable one. */
  readonly jwtSecret?: string;
}

/** Key of the authority in the settings Secret. */
export const redisCaKey = 'redis-ca';

/** Secret settings of the pods. */
export function settingsSecret(pool: GatewayPool, settings: SecretSettings): DesiredObject<'Secret'> {
  const { redisUrl, redisLogin, redisCa, apiKeys, jwtSecret } = settings;
  return secret(pool, childNames.settings(pool), {
    ...(redisUrl === undefined ? {} : { 'redis-url': redisUrl }),
    ...(redisLogin?.username === undefined ? {} : { 'redis-username': redisLogin.username }),
    ...(redisLogin?.password === undefined ? {} : { 'redis-password': redisLogin.password }),
    ...(redisCa === undefined ? {} : { [redisCaKey]: redisCa }),
    ...(apiKeys.length === 0
      ? {}
      : {
          'api-keys': apiKeys
            .map((key) => key.trim())
            .toSorted()
            .join(','),
        }),
    ...(jwtSecret === undefined ? {} : { 'jwt-secret': jwtSecret }),
  });
}

/** `settingsDigest` for each kind of pod. A pod is replaced only when settings that it reads change. */
export interface SettingsDigests {
  readonly gateway: string;
  readonly publisher: string;
}

/** The digests of a pool's pods. On a memory bus the gateway publishes too, so it has the API keys. */
export function settingsDigests(pool: GatewayPool, settings: SecretSettings, privateKey: string): SettingsDigests {
  const { apiKeys, jwtSecret, ...redis } = settings;
  const gateway = { ...redis, ...(jwtSecret === undefined ? {} : { jwtSecret }) };
  return {
    gateway: settingsDigest(pool.spec.bus.type === 'Memory' ? { ...gateway, apiKeys } : gateway, privateKey),
    publisher: settingsDigest({ ...redis, apiKeys }, privateKey),
  };
}

/** Keyed digest of secret settings: nobody can try passwords against it. */
export function settingsDigest(settings: Partial<SecretSettings>, privateKey: string): string {
  const text = canonical({
    redisUrl: settings.redisUrl,
    redisLogin: settings.redisLogin === undefined ? undefined : { ...settings.redisLogin },
    redisCa: settings.redisCa,
    apiKeys: settings.apiKeys?.toSorted(),
    jwtSecret: settings.jwtSecret,
  });
  return createHmac('sha256', privateKey).update(text).digest('hex').slice(0, 16);
}

/** `BARRAGE_REDIS_URL` for a pool's bus: one address, or all addresses of Sentinels or a Cluster. */
export function redisUrl(pool: GatewayPool, credentials: RedisLogin | undefined): string | undefined {
  const { redis } = pool.spec.bus;
  if (redis === undefined) return undefined;
  const { username = '', password = '' } = redis.mode === 'Sentinel' ? {} : (credentials ?? {});
  const login = username === '' && password === '' ? '' : `${encodeURIComponent(username)}:${encodeURIComponent(password)}@`;
  const scheme = redis.tls === undefined ? 'redis' : 'rediss';
  return redis.addresses.map((address) => `${scheme}://${login}${address}`).join(',');
}

/** The login behind Sentinels, where the URL can't carry it. */
export function redisLogin(pool: GatewayPool, credentials: RedisLogin | undefined): RedisLogin | undefined {
  return pool.spec.bus.redis?.mode === 'Sentinel' ? credentials : undefined;
}

function secret(pool: GatewayPool, name: string, values: Readonly<Record<string, string>>): DesiredObject<'Secret'> {
  const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  return { apiVersion: 'v1', kind: 'Secret', metadata: childMetadata(pool, name), type: 'Opaque', data };
}
