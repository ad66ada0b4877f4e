import { createHash, createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, verify, type KeyObject } from 'node:crypto';

/** What signs tokens: a secret that gateways share (`BARRAGE_JWT_SECRET`), or a private key. */
export type TokenKey =
  | { /** 32 to 4,096 characters. */ readonly secret: string }
  | {
      /** PEM of a P-256 key (ES256) or of an RSA key of at least 2,048 bits (RS256), unencrypted. */
      readonly privateKey: string;
      /** Name of the key in the key set; default: its thumbprint (RFC 7638). */
      readonly keyId?: string;
    };

/** What a token says besides its user. */
export interface TokenOptions {
  /** Seconds for which it is good: 1 to 31,536,000; default 3,600. Clients come back with another one before. */
  readonly expiresInSeconds?: number;
  /** Claim `iss`, where gateways ask for one (`BARRAGE_JWT_ISSUER`). */
  readonly issuer?: string;
  /** Claim `aud`, where gateways ask for one (`BARRAGE_JWT_AUDIENCE`). */
  readonly audience?: string;
}

/** Public keys, as `BARRAGE_JWKS_URL` serves them (RFC 7517). */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

interface Signer {
  readonly header: Readonly<Record<string, string>>;
  readonly sign: (text: string) => Buffer;
  readonly isSignedBy: (text: string, signature: Buffer) => boolean;
}

const expiresInSecondsMax = 31_536_000;
const secretCharactersMin = 32;
const secretCharactersMax = 4_096;
/** A channel name has 253 bytes, and a user's begins with `user:`. */
const userBytesMax = 248;
const rsaBitsMin = 2_048;
/** Longest token that gateways take. */
const tokenCharactersMax = 16_384;

/** Signs tokens by which clients prove who they are: JWTs (RFC 7519) by HS256, ES256 or RS256. */
export class TokenSigner {
  readonly #signer: Signer;
  readonly #publicKey: KeyObject | undefined;
  readonly #defaults: TokenOptions;

  /**
   * @param defaults of all its tokens
   * @throws TypeError for a key that gateways would not take
   */
  constructor(key: TokenKey, defaults: TokenOptions = {}) {
    if ('secret' in key) {
      this.#signer = secretSigner(key.secret);
    } else {
      const privateKey = readPrivateKey(key.privateKey);
      this.#publicKey = createPublicKey(privateKey);
      this.#signer = keySigner(privateKey, this.#publicKey, key.keyId ?? thumbprint(this.#publicKey));
    }
    this.#defaults = defaults;
  }

  /**
   * A token for a user.
   * @param user the claim `uid`: 1 to 248 bytes, without spaces, `*` and `@`, or a whole number below 2^53
   * @throws TypeError or RangeError for a user or an option that gateways would refuse
   */
  sign(user: string | number, options: TokenOptions = {}): string {
    const fault = userFault(user);
    if (fault !== undefined) throw new TypeError(`user: ${fault}`);
    const { expiresInSeconds = 3_600, issuer, audience } = { ...this.#defaults, ...options };
    if (!Number.isInteger(expiresInSeconds) || expiresInSeconds < 1 || expiresInSeconds > expiresInSecondsMax)
      throw new RangeError(`expiresInSeconds: must be a whole number from 1 to ${expiresInSecondsMax}`);
    const iat = Math.floor(Date.now() / 1000);
    const { header, sign } = this.#signer;
    const signed = `${part({ ...header, typ: 'JWT' })}.${part({ uid: user, iat, exp: iat + expiresInSeconds, iss: issuer, aud: audience })}`;
    return `${signed}.${sign(signed).toString('base64url')}`;
  }

  /**
   * The user of a token that this signer made: its signature, time, and the defaults' issuer and audience are checked.
   * `undefined`: it is another's, has expired, or is no token. For an auth webhook, and for a backend's own requests.
   */
  userOf(token: string): string | undefined {
    const [header = '', claims = '', signature = '', ...more] = token.split('.');
    if (token.length > tokenCharactersMax || more.length > 0) return undefined;
    const { alg } = jsonOf(header);
    // The token's own word for its algorithm chooses nothing.
    if (alg !== this.#signer.header['alg']) return undefined;
    if (!this.#signer.isSignedBy(`${header}.${claims}`, Buffer.from(signature, 'base64url'))) return undefined;
    const { uid, exp, iss, aud } = jsonOf(claims);
    const { issuer, audience } = this.#defaults;
    const isInForce = typeof exp === 'number' && exp * 1000 > Date.now();
    const isMeant = (issuer === undefined || iss === issuer) && (audience === undefined || aud === audience);
    return isInForce && isMeant && (typeof uid === 'string' || typeof uid === 'number') ? String(uid) : undefined;
  }

  /**
   * The public key, to be served at `BARRAGE_JWKS_URL`.
   * @throws TypeError where it signs with a secret, which must not be served
   */
  keySet(): KeySet {
    if (this.#publicKey === undefined) throw new TypeError('a secret has no public key: gateways take it as BARRAGE_JWT_SECRET');
    return { keys: [{ ...this.#publicKey.export({ format: 'jwk' }), ...this.#signer.header, use: 'sig' }] };
  }
}

/** @throws TypeError for what is no private key */
function readPrivateKey(privateKey: string): KeyObject {
  try {
    return createPrivateKey(privateKey);
  } catch (error) {
    throw new TypeError(
      'privateKey: must be a private key in PEM, without a passphrase, such as of: openssl ecparam -name prime256v1 -genkey',
      {
        cause: error,
      },
    );
  }
}

function secretSigner(secret: string): Signer {
  // A variable of the environment that is not set comes as undefined.
  const characters = typeof secret === 'string' ? secret.length : 0;
  if (characters < secretCharactersMin || characters > secretCharactersMax)
    throw new TypeError(`secret: must have ${secretCharactersMin} to ${secretCharactersMax} characters, such as of: openssl rand -hex 32`);
  const sign = (text: string): Buffer => createHmac('sha256', secret).update(text).digest();
  return {
    header: { alg: 'HS256' },
    sign,
    isSignedBy: (text, signature) => {
      const own = sign(text);
      return own.length === signature.length && timingSafeEqual(own, signature);
    },
  };
}

function keySigner(privateKey: KeyObject, publicKey: KeyObject, kid: string): Signer {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = privateKey;
  const isCurve = type === 'ec' && details?.namedCurve === 'prime256v1';
  if (!isCurve && !(type === 'rsa' && (details?.modulusLength ?? 0) >= rsaBitsMin))
    throw new TypeError(`privateKey: must be a P-256 key or an RSA key of at least ${rsaBitsMin} bits: gateways take ES256 and RS256`);
  // A JWT has the two numbers of an ECDSA signature side by side (RFC 7518, 3.4).
  const form = isCurve ? ({ dsaEncoding: 'ieee-p1363' } as const) : {};
  return {
    header: { alg: isCurve ? 'ES256' : 'RS256', kid },
    sign: (text) => sign('sha256', Buffer.from(text), { key: privateKey, ...form }),
    isSignedBy: (text, signature) => verify('sha256', Buffer.from(text), { key: publicKey, ...form }, signature),
  };
}

/** The name of a public key that follows from it (RFC 7638). */
function thumbprint(key: KeyObject): string {
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' });
  // The members that define the key, in the order of their names, and no others.
  return createHash('sha256').update(JSON.stringify({ crv, e, kty, n, x, y })).digest('base64url');
}

function userFault(user: string | number): string | undefined {
  if (typeof user === 'number') return Number.isSafeInteger(user) ? undefined : 'a number must be whole and below 2^53: give it as text';
  if (user === '' || Buffer.byteLength(user) > userBytesMax) return `must have 1 to ${userBytesMax} bytes`;
  // A channel is named after the user (`core/channel.ts`).
  return /[\s*@\p{Cc}\p{Cf}]|\p{Cs}/u.test(user) ? 'must have no spaces, no control characters and none of * @' : undefined;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A part of a token as an object; empty where it is none. */
function jsonOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
