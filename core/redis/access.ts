import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { RedisOptions } from 'ioredis';

export type RedisMode = 'Standalone' | 'Sentinel' | 'Cluster';

/** The way to Redis, as given by the settings. */
export interface RedisAccess {
  /**
   * One URL, or several with commas between them: the Sentinels, or some nodes of a Cluster. `redis://` or `rediss://`.
   */
  readonly url: string;
  /** Default: Standalone. */
  readonly mode?: RedisMode;
  /** The Sentinels' name for the master. */
  readonly sentinelName?: string;
  /**
   * Credentials that take precedence over those in the URL. In mode Sentinel the URL's credentials are for the
   * Sentinels.
   */
  readonly username?: string;
  readonly password?: string;
  /** Trusted authorities for `rediss://`, in PEM; default: the platform's. */
  readonly ca?: string;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Options of every connection to a server of this bus. */
export type LoginOptions = Pick<RedisOptions, 'username' | 'password' | 'db' | 'tls'>;
/** Options of one connection: a server's address, or the Sentinels' addresses with the master's name. */
export type EndpointOptions = LoginOptions &
  Pick<
    RedisOptions,
    'host' | 'port' | 'sentinels' | 'name' | 'sentinelUsername' | 'sentinelPassword' | 'sentinelTLS' | 'enableTLSForSentinelMode'
  >;

/** The parsed parts of `RedisAccess`. */
export interface RedisPlaces {
  readonly mode: RedisMode;
  readonly nodes: readonly RedisNode[];
  readonly login: LoginOptions;
  /** The one endpoint of the modes Standalone and Sentinel. */
  readonly endpoint: EndpointOptions;
}

interface RedisSettings {
  readonly redisUrl: string;
  readonly redisMode: RedisMode;
  readonly redisSentinelName: string;
  readonly redisUsername: string;
  readonly redisPassword: string;
  readonly redisCaFile: string;
}

/**
 * Reads the way to Redis from the settings, and the CA file.
 * @throws when the settings contradict each other or the file can't be read; the message holds no secrets
 */
export function redisAccess(settings: RedisSettings): RedisAccess {
  const { redisUrl: url, redisMode: mode, redisSentinelName, redisUsername, redisPassword, redisCaFile } = settings;
  let ca: string | undefined;
  if (redisCaFile !== '') {
    try {
      ca = readFileSync(redisCaFile, 'utf8');
    } catch (error) {
      throw new Error(`BARRAGE_REDIS_CA_FILE can't be read: ${(error as Error).message}`, { cause: error });
    }
    if (!isCertificate(ca)) throw new Error('BARRAGE_REDIS_CA_FILE holds no certificate in PEM: no server could be trusted by it');
  }
  const access = {
    url,
    mode,
    ...(redisSentinelName === '' ? {} : { sentinelName: redisSentinelName }),
    ...(redisUsername === '' ? {} : { username: redisUsername }),
    ...(redisPassword === '' ? {} : { password: redisPassword }),
    ...(ca === undefined ? {} : { ca }),
  };
  placesOf(access);
  return access;
}

interface PreviousRedisSettings {
  readonly previousRedisUrl: string;
  readonly previousRedisMode: RedisMode;
  readonly previousRedisSentinelName: string;
  readonly previousRedisUsername: string;
  readonly previousRedisPassword: string;
  readonly previousRedisCaFile: string;
}

/**
 * Reads the way to the pool's previous bus from the settings, and its CA file.
 * @throws as `redisAccess` does, with the names of its own settings
 */
export function previousRedisAccess(settings: PreviousRedisSettings): RedisAccess {
  try {
    return redisAccess({
      redisUrl: settings.previousRedisUrl,
      redisMode: settings.previousRedisMode,
      redisSentinelName: settings.previousRedisSentinelName,
      redisUsername: settings.previousRedisUsername,
      redisPassword: settings.previousRedisPassword,
      redisCaFile: settings.previousRedisCaFile,
    });
  } catch (error) {
    const message = (error as Error).message.replaceAll('BARRAGE_REDIS_', 'BARRAGE_PREVIOUS_REDIS_');
    throw new Error(message, { cause: error });
  }
}

/** Whether a text holds a certificate. TLS accepts any text, and then trusts no server. */
function isCertificate(pem: string): boolean {
  try {
    void new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

/** @throws when the parts contradict each other; the message holds no secrets */
export function placesOf(access: RedisAccess): RedisPlaces {
  const { mode = 'Standalone', sentinelName, ca } = access;
  const urls = access.url.split(',').map((text) => new URL(text.trim()));
  const [first] = urls;
  if (first === undefined) throw new Error('BARRAGE_REDIS_URL is empty');
  const encrypted = first.protocol === 'rediss:';
  const fault = accessFault({ mode, urls, sentinelName, ca, username: access.username, password: access.password });
  if (fault !== undefined) throw new Error(fault);
  const portDefault = mode === 'Sentinel' ? 26_379 : 6379;
  const nodes = urls.map((url) => ({
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? portDefault : Number(url.port),
  }));
  const tls: ConnectionOptions | undefined = !encrypted ? undefined : ca === undefined ? {} : { ca };
  const inUrl = credentialsOf(urls);
  const database = Number(first.pathname.slice(1) || '0');
  const given = { username: access.username, password: access.password };
  const own = mode === 'Sentinel' || given.password !== undefined ? given : inUrl;
  const login: LoginOptions = {
    db: database,
    ...(own.username === undefined ? {} : { username: own.username }),
    ...(own.password === undefined ? {} : { password: own.password }),
    ...(tls === undefined ? {} : { tls }),
  };
  if (mode !== 'Sentinel') return { mode, nodes, login, endpoint: { ...login, ...nodes[0]! } };
  // A Sentinel without a password accepts any for its default user, so the servers' password serves both kinds of
  // Sentinels.
  const sentinelPassword = inUrl.password ?? given.password;
  const endpoint: EndpointOptions = {
    ...login,
    sentinels: [...nodes],
    name: sentinelName!,
    ...(inUrl.username === undefined ? {} : { sentinelUsername: inUrl.username }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
  };
  return { mode, nodes, login, endpoint };
}

function accessFault(parts: {
  readonly mode: RedisMode;
  readonly urls: readonly URL[];
  readonly sentinelName: string | undefined;
  readonly ca: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}): string | undefined {
  const { mode, urls, sentinelName, ca, username, password } = parts;
  const protocols = new Set(urls.map(({ protocol }) => protocol));
  if (protocols.size > 1) return 'BARRAGE_REDIS_URL mixes redis:// and rediss://';
  if (mode === 'Standalone' && urls.length > 1)
    return 'BARRAGE_REDIS_URL has several addresses: set BARRAGE_REDIS_MODE to Sentinel or Cluster, or leave one';
  if (mode === 'Sentinel' && sentinelName === undefined)
    return 'BARRAGE_REDIS_MODE is Sentinel: set BARRAGE_REDIS_SENTINEL_NAME to the name by which the Sentinels know the master';
  if (mode !== 'Sentinel' && sentinelName !== undefined)
    return 'BARRAGE_REDIS_SENTINEL_NAME is set, but BARRAGE_REDIS_MODE is not Sentinel';
  if (ca !== undefined && !protocols.has('rediss:'))
    return 'BARRAGE_REDIS_CA_FILE is set, but BARRAGE_REDIS_URL is not rediss://: nothing would be encrypted';
  if (username !== undefined && password === undefined) return 'BARRAGE_REDIS_USERNAME is set without BARRAGE_REDIS_PASSWORD';
  const databases = new Set(urls.map(({ pathname }) => pathname.slice(1) || '0'));
  if (databases.size > 1 || ![...databases].every((text) => /^\d{1,5}$/.test(text)))
    return 'BARRAGE_REDIS_URL names no database, or several';
  if (mode === 'Cluster' && !databases.has('0')) return 'a Redis Cluster has only database 0; BARRAGE_REDIS_URL names another';
  const logins = new Set(urls.map(({ username: user, password: secret }) => `${user}:${secret}`).filter((login) => login !== ':'));
  if (logins.size > 1) return 'the addresses of BARRAGE_REDIS_URL have different users or passwords';
  return undefined;
}

/** The credentials of the first URL that has any. */
function credentialsOf(urls: readonly URL[]): { readonly username: string | undefined; readonly password: string | undefined } {
  const url = urls.find(({ username, password }) => username !== '' || password !== '');
  return {
    username: url === undefined || url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url === undefined || url.password === '' ? undefined : decodeURIComponent(url.password),
  };
}
