import fc from 'fast-check';
import { createHmac, randomBytes } from 'node:crypto';
import { exportJWK, exportSPKI, SignJWT } from 'jose';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import { hasExpired, needsIdentity, userOf, type AuthResult } from '../../../gateway/identity/identity.ts';
import { identityOf, tokenVerifier, type TokenRules } from '../../../gateway/identity/token-verifier.ts';
import { Policies } from '../../../core/policy/policy.ts';
import { keySet, signingKey, startKeyServer, tokenBy, type SigningKey } from '../../support/key-server.ts';

vi.setConfig({ testTimeout: 30_000 });

const secret = 'a shared secret of 32 characters';
const none: TokenRules = { jwksUrl: '', jwtSecret: '', jwtIssuer: '', jwtAudience: '' };
const shared = tokenVerifier({ ...none, jwtSecret: secret }, systemClock);
let rsa: SigningKey;
let elliptic: SigningKey;

beforeAll(async () => {
  [rsa, elliptic] = await Promise.all([signingKey('r1', 'RS256'), signingKey('e1', 'ES256')]);
});
afterEach(() => {
  vi.useRealTimers();
});

function encoded(part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/** Signed by HS256 with any bytes, whatever header and claims say. */
function forged(header: unknown, claims: unknown, key: string | Buffer): string {
  const signed = `${encoded(header)}.${encoded(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

function good(claims: unknown): string {
  return forged({ alg: 'HS256' }, claims, secret);
}

function soon(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

test('the user is the claim uid, or else sub, for as long as exp says and the tolerance of five seconds', () => {
  expect(identityOf({ sub: 'me', exp: 1000 }, 995_000)).toEqual({ kind: 'user', uid: 'me', lastsMs: 10_000 });
  expect(identityOf({ sub: 'me', uid: 7, exp: 1000 }, 1_004_999)).toEqual({ kind: 'user', uid: '7', lastsMs: 1 });
  expect(identityOf({ sub: 'me', exp: 1000 }, 2_000_000)).toEqual({ kind: 'user', uid: 'me', lastsMs: 0 });
  expect(identityOf({ sub: 'me' }, 0)).toEqual({ kind: 'user', uid: 'me' });
  // A uid that is no name is not passed over in favour of another claim.
  for (const uid of ['', '*', 1.5, true, {}, ['a'], 'a b', 'x'.repeat(300)])
    expect(identityOf({ sub: 'me', uid }, 0), JSON.stringify(uid)).toMatchObject({ kind: 'refused' });
  expect(identityOf({}, 0)).toMatchObject({ kind: 'refused' });
});

test('an identity has expired at its end and not before; one without an end never does', () => {
  expect([9, 10, 11].map((now) => hasExpired({ identityEndsAt: 10 }, now))).toEqual([false, true, true]);
  expect(hasExpired({ identityEndsAt: undefined }, Infinity)).toBe(false);
});

test('what nobody may read without an identity needs one', () => {
  const policies = new Policies([]);
  expect(needsIdentity(policies.of('video:1'), 'video:1')).toBe(false);
  expect(needsIdentity(policies.of('user:1'), 'user:1')).toBe(true);
  const vip = { ...policies.of('vip:1'), access: { ...policies.of('vip:1').access, subscribe: 'Authenticated' as const } };
  expect(needsIdentity(vip, 'vip:1')).toBe(true);
});

test('a user’s name is a text or a whole number that a channel can be named after', () => {
  expect(userOf(12, 'x')).toEqual({ kind: 'user', uid: '12' });
  for (const uid of [undefined, null, '', Number.NaN, 2 ** 60, '*', 'a\n']) expect(userOf(uid, 'x').kind, String(uid)).toBe('refused');
});

test('a token by the shared secret is taken, within five seconds of clock difference', async () => {
  expect(await shared(good({ sub: 'me' }))).toEqual({ kind: 'user', uid: 'me' });
  expect(await shared(good({ sub: 'me', exp: soon(-3), nbf: soon(4) }))).toMatchObject({ kind: 'user' });
  expect(await shared(good({ sub: 'me', exp: soon(60) }))).toMatchObject({ kind: 'user', uid: 'me', lastsMs: expect.any(Number) });
  expect(await shared(good({ sub: 'me', exp: soon(-6) }))).toEqual({ kind: 'refused', reason: 'the token has expired' });
  expect(await shared(good({ sub: 'me', nbf: soon(8) }))).toMatchObject({ kind: 'refused', reason: expect.stringContaining('nbf') });
  expect(await shared(good({ sub: 'me', exp: 'never' }))).toMatchObject({ kind: 'refused' });
});

test('issuer and audience count where they are configured', async () => {
  const strict = tokenVerifier({ ...none, jwtSecret: secret, jwtIssuer: 'https://id.example', jwtAudience: 'barrage' }, systemClock);
  const claims = { sub: 'me', iss: 'https://id.example', aud: ['other', 'barrage'] };
  expect(await strict(good(claims))).toMatchObject({ kind: 'user' });
  for (const [name, value] of [
    ['iss', 'https://id.example.evil'],
    ['iss', undefined],
    ['aud', 'other'],
    ['aud', undefined],
  ])
    expect(await strict(good({ ...claims, [name ?? '']: value })), name).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(name ?? ''),
    });
});

test('the algorithm is the configured key’s, whatever the token says', async () => {
  const server = await startKeyServer({ status: 200, body: await keySet([rsa, elliptic]) });
  const open = tokenVerifier({ ...none, jwksUrl: server.url }, systemClock);
  const claims = { sub: 'me', exp: soon(60) };
  expect(await open(await tokenBy(rsa, claims))).toMatchObject({ kind: 'user', uid: 'me' });
  expect(await open(await tokenBy(elliptic, claims))).toMatchObject({ kind: 'user', uid: 'me' });
  const pem = await exportSPKI(rsa.publicKey);
  const jwk = await exportJWK(rsa.publicKey);
  const stranger = await signingKey('r1', 'RS256');
  const ownKey = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'r1', jwk: await exportJWK(stranger.publicKey), jku: 'https://evil.example/keys' })
    .sign(stranger.privateKey);
  const bad: Readonly<Record<string, string>> = {
    'HS256 with the public key as the secret': forged({ alg: 'HS256', kid: 'r1' }, claims, pem),
    'HS256 with the modulus as the secret': forged({ alg: 'HS256', kid: 'r1' }, claims, Buffer.from(jwk.n ?? '', 'base64url')),
    'HS256 signature that says RS256': forged({ alg: 'RS256', kid: 'r1' }, claims, pem),
    'a key that the token brings along': ownKey,
    'another key of the same name': await tokenBy(stranger, claims),
    'another algorithm of the same key type': await tokenBy({ ...(await signingKey('r1', 'PS256')), algorithm: 'PS256' }, claims),
    'ES256 for the RSA key': await tokenBy({ ...elliptic, kid: 'r1' }, claims),
    none: `${encoded({ alg: 'none' })}.${encoded(claims)}.`,
    'none in capitals': `${encoded({ alg: 'NONE', kid: 'r1' })}.${encoded(claims)}.`,
    'by the shared secret': good(claims),
  };
  for (const [what, token] of Object.entries(bad)) expect(await open(token), what).toMatchObject({ kind: 'refused' });
  const notForSecrets = [
    await tokenBy(rsa, claims),
    bad['none'] ?? '',
    forged({ alg: 'HS512' }, claims, secret),
    forged({ alg: 'HS256', crit: ['x'], x: 1 }, claims, secret),
  ];
  for (const token of notForSecrets) expect((await shared(token)).kind).toBe('refused');
  expect(server.requests).toHaveLength(1);
});

test('keys are fetched once, again for one that is new, but not for every name that somebody makes up', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const server = await startKeyServer({ status: 200, body: await keySet([rsa]) });
  const verify = tokenVerifier({ ...none, jwksUrl: server.url }, systemClock);
  const claims = { sub: 'me' };
  await Promise.all(Array.from({ length: 20 }, async () => verify(await tokenBy(rsa, claims))));
  expect(server.requests).toHaveLength(1);
  server.answer = { status: 200, body: await keySet([rsa, elliptic]) };
  vi.advanceTimersByTime(10_001);
  expect(await verify(await tokenBy(elliptic, claims))).toMatchObject({ kind: 'user' });
  expect(server.requests).toHaveLength(2);
  for (let count = 0; count < 50; count++) expect((await verify(await tokenBy({ ...rsa, kid: `x${count}` }, claims))).kind).toBe('refused');
  expect(server.requests).toHaveLength(2);
  // A key that is withdrawn is good for ten minutes at most.
  server.answer = { status: 200, body: await keySet([elliptic]) };
  vi.advanceTimersByTime(600_001);
  expect(await verify(await tokenBy(rsa, claims))).toMatchObject({ kind: 'refused' });
});

test('keys that can’t be had are no fault of the token, and their address is left in peace for a second', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  const server = await startKeyServer('cut');
  const verify = tokenVerifier({ ...none, jwksUrl: server.url }, systemClock);
  const token = await tokenBy(rsa, { sub: 'me' });
  for (const answer of [
    'cut',
    { status: 500, body: '' },
    { status: 302, body: '' },
    { status: 200, body: 'no JSON' },
    { status: 200, body: '{"keys":1}' },
    { status: 200, body: JSON.stringify({ keys: [], filler: 'x'.repeat(2_000_000) }) },
  ] as const) {
    server.answer = answer;
    vi.advanceTimersByTime(1_001);
    expect(await verify(token), JSON.stringify(answer).slice(0, 40)).toEqual({ kind: 'late', reason: expect.any(String) });
  }
  const asked = server.requests.length;
  expect(await verify(token)).toEqual({ kind: 'late', reason: expect.any(String) });
  expect(server.requests).toHaveLength(asked);
  server.answer = { status: 200, body: await keySet([rsa]) };
  vi.advanceTimersByTime(1_001);
  expect(await verify(token)).toMatchObject({ kind: 'user' });
});

test('an address of keys that never answers is late after the time for auth', async () => {
  const server = await startKeyServer('never');
  const verify = tokenVerifier({ ...none, jwksUrl: server.url }, systemClock);
  const startedAt = performance.now();
  expect(await verify(await tokenBy(rsa, { sub: 'me' }))).toEqual({ kind: 'late', reason: expect.any(String) });
  expect(performance.now() - startedAt).toBeGreaterThan(limits.authTimeoutMs - 100);
});

test('a token of 16,384 characters is looked at, one more is not', async () => {
  const at = (length: number) => {
    const short = good({ sub: 'me' }).length;
    // The signature does not matter here: what is too long is refused before it is read.
    return good({ sub: 'me' }) + '='.repeat(length - short);
  };
  expect(await shared(at(16_385))).toEqual({ kind: 'refused', reason: 'a token has at most 16384 characters' });
  expect(await shared(at(16_384))).toMatchObject({ kind: 'refused', reason: expect.not.stringContaining('16384') });
});

const seed = Number(process.env['BARRAGE_TEST_SEED'] ?? randomBytes(4).readUInt32BE());

test(`hostile tokens are refused and nothing throws (seed ${seed})`, async () => {
  const part = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.json().map(encoded),
    fc
      .record({
        alg: fc.oneof(fc.constantFrom('none', 'HS256', 'RS256', 'ES256', 'HS384', '', 'dir'), fc.jsonValue()),
        kid: fc.jsonValue(),
      })
      .map(encoded),
    fc.record({ sub: fc.jsonValue(), exp: fc.jsonValue() }).map(encoded),
  );
  const server = await startKeyServer({ status: 200, body: await keySet([rsa]) });
  const open = tokenVerifier({ ...none, jwksUrl: server.url }, systemClock);
  const tokens = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('.')),
  );
  await fc.assert(
    fc.asyncProperty(tokens, async (token) => {
      const results = await Promise.all([shared(token), open(token)]);
      expect(results.map(({ kind }) => kind)).toEqual(['refused', 'refused']);
    }),
    { seed, numRuns: 200 },
  );
});

test(`a good token with one character changed is refused, or means the same (seed ${seed})`, async () => {
  const token = good({ sub: 'me', uid: 'u1', exp: soon(600) });
  const original = bytesOf(token);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(token.length - 1),
      fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '-', '_', '.', '=', '+', '/', ' '),
      async (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        const result: AuthResult = await shared(changed);
        // The last character of a part has bits that stand for nothing.
        if (result.kind === 'user') expect([result.uid, bytesOf(changed)]).toEqual(['u1', original]);
      },
    ),
    { seed, numRuns: 500 },
  );
});

function bytesOf(token: string): string {
  return token
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString('hex'))
    .join('.');
}

test(`claims of any shape signed with the right secret are a user or a refusal (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.record({ sub: fc.jsonValue(), uid: fc.jsonValue(), exp: fc.jsonValue() }, { requiredKeys: [] }), async (claims) => {
      const result = await shared(good(claims));
      if (result.kind === 'user')
        expect([claims.uid, claims.sub].filter((claim) => ['string', 'number'].includes(typeof claim)).map(String)).toContain(result.uid);
      else expect(result.kind).toBe('refused');
    }),
    { seed, numRuns: 200 },
  );
});
