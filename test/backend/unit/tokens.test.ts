import { generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { TokenSigner } from '../../../backend/tokens.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import { tokenVerifier } from '../../../gateway/identity/token-verifier.ts';

const secret = 'a secret of thirty-two characters';
const rules = { jwksUrl: '', jwtSecret: secret, jwtIssuer: 'shop', jwtAudience: 'live' };
const pem = { type: 'pkcs8', format: 'pem' } as const;

function ecKey(namedCurve: string): string {
  return generateKeyPairSync('ec', { namedCurve }).privateKey.export(pem).toString();
}

function rsaKey(modulusLength: number): string {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey.export(pem).toString();
}

describe('a token by a secret', () => {
  const signer = new TokenSigner({ secret }, { issuer: 'shop', audience: 'live' });
  const verify = tokenVerifier(rules, systemClock);

  test.each(['alice', '弹幕用户', 'x'.repeat(248), 10_000])('is one that the gateway takes, for user %s', async (user) => {
    expect(await verify(signer.sign(user))).toMatchObject({ kind: 'user', uid: String(user) });
  });

  test('lasts as long as asked, with the gateway’s five seconds', async () => {
    const { lastsMs = 0 } = (await verify(signer.sign('alice', { expiresInSeconds: 60 }))) as { readonly lastsMs?: number };
    expect(lastsMs).toBeGreaterThan(55_000);
    expect(lastsMs).toBeLessThanOrEqual(65_000);
  });

  test('of another secret, issuer or audience is refused', async () => {
    const others = [
      new TokenSigner({ secret: secret.toUpperCase() }, { issuer: 'shop', audience: 'live' }).sign('alice'),
      signer.sign('alice', { issuer: 'another' }),
      signer.sign('alice', { audience: 'another' }),
    ];
    for (const token of others) expect(await verify(token)).toMatchObject({ kind: 'refused' });
  });
});

test.each([
  ['ES256', ecKey('prime256v1')],
  ['RS256', rsaKey(2_048)],
])('%s: a token is checked by the key set', async (algorithm, privateKey) => {
  const signer = new TokenSigner({ privateKey });
  const { keys } = signer.keySet();
  expect(keys).toHaveLength(1);
  expect(keys[0]).toMatchObject({ alg: algorithm, use: 'sig', kid: expect.stringMatching(/^[\w-]{43}$/) });
  for (const secretPart of ['d', 'p', 'q']) expect(keys[0]).not.toHaveProperty(secretPart);
  const known = createLocalJWKSet({ keys } as JSONWebKeySet);
  const { payload, protectedHeader } = await jwtVerify(signer.sign('alice'), known, { algorithms: [algorithm] });
  expect(payload['uid']).toBe('alice');
  expect(protectedHeader).toMatchObject({ alg: algorithm, kid: keys[0]?.['kid'] });
  expect(new TokenSigner({ privateKey, keyId: 'mine' }).keySet().keys[0]).toMatchObject({ kid: 'mine' });
});

describe('a backend’s own tokens', () => {
  test.each([
    ['HS256', { secret }],
    ['ES256', { privateKey: ecKey('prime256v1') }],
    ['RS256', { privateKey: rsaKey(2_048) }],
  ])('are known again, and no others: %s', (_, key) => {
    const signer = new TokenSigner(key, { issuer: 'shop', audience: 'live' });
    expect(['alice', 10_000].map((user) => signer.userOf(signer.sign(user)))).toEqual(['alice', '10000']);
    const token = signer.sign('alice');
    const [header = '', claims = '', signature = ''] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ uid: 'eve', exp: 9_999_999_999, iss: 'shop', aud: 'live' })).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const wrong of [
      '',
      'x',
      `${header}.${forged}.${signature}`,
      `${header}.${claims}.`,
      `${none}.${claims}.`,
      `${header}.${claims}.${signature}.x`,
      `${header}.${claims}.${signature.slice(4)}`,
      new TokenSigner({ secret: secret.toUpperCase() }, { issuer: 'shop', audience: 'live' }).sign('alice'),
      signer.sign('alice', { issuer: 'another' }),
      signer.sign('alice', { audience: 'another' }),
      token.padEnd(16_385, 'x'),
    ])
      expect(signer.userOf(wrong), wrong).toBe(undefined);
  });

  test('end', () => {
    vi.useFakeTimers({ now: 1_000_000_000_000 });
    onTestFinished(() => void vi.useRealTimers());
    const signer = new TokenSigner({ secret });
    const token = signer.sign('alice', { expiresInSeconds: 10 });
    vi.setSystemTime(1_000_000_009_999);
    expect(signer.userOf(token)).toBe('alice');
    vi.setSystemTime(1_000_000_010_000);
    expect(signer.userOf(token)).toBe(undefined);
  });
});

describe('what gateways would refuse is refused before', () => {
  const signer = new TokenSigner({ secret });

  test.each(['', 'two words', 'a@b', 'a*', 'x'.repeat(249), 'a\u200bb', '\ud800', 2 ** 53, 1.5])('user %j', (user) => {
    expect(() => signer.sign(user)).toThrow(/^user: /);
  });

  test.each([0, 1.5, 31_536_001, Number.NaN])('expiresInSeconds: %d', (expiresInSeconds) => {
    expect(() => signer.sign('alice', { expiresInSeconds })).toThrow(RangeError);
  });

  test('a secret that is too short, or too long', () => {
    for (const length of [31, 4_097]) expect(() => new TokenSigner({ secret: 'x'.repeat(length) })).toThrow(/openssl rand/);
    for (const length of [32, 4_096])
      expect(new TokenSigner({ secret: 'x'.repeat(length) }).sign('alice')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  test('a variable of the environment that is not set, and what is no key', () => {
    const absent = undefined as unknown as string;
    expect(() => new TokenSigner({ secret: absent })).toThrow(/^secret: must have 32 to/);
    for (const privateKey of [absent, '', 'x'.repeat(100)]) expect(() => new TokenSigner({ privateKey })).toThrow(/^privateKey: must be/);
  });

  test('a key of another curve, and a short RSA key', () => {
    for (const privateKey of [ecKey('secp384r1'), rsaKey(1_024)])
      expect(() => new TokenSigner({ privateKey })).toThrow(/P-256 key or an RSA/);
  });

  test('a secret has no key set', () => {
    expect(() => signer.keySet()).toThrow(/BARRAGE_JWT_SECRET/);
  });
});
