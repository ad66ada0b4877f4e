import { expect, test } from 'vitest';
import { readSettings } from '../../../core/process/settings.ts';
import { gatewayRevision, gatewayTemplate } from '../../../operator/desired/gateway-pod.ts';
import { publisherDeployment } from '../../../operator/desired/publisher.ts';
import { settingsDigest, settingsSecret } from '../../../operator/desired/secrets.ts';
import { poolWith } from '../decide/pool-fixture.ts';
import { environmentOf, ingredientsWith, ownContainer, templateSpec } from './ingredients.ts';

const jwksURL = 'https://id.example/keys';
const jwtSecret = 'hunter2-hunter2-hunter2-hunter2-hunter2';
const byKeys = ingredientsWith({ auth: { jwksURL } });
const bySecret = ingredientsWith({ auth: { jwtSecret: { name: 'jwt', key: 'shared' } } });

function gatewayEnvironment(ingredients: typeof byKeys): Readonly<Record<string, unknown>> {
  return environmentOf(ownContainer(gatewayTemplate(ingredients).spec));
}

test('gateways learn how to check tokens from the pool, and publishers do not', () => {
  expect(gatewayEnvironment(byKeys)).toMatchObject({ BARRAGE_JWKS_URL: jwksURL });
  expect(gatewayEnvironment(bySecret)).toMatchObject({ BARRAGE_JWT_SECRET: { secretKeyRef: { name: 'web-settings', key: 'jwt-secret' } } });
  const ofTokens = (environment: object): readonly string[] => Object.keys(environment).filter((name) => name.includes('JW'));
  for (const ingredients of [byKeys, bySecret])
    expect(ofTokens(environmentOf(ownContainer(templateSpec(publisherDeployment(ingredients)))))).toEqual([]);
  expect(ofTokens(gatewayEnvironment(byKeys))).toEqual(['BARRAGE_JWKS_URL']);
  expect(ofTokens(gatewayEnvironment(ingredientsWith()))).toEqual([]);
  expect(readSettings({ BARRAGE_JWKS_URL: jwksURL }).kind).toBe('settings');
});

test('gateways learn which issuer and audience a token must name, and taking a new one is another revision', () => {
  const strict = ingredientsWith({ auth: { jwksURL, jwtIssuer: 'https://id.example', jwtAudience: 'barrage' } });
  const expected = { BARRAGE_JWKS_URL: jwksURL, BARRAGE_JWT_ISSUER: 'https://id.example', BARRAGE_JWT_AUDIENCE: 'barrage' };
  expect(gatewayEnvironment(strict)).toMatchObject(expected);
  expect(readSettings(expected)).toMatchObject({ settings: { jwtIssuer: 'https://id.example', jwtAudience: 'barrage' } });
  expect(gatewayRevision(strict)).not.toBe(gatewayRevision(byKeys));
});

test('a dollar in a value reaches the process as it is, whatever a kubelet would make of it', () => {
  const audience = '$(BARRAGE_REDIS_URL)$$';
  expect(gatewayEnvironment(ingredientsWith({ auth: { jwksURL, jwtAudience: audience } }))).toMatchObject({
    BARRAGE_JWT_AUDIENCE: '$$(BARRAGE_REDIS_URL)$$$$',
  });
});

test('another way to check tokens, and another secret, are another revision', () => {
  const other = { ...bySecret, settingsDigests: { gateway: settingsDigest({ jwtSecret }, 'key'), publisher: '' } };
  const changed = { ...bySecret, settingsDigests: { gateway: settingsDigest({ jwtSecret: `${jwtSecret}!` }, 'key'), publisher: '' } };
  expect(new Set([ingredientsWith(), byKeys, bySecret, other, changed].map(gatewayRevision)).size).toBe(5);
  // A pool without one keeps the digest that it had.
  expect(settingsDigest({ apiKeys: ['a'] }, 'key')).toBe(settingsDigest({ apiKeys: ['a'], jwtSecret: undefined } as never, 'key'));
});

test('the shared secret is in the Secret of settings and nowhere else', () => {
  const { data } = settingsSecret(poolWith(), { bus: undefined, apiKeys: [], jwtSecret });
  expect(Buffer.from(data?.['jwt-secret'] ?? '', 'base64').toString()).toBe(jwtSecret);
  expect(settingsSecret(poolWith(), { bus: undefined, apiKeys: [] }).data).not.toHaveProperty('jwt-secret');
  expect(settingsDigest({ jwtSecret }, 'key')).not.toContain('hunter2');
});
