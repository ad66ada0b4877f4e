import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sdkVersion } from '../../../client/version.ts';
import { clientOf } from '../../../gateway/connections/client-of.ts';

test.each([
  ['barrage.v1', { kind: 'v1' }],
  ['barrage.v1, barrage-sdk.1.20.300', { kind: 'sdk', version: '1.20.300' }],
  ['barrage-sdk.1.2.3-beta.4,barrage.v1', { kind: 'sdk', version: '1.2.3-beta.4' }],
  ['barrage.v1, barrage-sdk.', { kind: 'sdk', version: undefined }],
  [`barrage.v1, barrage-sdk.1.2.3-${'x'.repeat(17)}`, { kind: 'sdk', version: undefined }],
  ['barrage.v1, barrage-sdk.1"2', { kind: 'sdk', version: undefined }],
  [undefined, { kind: 'v1' }],
])('a handshake of barrage.v1 that offers %s', (offered, client) => {
  expect(clientOf('barrage.v1', offered)).toEqual(client);
});

test('without barrage.v1 a client is plain, whatever it says', () => {
  expect(clientOf('plain', 'barrage-sdk.1.2.3')).toEqual({ kind: 'plain' });
});

test('an event stream is one of the SDK where it says so', () => {
  expect(clientOf('sse', undefined)).toEqual({ kind: 'sse' });
  expect(clientOf('sse', 'barrage-sdk.1.2.3')).toEqual({ kind: 'sdk', version: '1.2.3' });
});

test("the SDK's version is the package's, that of the examples' locks, and one that gateways count", () => {
  expect(sdkVersion).toBe((JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }).version);
  for (const example of ['react', 'vite']) {
    const lock = JSON.parse(readFileSync(`examples/${example}/package-lock.json`, 'utf8')) as { readonly packages: object };
    expect(lock.packages, example).toMatchObject({ '../../dist/client': { version: sdkVersion } });
  }
  expect(clientOf('barrage.v1', `barrage.v1, barrage-sdk.${sdkVersion}`)).toEqual({ kind: 'sdk', version: sdkVersion });
});
