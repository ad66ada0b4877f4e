import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions, type JWTVerifyResult } from 'jose';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { readAnswer } from '../../core/process/bounded-read.ts';
import { webAddress } from './web-address.ts';
import { userOf, type AuthResult, type Authenticate } from './identity.ts';

/** Empty: not given. Exactly one of `jwksUrl` and `jwtSecret` is. */
export interface TokenRules {
  readonly jwksUrl: string;
  readonly jwtSecret: string;
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
}

/** Tokens are judged by the wall clock, by which they were issued; pauses are counted on the monotonic one. */
type TokenClock = Pick<Clock, 'monotonic' | 'wall'>;

/** By how much the clocks of this process and of whoever issues tokens may differ, in seconds. */
const clockToleranceSeconds = 5;
/** Longest token, in characters. */
const tokenLengthMax = 16_384;
/**
 * How long fetched keys are used without asking again, in milliseconds: a key that is withdrawn is in use for no
 * longer.
 */
const keysFreshMs = 600_000;
/**
 * Shortest time between two looks for a key that is not among those fetched, in milliseconds: tokens that name keys at
 * random cost no more than that.
 */
const unknownKeyPauseMs = 10_000;
/** How long an address that just failed is not asked again, in milliseconds. */
const failurePauseMs = 1_000;
/** Most bytes of a key set. */
const keySetBytesMax = 1_048_576;

/** Nobody could say whether the token is good: the keys could not be had. */
class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/**
 * Checks tokens that are JWTs: signature, `exp`, `nbf`, and `iss` and `aud` where the rules name them. The user is the
 * claim `uid`, or else `sub`.
 *
 * What a token says of its own algorithm only ever chooses among those of the configured kind of key: HS256 with a
 * shared secret, RS256 and ES256 with public keys. Otherwise a public key, which everybody has, could be used as the
 * secret of an HS256 token.
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
      return resultOf(error);
    } finally {
      inFlight--;
    }
  };
}

/** Who a token with these claims, whose signature was checked, is. */
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
 * Fetches a key set of bounded size, and pauses after a failure: clients that try again must not become requests to an
 * address that is in trouble.
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

/** A key set that can't be had, or is none, is no fault of the token. */
function resultOf(error: unknown): AuthResult {
  if (error instanceof KeysUnavailable || error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid)
    return { kind: 'late', reason: error.message };
  // What the library throws where an answer is not JSON has no class of its own.
  if (error instanceof errors.JOSEError && error.code === errors.JOSEError.code) return { kind: 'late', reason: error.message };
  return { kind: 'refused', reason: reasonOf(error) };
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `the token's claim ${error.claim} is not as it must be`;
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not allowed here";
  if (error instanceof errors.JWKSNoMatchingKey) return 'no key is known that could have signed the token';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'the token does not say which key signed it (kid), and there are several';
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong";
  return 'the token is no JWT that can be checked here';
}
