import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { readAnswer } from '../../core/process/bounded-read.ts';
import { webAddress } from './web-address.ts';
import { userOf, type AuthResult, type Authenticate } from './identity.ts';

/**
 * Rules for tokens. An empty text means that a rule is not given. Exactly one of `jwksUrl` and `jwtSecret` is given.
 */
export interface TokenRules {
  readonly jwksUrl: string;
  readonly jwtSecret: string;
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
}

/** The wall clock judges tokens, as it did when they were issued. The monotonic clock counts pauses. */
type TokenClock = Pick<Clock, 'monotonic' | 'wall'>;

/** Tolerated difference between this process's clock and the token issuer's, in seconds. */
const clockToleranceSeconds = 5;
/** Longest token, in characters. */
const tokenLengthMax = 16_384;
/** Time for which fetched keys are used, in milliseconds: a withdrawn key is accepted no longer than that. */
const keysFreshMs = 600_000;
/**
 * Shortest time between two fetches for an unknown key, in milliseconds. It bounds the cost of tokens that name random
 * keys.
 */
const unknownKeyPauseMs = 10_000;
/** Pause before an address that failed is asked again, in milliseconds. */
const failurePauseMs = 1_000;
/** Most bytes of a key set. */
const keySetBytesMax = 1_048_576;

/** The keys could not be fetched, so there is no verdict on the token. */
class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/**
 * Verifies JWTs: the signature, `exp`, `nbf`, and also `iss` and `aud` when the rules name them. The user is the claim
 * `uid`, or else `sub`.
 *
 * A token's algorithm only chooses among those of the configured kind of key: HS256 with a shared secret, RS256 and
 * ES256 with public keys. Otherwise anyone could use the public key as the secret of an HS256 token.
 */
export function tokenVerifier(rules: TokenRules, clock: TokenClock): Authenticate {
  const verify = rules.jwtSecret === '' ? withPublicKeys(rules, clock) : withSecret(rules, clock);
  let inFlight = 0;
  return async (token) => {
    if (token.length > tokenLengthMax) return { kind: 'refused', reason: `a token has at most ${tokenLengthMax} characters` };
    if (inFlight >= limits.authInFlightMax) return { kind: 'late', reason: 'too many tokens are being checked' };
    inFlight++;
    try {
      const { payload } = await verify(token);
      return identityOf(payload, clock.wall());
    } catch (error) {
      return withKey(resultOf(error), error, token);
    } finally {
      inFlight--;
    }
  };
}

/** The identity in a token's claims, after its signature was checked. */
export function identityOf(claims: JWTPayload, now: number): AuthResult {
  const user = userOf(claims['uid'] ?? claims.sub, 'the token');
  if (user.kind === 'refused' || claims.exp === undefined) return user;
  return { ...user, lastsMs: Math.max(0, (claims.exp + clockToleranceSeconds) * 1000 - now) };
}

function withSecret(rules: TokenRules, clock: TokenClock): (token: string) => Promise<JWTVerifyResult> {
  const secret = new TextEncoder().encode(rules.jwtSecret);
  const options = verification(rules, ['HS256']);
  return (token) => jwtVerify(token, secret, { ...options, currentDate: new Date(clock.wall()) });
}

function withPublicKeys(rules: TokenRules, clock: TokenClock): (token: string) => Promise<JWTVerifyResult> {
  const { url, headers } = webAddress(rules.jwksUrl);
  const keys = createRemoteJWKSet(url, {
    headers,
    timeoutDuration: limits.authTimeoutMs,
    cooldownDuration: unknownKeyPauseMs,
    cacheMaxAge: keysFreshMs,
    [customFetch]: keySetFetcher(clock),
  });
  const options = verification(rules, ['RS256', 'ES256']);
  return (token) => jwtVerify(token, keys, { ...options, currentDate: new Date(clock.wall()) });
}

function verification({ jwtIssuer, jwtAudience }: TokenRules, algorithms: string[]): JWTVerifyOptions {
  return {
    algorithms,
    clockTolerance: clockToleranceSeconds,
    ...(jwtIssuer === '' ? {} : { issuer: jwtIssuer }),
    ...(jwtAudience === '' ? {} : { audience: jwtAudience }),
  };
}

/**
 * Fetches a key set of bounded size, and pauses after a failure. Repeated attempts of clients must not become requests
 * to an address in trouble.
 */
function keySetFetcher(
  clock: TokenClock,
): (url: string, init: { headers: Headers; method: 'GET'; redirect: 'manual'; signal: AbortSignal }) => Promise<Response> {
  let pausedUntil = 0;
  return async (url, init) => {
    if (clock.monotonic() < pausedUntil) throw new KeysUnavailable('the address of the keys failed a moment ago');
    try {
      const response = await fetch(url, init);
      if (response.status !== 200) throw new KeysUnavailable(`the address of the keys answered ${response.status}`);
      const keySet = await readAnswer(response, keySetBytesMax);
      if (keySet.kind === 'too-large') throw new KeysUnavailable(`the key set is longer than ${keySetBytesMax} bytes`);
      return new Response(keySet.bytes.toString());
    } catch (cause) {
      pausedUntil = clock.monotonic() + failurePauseMs;
      throw cause instanceof KeysUnavailable ? cause : new KeysUnavailable('the keys could not be fetched', { cause });
    }
  };
}

/** The verdict for an error. A key set that is unreachable or malformed is no fault of the token. */
function resultOf(error: unknown): AuthResult {
  if (error instanceof KeysUnavailable || error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid)
    return { kind: 'late', reason: error.message };
  // The library has no error class for an answer that is not JSON.
  if (error instanceof errors.JOSEError && error.code === errors.JOSEError.code) return { kind: 'late', reason: error.message };
  return { kind: 'refused', reason: reasonOf(error) };
}

/** Names of keys that a line can show: a token is a stranger's text. */
const keyIdPattern = /^[\w.:+/=-]{1,64}$/;

/** Adds the name of the key, where that explains the refusal. */
function withKey(result: AuthResult, error: unknown, token: string): AuthResult {
  const isOfKey = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
  if (!isOfKey || result.kind !== 'refused') return result;
  const { kid } = decodeProtectedHeader(token);
  return kid !== undefined && keyIdPattern.test(kid) ? { ...result, keyId: kid } : result;
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token's claim ${error.claim} is missing or has another value than required`;
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not allowed here";
  if (error instanceof errors.JWKSNoMatchingKey) return 'none of the known keys matches the token';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'the token does not say which key signed it (kid), and there are several';
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong";
  return 'the token is not a JWT that this gateway can check';
}
