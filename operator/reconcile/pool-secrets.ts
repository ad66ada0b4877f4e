import { createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { ObservedFault } from '../decide/fault.ts';
import { childNames } from '../desired/labels.ts';
import {
  apiKeySecret,
  redisCaKey,
  redisLogin,
  redisUrl,
  settingsDigests,
  settingsSecret,
  signingSecret,
  type RedisLogin,
  type SecretSettings,
  type SettingsDigests,
} from '../desired/secrets.ts';
import type { DesiredObject } from '../desired/objects.ts';
import { resources } from '../kube/resources.ts';
import type { KubeApi, KubeObject, KubeReader } from '../runtime/kube-api.ts';
import type { Attempts } from './attempts.ts';
import { controllerOf } from './children.ts';

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** What the Secrets of a pool come to. Never logged, never in an object that is no Secret. */
export interface PoolSecrets {
  readonly privateKey: string;
  /** Empty where there is none that can be read. */
  readonly publicKey: string;
  readonly settings: DesiredObject<'Secret'>;
  readonly digests: SettingsDigests;
  /**
   * The signing keys are what they should be: otherwise nothing can be told to a pod, and pods made now would trust
   * nobody.
   */
  readonly canSign: boolean;
  /** The pool names Secrets of its user's, which are looked at again after this time, in milliseconds. */
  readonly reviewAfterMs: number | undefined;
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

  /**
   * Secrets that the pool names and that are not there, or lack what they should hold, are faults, as is what the API
   * server refuses.
   * @throws ApiError where it is away
   */
  async of(pool: GatewayPool, attempts: Attempts, signal: AbortSignal): Promise<PoolSecrets> {
    const reading: Reading = { pool, attempts, signal };
    const signing = await this.#ensure(reading, childNames.signing(pool), () => signingSecret(pool, newSigningKeys()));
    const privateKey = valueOf(signing, 'private-key') ?? '';
    const publicKey = readablePublicKey(valueOf(signing, 'public-key')) ?? '';
    const canSign = isKeyPair(privateKey, publicKey);
    if (!canSign && signing !== undefined) attempts.note(spoilt(childNames.signing(pool)));
    const settings = await this.#settings(reading);
    const { redis } = pool.spec.bus;
    const named = [pool.spec.auth.apiKeysSecret, pool.spec.auth.jwtSecret, redis?.credentialsSecret, redis?.tls?.caSecret];
    return {
      privateKey,
      publicKey,
      canSign,
      reviewAfterMs: named.some((secret) => secret !== undefined) ? reviewMs : undefined,
      settings: settingsSecret(pool, settings),
      digests: settingsDigests(pool, settings, privateKey),
    };
  }

  async #settings(reading: Reading): Promise<SecretSettings> {
    const { pool, attempts } = reading;
    const stored = this.#known(pool.metadata.namespace, childNames.settings(pool)) as SecretObject | undefined;
    const kept = stored === undefined ? undefined : settingsIn(stored);
    // What runs goes on with what it has: a Secret that was deleted by mistake must not replace every gateway. What
    // others hold is followed meanwhile.
    const orKept = async <T>(read: Promise<T>, keptValue: T | undefined): Promise<T | undefined> => {
      const before = attempts.troubles;
      const value = await read;
      return attempts.troubles > before ? keptValue : value;
    };
    const apiKeys = (await orKept(this.#apiKeys(reading), kept?.apiKeys)) ?? [];
    const credentials = await orKept(this.#credentials(reading), kept === undefined ? undefined : loginIn(kept));
    const jwtSecret = await orKept(this.#jwtSecret(reading), kept?.jwtSecret);
    const redisCa = await orKept(this.#redisCa(reading), kept?.redisCa);
    const login = redisLogin(pool, credentials);
    return {
      redisUrl: redisUrl(pool, credentials),
      ...(login === undefined ? {} : { redisLogin: login }),
      ...(redisCa === undefined ? {} : { redisCa }),
      apiKeys,
      ...(jwtSecret === undefined ? {} : { jwtSecret }),
    };
  }

  async #apiKeys(reading: Reading): Promise<readonly string[]> {
    const { pool, attempts } = reading;
    const { apiKeysSecret } = pool.spec.auth;
    const newKey = (): string => randomBytes(apiKeyBytes).toString('base64url');
    const secret =
      apiKeysSecret === undefined
        ? await this.#ensure(reading, childNames.apiKey(pool), () => apiKeySecret(pool, newKey()))
        : await this.#read(reading, apiKeysSecret.name, 'spec.auth.apiKeysSecret');
    if (secret === undefined) return [];
    const name = secret.metadata.name ?? '';
    const keys = Object.keys(secret.data ?? {}).map((key) => ({ key, value: valueOf(secret, key)?.trim() ?? '' }));
    const [wrong] = keys.filter(({ value }) => !isApiKey(value));
    if (keys.length === 0) attempts.note(unfit(name, ' holds no API key. Give it at least one, of 16 to 256 characters, under any name'));
    else if (wrong !== undefined)
      attempts.note(
        unfit(name, ` holds under ${wrong.key} no API key: that is 16 to 256 characters without white space and commas. Correct it`),
      );
    return keys.map(({ value }) => value);
  }

  async #credentials(reading: Reading): Promise<RedisLogin | undefined> {
    const named = reading.pool.spec.bus.redis?.credentialsSecret;
    if (named === undefined) return undefined;
    const field = 'spec.bus.redis.credentialsSecret';
    const secret = await this.#read(reading, named.name, field);
    const username = withoutLineEnd(valueOf(secret, 'username'));
    const password = withoutLineEnd(valueOf(secret, 'password'));
    if (secret !== undefined && password === undefined) reading.attempts.note(lacking(named.name, field, 'password'));
    return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  }

  async #redisCa(reading: Reading): Promise<string | undefined> {
    const named = reading.pool.spec.bus.redis?.tls?.caSecret;
    if (named === undefined) return undefined;
    const field = 'spec.bus.redis.tls.caSecret';
    const secret = await this.#read(reading, named.name, field);
    const ca = valueOf(secret, 'ca.crt');
    if (secret !== undefined && ca === undefined) reading.attempts.note(lacking(named.name, field, 'ca.crt'));
    else if (ca !== undefined && !isCertificate(ca))
      reading.attempts.note(unfit(named.name, `, which ${field} names, holds no certificate in PEM under the key ca.crt. Correct it`));
    return ca;
  }

  async #jwtSecret(reading: Reading): Promise<string | undefined> {
    const named = reading.pool.spec.auth.jwtSecret;
    if (named === undefined) return undefined;
    const field = 'spec.auth.jwtSecret';
    const secret = await this.#read(reading, named.name, field);
    // A line end that an editor left is no part of the secret.
    const value = valueOf(secret, named.key)?.trim();
    if (secret !== undefined && value === undefined) reading.attempts.note(lacking(named.name, field, named.key));
    else if (value !== undefined && !isJwtSecret(value))
      reading.attempts.note(
        unfit(named.name, `, which ${field} names, must hold text of 32 to 4096 characters under the key ${named.key}`),
      );
    return value;
  }

  /**
   * One of our own: made if it is not there and the pool is not paused, never applied over one that is. A fault where
   * there is none then.
   */
  async #ensure({ pool, attempts, signal }: Reading, name: string, make: () => DesiredObject<'Secret'>): Promise<SecretObject | undefined> {
    const { namespace, uid } = pool.metadata;
    const get = async (): Promise<SecretObject | undefined> => this.#api.get<SecretObject>(resources.secret, { namespace, name }, signal);
    const found = async (): Promise<SecretObject | undefined> => {
      const known = this.#known(namespace, name) as SecretObject | undefined;
      if (known !== undefined) return known;
      if (pool.spec.paused) return get();
      const made = make() as unknown as SecretObject;
      const created = await this.#api.create(resources.secret, made, signal);
      // The store was late: what is there counts.
      return created.kind === 'created' ? made : get();
    };
    const secret = await attempts.run(`Secret ${name}`, found);
    if (secret === 'failed') return undefined;
    if (secret === undefined) attempts.note(absent(name));
    else if (controllerOf(secret) !== uid) {
      const message = `there is a Secret ${name} already, which does not belong to this pool.`;
      attempts.note({ kind: 'NameTaken', subject: `Secret ${name}`, message });
      return undefined;
    }
    return secret;
  }

  /** One of the user's. A fault where there is none. */
  async #read({ pool, attempts, signal }: Reading, name: string, field: string): Promise<SecretObject | undefined> {
    const { namespace } = pool.metadata;
    const secret = await attempts.run(`Secret ${name}`, () => this.#readFresh(namespace, name, signal));
    if (secret === 'failed') return undefined;
    if (secret === undefined) attempts.note(unfit(name, `, which ${field} names, does not exist. Create it, or name another in the pool`));
    return secret;
  }

  async #readFresh(namespace: string, name: string, signal: AbortSignal): Promise<SecretObject | undefined> {
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

/** What is looked at together, and where what is wrong about it is noted. */
interface Reading {
  readonly pool: GatewayPool;
  readonly attempts: Attempts;
  readonly signal: AbortSignal;
}

/** @param what follows the Secret's name in the sentence, its comma included */
function unfit(name: string, what: string): ObservedFault {
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message: `Secret ${name}${what}.` };
}

function lacking(name: string, field: string, key: string): ObservedFault {
  return unfit(name, `, which ${field} names, has no key ${key}. Add it, or name another Secret in the pool`);
}

/** What `BARRAGE_API_KEYS` takes as one of its keys. */
function isApiKey(value: string): boolean {
  return value.length >= 16 && value.length <= 256 && !/[\s,]/.test(value);
}

/** The login that settings were made with. */
function loginIn({ redisLogin: login, redisUrl: url = '' }: SecretSettings): RedisLogin | undefined {
  const first = url.split(',', 1)[0] ?? '';
  if (login !== undefined || !URL.canParse(first)) return login;
  const { username, password } = new URL(first);
  const text = decodeURIComponent;
  return { ...(username === '' ? {} : { username: text(username) }), ...(password === '' ? {} : { password: text(password) }) };
}

/**
 * Whether the first certificate can be read: a pod would take anything for an authority that nobody's certificate is
 * signed by.
 */
function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== '';
  } catch {
    return false;
  }
}

/**
 * Whether gateways start with it as `BARRAGE_JWT_SECRET`. Bytes that are no text can't be had through an environment
 * variable unchanged.
 */
function isJwtSecret(value: string): boolean {
  return value.length >= 32 && value.length <= 4096 && !/[\0\uFFFD]/.test(value);
}

/** The settings that a Secret of `settingsSecret` was made from. */
function settingsIn(secret: SecretObject): SecretSettings {
  const jwtSecret = valueOf(secret, 'jwt-secret');
  const username = valueOf(secret, 'redis-username');
  const password = valueOf(secret, 'redis-password');
  const redisCa = valueOf(secret, redisCaKey);
  const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  return {
    redisUrl: valueOf(secret, 'redis-url'),
    ...(password === undefined ? {} : { redisLogin: login }),
    ...(redisCa === undefined ? {} : { redisCa }),
    apiKeys: (valueOf(secret, 'api-keys') ?? '').split(',').filter((key) => key !== ''),
    ...(jwtSecret === undefined ? {} : { jwtSecret }),
  };
}

function absent(name: string): ObservedFault {
  const message = `Secret ${name}, which the operator makes, is not there; it is made when spec.paused is false.`;
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message };
}

function spoilt(name: string): ObservedFault {
  const message = `Secret ${name}, which the operator made, holds no pair of Ed25519 keys any more. Delete it: it is made anew, and the gateways are replaced.`;
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message };
}

function readablePublicKey(pem: string | undefined): string | undefined {
  try {
    return pem === undefined || createPublicKey(pem).asymmetricKeyType !== 'ed25519' ? undefined : pem;
  } catch {
    return undefined;
  }
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

/** A line end that an editor left is no part of a value. */
function withoutLineEnd(value: string | undefined): string | undefined {
  return value?.replace(/[\r\n]+$/, '');
}

function newSigningKeys(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}
