import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isLoopbackHost, isLoopbackHostHeader } from '../../core/process/loopback.ts';
import { readSettings, unknownSettings } from '../../core/process/settings.ts';
import { settingsTable } from '../../core/process/settings-table.ts';
import { settingsDocument } from './settings-document.ts';

test('docs/settings.md lists every setting with its default, what it accepts and what it means', () => {
  expect(readFileSync('docs/settings.md', 'utf8')).toContain(settingsDocument());
});

test('every default is accepted', () => {
  expect(readSettings({})).toMatchObject({
    kind: 'settings',
    settings: { gatewayPort: 6790, publisherPort: 6789, adminPort: undefined, apiKeys: [] },
  });
});

test('all faults are told at once, with the variable and what it accepts', () => {
  const result = readSettings({
    BARRAGE_GATEWAY_PORT: '70000',
    BARRAGE_LOG_LEVEL: 'loud',
    BARRAGE_REDIS_URL: 'http://x',
    BARRAGE_API_KEYS: 'short',
  });
  expect(result).toEqual({
    kind: 'faults',
    faults: [
      'BARRAGE_GATEWAY_PORT="70000": must be 0 to 65535',
      'BARRAGE_API_KEYS: must be a comma-separated list of keys of at least 16 characters',
      'BARRAGE_REDIS_URL: must be redis:// or rediss:// URL, or several with commas between them',
      'BARRAGE_LOG_LEVEL="loud": must be debug, info, warn, error or silent',
    ],
  });
});

test('a fault of a secret does not repeat the secret', () => {
  const result = readSettings({
    BARRAGE_REDIS_URL: 'redis:/:hunter2@',
    BARRAGE_API_KEYS: 'hunter2',
    BARRAGE_AUTH_URL: 'hunter2',
    BARRAGE_JWKS_URL: 'hunter2',
    BARRAGE_JWT_SECRET: 'hunter2',
    BARRAGE_REDIS_PASSWORD: 'hunter2'.repeat(200),
    BARRAGE_POOL_PUBLIC_KEY: 'hunter2',
  });
  expect(JSON.stringify(result)).not.toContain('hunter2');
});

test.each([
  ['BARRAGE_GATEWAY_PORT', '65535', '65536'],
  ['BARRAGE_GATEWAY_CONNECTIONS_MAX', '200000', '200001'],
  ['BARRAGE_FAN_OUT_PERCENT', '95', '96'],
  ['BARRAGE_DRAIN_MS', '86400000', '86400001'],
  ['BARRAGE_DRAIN_MS', '0', '-1'],
  ['BARRAGE_DRAIN_CONNECTIONS_PER_SECOND', '1', '0'],
  ['BARRAGE_DRAIN_CONNECTIONS_PER_SECOND', '100000', '100001'],
  ['BARRAGE_OPERATOR_API_RATE', '1000', '1001'],
  ['BARRAGE_PING_INTERVAL_MS', '1000', '999'],
  ['BARRAGE_API_KEYS', 'x'.repeat(16), 'x'.repeat(15)],
  ['BARRAGE_JWT_SECRET', 'x'.repeat(32), 'x'.repeat(31)],
  ['BARRAGE_JWKS_URL', 'https://id.example/keys', 'ftp://id.example/keys'],
])('%s takes %s and not %s', (variable, good, bad) => {
  expect(readSettings({ [variable]: good }).kind).toBe('settings');
  expect(readSettings({ [variable]: bad }).kind).toBe('faults');
});

test('a variable that is no setting is noticed', () => {
  expect(unknownSettings({ BARRAGE_GATEWAY_PROT: '1', PATH: '', [settingsTable.logLevel.variable]: 'info' })).toEqual([
    'BARRAGE_GATEWAY_PROT',
  ]);
});

test('loopback is told from what only looks like it', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) expect(isLoopbackHost(host), host).toBe(true);
  for (const host of ['0.0.0.0', '127.0.0.1.example.com', 'localhost.example.com', '10.0.0.1', '::'])
    expect(isLoopbackHost(host), host).toBe(false);
  for (const header of ['localhost:6789', '127.0.0.1', '[::1]:6789']) expect(isLoopbackHostHeader(header), header).toBe(true);
  for (const header of [undefined, '', 'evil.example:6789', 'localhost.evil.example'])
    expect(isLoopbackHostHeader(header), header).toBe(false);
});

test('an idle time that may end before the first ping is answered is a fault', () => {
  expect(readSettings({ BARRAGE_PING_INTERVAL_MS: '10000', BARRAGE_IDLE_TIMEOUT_MS: '20000' }).kind).toBe('settings');
  expect(readSettings({ BARRAGE_PING_INTERVAL_MS: '10000', BARRAGE_IDLE_TIMEOUT_MS: '19999' }).kind).toBe('faults');
});

test('only one way to check tokens may be set, and the fault names them without telling the secret', () => {
  const [url, secret] = ['https://id.example/keys', 'hunter2-hunter2-hunter2-hunter2-hunter2'];
  const ways = { BARRAGE_AUTH_URL: url, BARRAGE_JWKS_URL: url, BARRAGE_JWT_SECRET: secret };
  for (const [variable, value] of Object.entries(ways)) expect(readSettings({ [variable]: value }).kind).toBe('settings');
  for (const left of Object.keys(ways)) {
    const two = Object.fromEntries(Object.entries(ways).filter(([variable]) => variable !== left));
    const result = readSettings(two);
    expect(result).toEqual({ kind: 'faults', faults: [expect.stringContaining(`${Object.keys(two).join(', ')}: only one`)] });
    expect(JSON.stringify(result)).not.toMatch(/hunter2|id\.example/);
  }
});
