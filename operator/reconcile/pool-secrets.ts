import { generateKeyPairSync } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { newApiKey } from '../../core/process/new-api-key.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { ObservedFault } from '../decide/fault.ts';
import { isOrphan } from '../decide/orphans.ts';
import { isApiKey, isCertificate, isJwtSecret, isKeyPair, readablePublicKey, tlsSecretFault } from '../decide/secret-values.ts';
import { keptKeysMax, keysToKeep, type SigningKeys } from '../decide/signing-keys.ts';
import { busesIn, busId, busSettings, loginIn, type BusSettings, type RedisLogin } from '../desired/bus-settings.ts';
import { childMetadata, childNames } from '../desired/labels.ts';
import {
  apiKeySecret,
  keptKeysSecret,
  settingsDigests,
  settingsSecret,
  signingSecret,
  type SecretSettings,
  type SettingsDigests,
} from '../desired/secrets.ts';
import type { DesiredObject } from '../desired/objects.ts';
import { resources } from '../kube/resources.ts';
import type { KubeApi, KubeObject, KubeReader } from '../runtime/kube-api.ts';
import { isOlder } from '../runtime/resource-version.ts';
import type { Attempts } from './attempts.ts';
import { controllerOf, foreignWords } from './children.ts';
import { ownFieldsOf } from './own-fields.ts';

interface SecretObject extends KubeObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** The values of a pool's Secrets. They are never logged, and never in an object other than a Secret. */
export interface PoolSecrets {
  readonly privateKey: string;
  /** PEM; empty without readable signing keys. */
  readonly publicKey: string;
  /** Earlier signing keys that a living pod trusts, the newest first. */
  readonly earlierKeys: readonly SigningKeys[];
  /** The Secret with all signing keys that living pods trust. */
  readonly keptKeys: DesiredObject<'Secret'>;
  readonly settings: DesiredObject<'Secret'>;
  /** The bus that the spec names; `undefined` on a memory bus. */
  readonly bus: BusSettings | undefined;
  /** Every bus in the settings Secret, the spec's too. */
  readonly buses: readonly BusSettings[];
  /** The digests of pods with this bus. */
  readonly digestsOf: (bus: BusSettings | undefined) => SettingsDigests;
  /**
   * Whether the signing keys are usable. Without them no pod can be told anything, and a new pod would trust nobody.
   */
  readonly canSign: boolean;
}

/** What the living pods of a pool need of its Secrets. */
export interface SecretNeeds {
  /** The signing keys that they trust, by `trustOf`. */
  readonly trusted: ReadonlySet<string>;
  /** Ids of the buses that they, or the pool document, know. */
  readonly buses: ReadonlySet<string>;
  /** Whether some pod is of a release that knows one bus only. */
  readonly hasPodsOfOneBus: boolean;
}

/** Finds a pool's own Secret in the store. */
export type KnownSecret = (namespace: string, name: string) => KubeObject | undefined;

/**
 * Whether the document of an earlier pool, which nobody owns yet, carries the signature of a key. Who may create
 * Secrets can write our labels on one, but can't sign a document. The present pool's own document proves nothing.
 */
export type ProvenKey = (pool: GatewayPool, publicKey: string) => boolean;

/** Finds the present `resourceVersion` of any Secret; `undefined`: there is none. */
export type SecretVersion = (namespace: string, name: string) => string | undefined;

/** For each pool its present pair and those that are kept, of some hundreds of pools. */
const pairsKnownMax = 4_096;

/** Creates the Secrets that a pool needs, once, and reads those of its user. */
export class PoolSecretsKeeper {
  readonly #api: KubeApi & KubeReader;
  readonly #known: KnownSecret;
  readonly #versionOf: SecretVersion;
  readonly #isProven: ProvenKey;
  /** The user's Secrets as they were read, by `namespace/name`. */
  readonly #foreign = new Map<string, SecretObject>();

  /** By both keys. The Secrets that hold them are in memory too. */
  readonly #pairs = new LRUCache<string, boolean>({ max: pairsKnownMax });

  constructor(options: {
    readonly api: KubeApi & KubeReader;
    readonly known: KnownSecret;
    readonly versionOf: SecretVersion;
    readonly isProven: ProvenKey;
  }) {
    this.#api = options.api;
    this.#known = options.known;
    this.#versionOf = options.versionOf;
    this.#isProven = options.isProven;
  }

  /**
   * A named Secret that is missing, or lacks a key, is a fault. So is a refusal of the API server.
   * @throws ApiError where the API server is away
   */
  async of(pool: GatewayPool, needs: SecretNeeds, attempts: Attempts, signal: AbortSignal): Promise<PoolSecrets> {
    const reading: Reading = { pool, attempts, signal };
    const signing = await this.#ensure(reading, childNames.signing(pool), () => signingSecret(pool, newSigningKeys()));
    const privateKey = valueOf(signing, 'private-key') ?? '';
    const publicKey = readablePublicKey(valueOf(signing, 'public-key')) ?? '';
    const canSign = this.#isKeyPair(privateKey, publicKey);
    if (!canSign && signing !== undefined) attempts.note(spoilt(childNames.signing(pool)));
    const present = { privateKey, publicKey };
    const keys = keysToKeep(present, this.#keptKeys(pool), needs.trusted);
    const settings = await this.#settings({ ...reading, publicKey }, needs);
    await this.#checkCertificate(reading);
    return {
      privateKey,
      publicKey,
      canSign,
      earlierKeys: keys.filter((each) => each !== present),
      keptKeys: keptKeysSecret(pool, keys),
      settings: settingsSecret(pool, settings),
      bus: settings.bus,
      buses: [...(settings.bus === undefined ? [] : [settings.bus]), ...(settings.otherBuses ?? [])],
      digestsOf: (bus) => settingsDigests(pool, { ...settings, bus }, privateKey),
    };
  }

  /** The pairs in the Secret of kept keys, as far as they can be read. */
  #keptKeys(pool: GatewayPool): readonly SigningKeys[] {
    const stored = this.#known(pool.metadata.namespace, childNames.keptKeys(pool)) as SecretObject | undefined;
    if (stored === undefined || (controllerOf(stored) !== pool.metadata.uid && !isLeft(stored, pool))) return [];
    return Array.from({ length: keptKeysMax }, (_, index) => ({
      privateKey: valueOf(stored, `${index}.private-key`) ?? '',
      publicKey: valueOf(stored, `${index}.public-key`) ?? '',
    })).filter(({ privateKey, publicKey }) => this.#isKeyPair(privateKey, publicKey));
  }

  /** Each reconcile asks for the same pairs, and deriving a public key is slow. */
  #isKeyPair(privateKey: string, publicKey: string): boolean {
    const pair = `${privateKey}\n${publicKey}`;
    const known = this.#pairs.get(pair);
    if (known !== undefined) return known;
    const isPair = isKeyPair(privateKey, publicKey);
    this.#pairs.set(pair, isPair);
    return isPair;
  }

  async #settings(reading: Reading, needs: SecretNeeds): Promise<SecretSettings> {
    const { pool, attempts } = reading;
    const stored = this.#known(pool.metadata.namespace, childNames.settings(pool)) as SecretObject | undefined;
    const kept = stored === undefined ? undefined : settingsIn(stored);
    const keptBuses = busesIn(textOf(stored));
    // Another bus may have the same login.
    const keptBus = keptBuses.find(({ id }) => id === busId(pool, keptBuses)) ?? keptBuses[0];
    // Running pods keep their settings: a Secret that was deleted by mistake must not replace every gateway. The other
    // Secrets are still followed.
    const orKept = async <T>(read: Promise<T>, keptValue: T | undefined): Promise<T | undefined> => {
      const before = attempts.troubles;
      const value = await read;
      return attempts.troubles > before ? keptValue : value;
    };
    const apiKeys = (await orKept(this.#apiKeys(reading), kept?.apiKeys)) ?? [];
    const credentials = await orKept(this.#credentials(reading), keptBus === undefined ? undefined : loginIn(keptBus));
    const jwtSecret = await orKept(this.#jwtSecret(reading), kept?.jwtSecret);
    const redisCa = await orKept(this.#redisCa(reading), keptBus?.ca);
    const bus = busSettings(pool, { credentials, ca: redisCa }, keptBuses);
    return {
      bus,
      otherBuses: keptBuses.filter(({ id }) => id !== bus?.id && needs.buses.has(id)),
      hasPodsOfOneBus: needs.hasPodsOfOneBus,
      apiKeys,
      ...(jwtSecret === undefined ? {} : { jwtSecret }),
    };
  }

  async #apiKeys(reading: Reading): Promise<readonly string[]> {
    const { pool, attempts } = reading;
    const { apiKeysSecret } = pool.spec.auth;
    const secret =
      apiKeysSecret === undefined
        ? await this.#ensure(reading, childNames.apiKey(pool), () => apiKeySecret(pool, newApiKey()))
        : await this.#read(reading, apiKeysSecret.name, 'spec.auth.apiKeysSecret');
    if (secret === undefined) return [];
    const name = secret.metadata.name ?? '';
    const keys = Object.keys(secret.data ?? {}).map((key) => ({ key, value: valueOf(secret, key)?.trim() ?? '' }));
    const [wrong] = keys.filter(({ value }) => !isApiKey(value));
    if (keys.length === 0) attempts.note(unfit(name, ' holds no API key. Give it at least one, of 16 to 256 characters, under any name'));
    else if (wrong !== undefined)
      attempts.note(
        unfit(
          name,
          ` holds under ${wrong.key} no API key: that is 16 to 256 characters, printable ASCII without spaces and commas. Correct it`,
        ),
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

  /** Pods mount the Secret themselves. Without it a new pod could not start, so its fault is told before. */
  async #checkCertificate(reading: Reading): Promise<void> {
    const name = reading.pool.spec.tls?.secretName;
    if (name === undefined) return;
    const field = 'spec.tls.secretName';
    const secret = await this.#read(reading, name, field);
    const fault = secret === undefined ? undefined : tlsSecretFault(secret.type, (key) => valueOf(secret, key));
    if (fault !== undefined) reading.attempts.note(unfit(name, `, which ${field} names, ${fault}`));
  }

  async #jwtSecret(reading: Reading): Promise<string | undefined> {
    const named = reading.pool.spec.auth.jwtSecret;
    if (named === undefined) return undefined;
    const field = 'spec.auth.jwtSecret';
    const secret = await this.#read(reading, named.name, field);
    // An editor's trailing line end is no part of the secret.
    const value = valueOf(secret, named.key)?.trim();
    if (secret !== undefined && value === undefined) reading.attempts.note(lacking(named.name, field, named.key));
    else if (value !== undefined && !isJwtSecret(value))
      reading.attempts.note(
        unfit(named.name, `, which ${field} names, must hold text of 32 to 4096 characters under the key ${named.key}`),
      );
    return value;
  }

  /**
   * One of the operator's own Secrets: created where it is missing and the pool is not paused, never applied over an
   * existing one. Its absence is a fault.
   */
  async #ensure(reading: Reading, name: string, make: () => DesiredObject<'Secret'>): Promise<SecretObject | undefined> {
    const { pool, attempts, signal } = reading;
    const { namespace, uid } = pool.metadata;
    const get = async (): Promise<SecretObject | undefined> => this.#api.get<SecretObject>(resources.secret, { namespace, name }, signal);
    const found = async (): Promise<SecretObject | undefined> => {
      const known = this.#known(namespace, name) as SecretObject | undefined;
      if (known !== undefined) return known;
      if (pool.spec.paused) return get();
      const made = make() as unknown as SecretObject;
      const created = await this.#api.create(resources.secret, made, signal);
      // The store was late, or the Secret has lost our labels: the existing one counts.
      return created.kind === 'created' ? made : get();
    };
    const secret = await attempts.run(`Secret ${name}`, async () => this.#claimed(reading, await found()));
    if (secret === 'failed') return undefined;
    if (secret === undefined) attempts.note(absent(name));
    else if (controllerOf(secret) !== uid) {
      const message = foreignWords(resources.secret, secret.metadata);
      attempts.note({ kind: 'NameTaken', subject: `Secret ${name}`, message });
      return undefined;
    }
    return secret;
  }

  /** The Secret with our labels and owner, where somebody removed them or an earlier pool of this name left it. */
  async #claimed({ pool, signal, publicKey }: Reading, found: SecretObject | undefined): Promise<SecretObject | undefined> {
    if (found === undefined || pool.spec.paused) return found;
    const { uid, name = '' } = found.metadata;
    const { labels, ownerReferences } = childMetadata(pool, name);
    const isWhole = Object.entries(labels).every(([key, value]) => found.metadata.labels?.[key] === value);
    if (controllerOf(found) === pool.metadata.uid) {
      if (isWhole) return found;
    } else if (!isLeft(found, pool) || !this.#isProven(pool, publicKey ?? valueOf(found, 'public-key') ?? '')) return found;
    const metadata = { namespace: pool.metadata.namespace, name, uid, labels, ownerReferences };
    return this.#api.apply<SecretObject>(resources.secret, { metadata } as SecretObject, signal);
  }

  /** One of the user's Secrets. Its absence is a fault. */
  async #read({ pool, attempts, signal }: Reading, name: string, field: string): Promise<SecretObject | undefined> {
    const { namespace } = pool.metadata;
    const secret = await attempts.run(`Secret ${name}`, () => this.#readNewest(namespace, name, signal));
    if (secret === 'failed') return undefined;
    if (secret === undefined) attempts.note(unfit(name, `, which ${field} names, does not exist. Create it, or name another in the pool`));
    return secret;
  }

  /** Reads a Secret once for each of its versions. Its metadata is watched, its contents are not. */
  async #readNewest(namespace: string, name: string, signal: AbortSignal): Promise<SecretObject | undefined> {
    const version = this.#versionOf(namespace, name);
    if (version === undefined) return undefined;
    const key = `${namespace}/${name}`;
    const known = this.#foreign.get(key);
    if (known !== undefined && !isOlder(known.metadata.resourceVersion, version)) return known;
    this.#forgetGone();
    const secret = await this.#api.get<SecretObject>(resources.secret, { namespace, name }, signal);
    if (secret !== undefined) this.#foreign.set(key, secret);
    return secret;
  }

  #forgetGone(): void {
    for (const key of this.#foreign.keys()) {
      const [ofNamespace = '', ofName = ''] = key.split('/');
      if (this.#versionOf(ofNamespace, ofName) === undefined) this.#foreign.delete(key);
    }
  }
}

/** One pass over a pool's Secrets, and the place for its faults. */
interface Reading {
  readonly pool: GatewayPool;
  readonly attempts: Attempts;
  readonly signal: AbortSignal;
  /** Of the signing keys; `undefined` until they have been read. */
  readonly publicKey?: string;
}

function isLeft(found: KubeObject, { metadata: { name } }: GatewayPool): boolean {
  return isOrphan(found, name, ownFieldsOf(found) !== undefined);
}

/** @param what the rest of the sentence after the Secret's name, its comma included */
function unfit(name: string, what: string): ObservedFault {
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message: `Secret ${name}${what}.` };
}

function lacking(name: string, field: string, key: string): ObservedFault {
  return unfit(name, `, which ${field} names, has no key ${key}. Add it, or name another Secret in the pool`);
}

/** The settings without buses inside a Secret that `settingsSecret` made. */
function settingsIn(secret: SecretObject): Pick<SecretSettings, 'apiKeys' | 'jwtSecret'> {
  const jwtSecret = valueOf(secret, 'jwt-secret');
  return {
    apiKeys: (valueOf(secret, 'api-keys') ?? '').split(',').filter((key) => key !== ''),
    ...(jwtSecret === undefined ? {} : { jwtSecret }),
  };
}

/** The values of a Secret. */
function textOf(secret: SecretObject | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(secret?.data ?? {}).map((key) => [key, valueOf(secret, key) ?? '']));
}

function absent(name: string): ObservedFault {
  const message = `Secret ${name}, which the operator creates, is missing. The operator creates it when spec.paused is false.`;
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message };
}

function spoilt(name: string): ObservedFault {
  const message = `Secret ${name}, which the operator made, holds no pair of Ed25519 keys any more. Delete it: the operator creates a new one and replaces the gateways.`;
  return { kind: 'MissingSecret', subject: `Secret ${name}`, message };
}

function valueOf(secret: SecretObject | undefined, key: string): string | undefined {
  const value = secret?.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
}

/** An editor's trailing line end is no part of a value. */
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

/** `namespace/name` of each Secret that a pool names. The spec must be readable. */
export function namedSecrets({ metadata: { namespace }, spec: { auth, bus, tls } }: GatewayPool): readonly string[] {
  const { redis } = bus;
  const named = [auth.apiKeysSecret, auth.jwtSecret, redis?.credentialsSecret, redis?.tls?.caSecret].map((secret) => secret?.name);
  return [...named, tls?.secretName].flatMap((name) => (name === undefined ? [] : [`${namespace}/${name}`]));
}
