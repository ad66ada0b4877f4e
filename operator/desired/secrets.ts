/** The Secrets of a pool. Keys and passwords come in as data and go nowhere else. */
import { createHmac } from 'node:crypto';
import { canonical } from './revision.ts';
import { childMetadata, childNames } from './labels.ts';
import type { DesiredObject } from './objects.ts';
import { busData, unnamedBusData, type BusSettings } from './bus-settings.ts';
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

export interface SecretSettings {
  /** The bus of new pods; `undefined` on a memory bus. */
  readonly bus: BusSettings | undefined;
  /** Other buses that living pods know, or that the pool document names. */
  readonly otherBuses?: readonly BusSettings[];
  /**
   * Whether some living pod is of a release that knows one bus only. The keys that it reads are there too, so that it
   * can start again.
   */
  readonly hasPodsOfOneBus?: boolean;
  /** Every value of the API keys' Secret. Without any, publishers wait. */
  readonly apiKeys: readonly string[];
  /** `BARRAGE_JWT_SECRET`; absent without a readable one. */
  readonly jwtSecret?: string;
}

/** Secret settings of the pods. */
export function settingsSecret(pool: GatewayPool, settings: SecretSettings): DesiredObject<'Secret'> {
  const { bus, otherBuses = [], apiKeys, jwtSecret } = settings;
  const buses = [...otherBuses, ...(bus === undefined ? [] : [bus])];
  return secret(pool, childNames.settings(pool), {
    ...Object.assign({}, ...buses.map(busData)),
    ...(settings.hasPodsOfOneBus === true && bus !== undefined ? unnamedBusData(bus) : {}),
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

/**
 * The digests of a pool's pods, each of its own bus. On a memory bus the gateway publishes too, so it has the API keys.
 */
export function settingsDigests(pool: GatewayPool, settings: SecretSettings, privateKey: string): SettingsDigests {
  const { bus, apiKeys, jwtSecret } = settings;
  const redis = bus === undefined ? {} : { bus };
  const gateway = { ...redis, ...(jwtSecret === undefined ? {} : { jwtSecret }) };
  return {
    gateway: settingsDigest(pool.spec.bus.type === 'Memory' ? { ...gateway, apiKeys } : gateway, privateKey),
    publisher: settingsDigest({ ...redis, apiKeys }, privateKey),
  };
}

/** Keyed digest of secret settings: nobody can try passwords against it. */
export function settingsDigest(settings: Partial<SecretSettings>, privateKey: string): string {
  const { bus } = settings;
  const text = canonical({
    redisUrl: bus?.url,
    redisLogin: bus?.login === undefined ? undefined : { ...bus.login },
    redisCa: bus?.ca,
    apiKeys: settings.apiKeys?.toSorted(),
    jwtSecret: settings.jwtSecret,
  });
  return createHmac('sha256', privateKey).update(text).digest('hex').slice(0, 16);
}

function secret(pool: GatewayPool, name: string, values: Readonly<Record<string, string>>): DesiredObject<'Secret'> {
  const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  return { apiVersion: 'v1', kind: 'Secret', metadata: childMetadata(pool, name), type: 'Opaque', data };
}
