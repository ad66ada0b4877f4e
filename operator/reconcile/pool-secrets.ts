import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { ObservedFault } from '../decide/fault.ts';
import { childNames } from '../desired/labels.ts';
import {
  apiKeySecret,
  redisLogin,
  redisUrl,
  settingsDigest,
  settingsSecret,
  signingSecret,
  type SecretSettings,
} from '../desired/secrets.ts';
import type { DesiredObject } from '../desired/objects.ts';
import { resources } from '../kube/resources.ts';
import type { KubeApi, KubeObject, KubeReader } from '../runtime/kube-api.ts';

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** What the Secrets of a pool come to. Never logged, never in an object that is no Secret. */
export interface PoolSecrets {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly settings: DesiredObject<'Secret'>;
  readonly digest: string;
  /** The signing keys are what they should be: otherwise nothing can be told to a pod, and pods made now would trust nobody. */
  readonly canSign: boolean;
  /** The pool names Secrets of its user's, which are looked at again after this time, in milliseconds. */
  readonly reviewAfterMs: number | undefined;
  /** Secrets that the pool names and that are not there, or lack what they should hold. */
  readonly faults: readonly ObservedFault[];
}

/** Where a pool's own Secrets are found without asking the API server. */
export type KnownSecret = (namespace: string, name: string) => KubeObject | undefined;

/** How long what a user's Secret said is believed, in milliseconds: they are not ours to watch. */
const freshMs = 10_000;
/** After this time it is asked again, even if nothing else happens to the pool: milliseconds. */
const reviewMs = 20_000;
const apiKeyBytes = 24;

/** Makes the Secrets that a pool needs, once, and reads those that its user made. */
export class PoolSecretsKeeper {
  readonly #api: KubeApi & KubeReader;
  readonly #known: KnownSecret;
  readonly #now: () => number;
  readonly #foreign = new Map<string, { readonly at: number; readonly secret: SecretObject | undefined }>();

  constructor(options: { readonly api: KubeApi & KubeReader; readonly known: KnownSecret; readonly now: () => number }) {
    this.#api = options.api;
    this.#known = options.known;
    this.#now = options.now;
  }

  /** @throws ApiError */
  async of(pool: GatewayPool, signal: AbortSignal): Promise<PoolSecrets> {
    const { namespace } = pool.metadata;
    const faults: ObservedFault[] = [];
    const signing = await this.#ensure(pool, childNames.signing(pool), () => signingSecret(pool, newSigningKeys()), signal);
    const privateKey = valueOf(signing, 'private-key') ?? '';
    const publicKey = valueOf(signing, 'public-key') ?? '';
    const canSign = isKeyPair(privateKey, publicKey);
    if (!canSign) faults.push(spoilt(childNames.signing(pool)));
    const { apiKeysSecret } = pool.spec.auth;
    const keys =
      apiKeysSecret === undefined
        ? await this.#ensure(
            pool,
            childNames.apiKey(pool),
            () => apiKeySecret(pool, randomBytes(apiKeyBytes).toString('base64url')),
            signal,
          )
        : await this.#read(namespace, apiKeysSecret.name, signal);
    const apiKeys = Object.keys(keys?.data ?? {}).flatMap((key) => valueOf(keys, key)?.trim() ?? []);
    if (apiKeysSecret !== undefined && apiKeys.length === 0) faults.push(missing(apiKeysSecret.name, keys, 'spec.auth.apiKeysSecret'));
    const credentials = await this.#credentials(pool, faults, signal);
    const jwtSecret = await this.#jwtSecret(pool, faults, signal);
    const login = redisLogin(pool, credentials);
    const wanted = {
      redisUrl: redisUrl(pool, credentials),
      ...(login === undefined ? {} : { redisLogin: login }),
      apiKeys,
      ...(jwtSecret === undefined ? {} : { jwtSecret }),
    };
    // What runs goes on with what it has: a Secret that was deleted by mistake must not replace every gateway.
    const kept = this.#known(namespace, childNames.settings(pool)) as SecretObject | undefined;
    const settings = faults.length > 0 && kept !== undefined ? settingsIn(kept) : wanted;
    const isForeignNamed = [apiKeysSecret, pool.spec.auth.jwtSecret, pool.spec.bus.redis?.credentialsSecret].some(
      (named) => named !== undefined,
    );
    return {
      privateKey,
      publicKey,
      canSign,
      reviewAfterMs: isForeignNamed ? reviewMs : undefined,
      settings: settingsSecret(pool, settings),
      digest: settingsDigest(settings, privateKey),
      faults,
    };
  }

  async #credentials(
    pool: GatewayPool,
    faults: ObservedFault[],
    signal: AbortSignal,
  ): Promise<{ username?: string; password?: string } | undefined> {
    const named = pool.spec.bus.redis?.credentialsSecret;
    if (named === undefined) return undefined;
    const secret = await this.#read(pool.metadata.namespace, named.name, signal);
    const username = valueOf(secret, 'username');
    const password = valueOf(secret, 'password');
    if (password === undefined) faults.push(missing(named.name, secret, 'spec.bus.redis.credentialsSecret', 'password'));
    return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  }

  async #jwtSecret(pool: GatewayPool, faults: ObservedFault[], signal: AbortSignal): Promise<string | undefined> {
    const named = pool.spec.auth.jwtSecret;
    if (named === undefined) return undefined;
    const secret = await this.#read(pool.metadata.namespace, named.name, signal);
    // A line end that an editor left is no part of the secret.
    const value = valueOf(secret, named.key)?.trim();
    if (value === undefined) faults.push(missing(named.name, secret, 'spec.auth.jwtSecret', named.key));
    else if (!isJwtSecret(value)) {
      const message = `Secret ${named.name}, which spec.auth.jwtSecret names, must hold text of 32 to 4096 characters under the key ${named.key}.`;
      faults.push({ kind: 'MissingSecret', subject: `Secret ${named.name}`, message });
      return undefined;
    }
    return value;
  }

  /** One of our own: made if it is not there, never applied over one that is. */
  async #ensure(
    pool: GatewayPool,
    name: string,
    make: () => DesiredObject<'Secret'>,
    signal: AbortSignal,
  ): Promise<SecretObject | undefined> {
    const { namespace } = pool.metadata;
    const known = this.#known(namespace, name) as SecretObject | undefined;
    if (known !== undefined) return known;
    const made = make() as unknown as SecretObject;
    const created = await this.#api.create(resources.secret, made, signal);
    // The store was late: what is there counts.
    return created.kind === 'created' ? made : await this.#api.get<SecretObject>(resources.secret, { namespace, name }, signal);
  }

  async #read(namespace: string, name: string, signal: AbortSignal): Promise<SecretObject | undefined> {
    const key = `${namespace}/${name}`;
    const now = this.#now();
    const known = this.#foreign.get(key);
    if (known !== undefined && now - known.at < freshMs) return known.secret;
    const secret = await this.#api.get<SecretObject>(resources.secret, { namespace, name }, signal);
    for (const [other, { at }] of this.#foreign) if (now - at >= freshMs) this.#foreign.delete(other);
    this.#foreign.set(key, { at: now, secret });
    return secret;
  }
}

function missing(name: string, secret: SecretObject | undefined, field: string, key?: string): ObservedFault {
  const what = secret === undefined ? 'does not exist' : key === undefined ? 'holds no key' : `has no key ${key}`;
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message: `Secret ${name}, which ${field} names, ${what}.` };
}

/** Whether gateways start with it as `BARRAGE_JWT_SECRET`. Bytes that are no text can't be had through an environment variable unchanged. */
function isJwtSecret(value: string): boolean {
  return value.length >= 32 && value.length <= 4096 && !/[\0\uFFFD]/.test(value);
}

/** The settings that a Secret of `settingsSecret` was made from. */
function settingsIn(secret: SecretObject): SecretSettings {
  const jwtSecret = valueOf(secret, 'jwt-secret');
  const username = valueOf(secret, 'redis-username');
  const password = valueOf(secret, 'redis-password');
  const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  return {
    redisUrl: valueOf(secret, 'redis-url'),
    ...(password === undefined ? {} : { redisLogin: login }),
    apiKeys: (valueOf(secret, 'api-keys') ?? '').split(',').filter((key) => key !== ''),
    ...(jwtSecret === undefined ? {} : { jwtSecret }),
  };
}

function spoilt(name: string): ObservedFault {
  const message = `Secret ${name}, which the operator made, holds no pair of Ed25519 keys any more. Delete it: it is made anew, and the gateways are replaced.`;
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message };
}

function isKeyPair(privateKey: string, publicKey: string): boolean {
  try {
    const derived = createPublicKey(privateKey);
    return derived.asymmetricKeyType === 'ed25519' && derived.equals(createPublicKey(publicKey));
  } catch {
    return false; // it can't be read
  }
}

function valueOf(secret: SecretObject | undefined, key: string): string | undefined {
  const value = secret?.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
}

function newSigningKeys(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}
