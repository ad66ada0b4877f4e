import { readFileSync } from 'node:fs';
import fc from 'fast-check';
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
      'BARRAGE_API_KEYS: must be a comma-separated list of keys of 16 to 256 printable ASCII characters',
      'BARRAGE_REDIS_URL: must be redis:// or rediss:// URL, or several with commas between them; ' +
        'in a user or password # / ? @ , are written %23 %2F %3F %40 %2C',
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
  ['BARRAGE_CONNECTION_AGE_MAX_SECONDS', '300', '299'],
  ['BARRAGE_CONNECTION_AGE_MAX_SECONDS', '2592000', '2592001'],
  ['BARRAGE_CONNECTION_AGE_MAX_SECONDS', '0', '1'],
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

/** The faults of these variables together; empty where they are taken. */
function faultsOf(environment: Readonly<Record<string, string>>): readonly string[] {
  const read = readSettings(environment);
  return read.kind === 'faults' ? read.faults : [];
}

/** What one variable is read as, or its fault. */
function read(variable: string, text: string): unknown {
  const around = variable.startsWith('BARRAGE_JWT_') && variable !== 'BARRAGE_JWT_SECRET' ? { BARRAGE_JWKS_URL: 'https://a' } : {};
  const result = readSettings({ BARRAGE_REDIS_URL: 'redis://a', ...around, [variable]: text });
  if (result.kind === 'faults') return result.faults;
  const name = Object.entries(settingsTable).find(([, entry]) => entry.variable === variable)?.[0] ?? '';
  return result.settings[name as keyof typeof settingsTable];
}

test('spaces and line ends around a value are taken off, but for what may have them', () => {
  expect(read('BARRAGE_GATEWAY_PORT', ' 8080\r\n')).toBe(8080);
  expect(read('BARRAGE_LOG_LEVEL', 'warn\n')).toBe('warn');
  expect(read('BARRAGE_GATEWAY_HOST', '::1\n')).toBe('::1');
  expect(read('BARRAGE_AUTH_URL', ' https://auth.example/ ')).toBe('https://auth.example/');
  expect(read('BARRAGE_JWT_ISSUER', 'https://id.example\n')).toBe('https://id.example');
  expect(read('BARRAGE_POLICY_FILE', '/etc/policy.yaml\n')).toBe('/etc/policy.yaml');
  expect(read('BARRAGE_JWT_SECRET', ` ${'x'.repeat(32)} `)).toBe(` ${'x'.repeat(32)} `);
  expect(read('BARRAGE_REDIS_PASSWORD', ' a b ')).toBe(' a b ');
  // The line end of the file that a secret was read from is no part of it.
  expect(read('BARRAGE_REDIS_PASSWORD', 'a \r\n')).toBe('a ');
  expect(read('BARRAGE_JWT_SECRET', `${'x'.repeat(32)}\n`)).toBe('x'.repeat(32));
});

test.each(['1e3', '0x10', '1_000', '+80', '-1', '80.0', '8 0', '٣', ''])('a number is digits alone: %j is none', (text) => {
  expect(read('BARRAGE_GATEWAY_PORT', text)).toEqual([`BARRAGE_GATEWAY_PORT="${text}": must be 0 to 65535`]);
});

test('a host to listen on is one, without a port', () => {
  for (const host of ['localhost', '0.0.0.0', '::', 'fe80::1%eth0', 'live.example', 'a_b', 'LOCALHOST', 'live.example.'])
    expect(read('BARRAGE_GATEWAY_HOST', host), host).toBe(host);
  expect(read('BARRAGE_GATEWAY_HOST', '[::1]')).toBe('::1');
  for (const host of [
    'localhost:6790',
    '127.0.0.1:80',
    '[::1]:80',
    '999.1.1.1',
    '127.1',
    '0x7f.1',
    'a..b',
    '-a',
    'http://a',
    '*',
    '',
    'a'.repeat(254),
  ])
    expect(read('BARRAGE_PUBLISHER_HOST', host), host).toEqual([
      `BARRAGE_PUBLISHER_HOST="${host}": must be an IP address or a host name, without a port`,
    ]);
});

test('origins are read into one spelling; what no browser sends is told with the right form', () => {
  expect(read('BARRAGE_GATEWAY_ORIGINS', ' https://Example.com:443/, http://localhost:5173 ,capacitor://localhost, null, * ,')).toEqual([
    'https://example.com',
    'http://localhost:5173',
    'capacitor://localhost',
    'null',
    '*',
  ]);
  expect(read('BARRAGE_GATEWAY_ORIGINS', 'https://a.example,b.example')).toEqual([
    'BARRAGE_GATEWAY_ORIGINS="https://a.example,b.example": "b.example" has no scheme: write https://b.example',
  ]);
});

test.each(['BARRAGE_AUTH_URL', 'BARRAGE_JWKS_URL'])('%s is an address that fetch can ask', (variable) => {
  for (const url of ['http://a', 'https://user:w%25rd@id.example:8443/x?y=z#w', 'http://[::1]:80/']) expect(read(variable, url)).toBe(url);
  for (const url of ['a', 'ftp://a', 'http://', 'https://*.example', 'http://a:99999', 'http://a b'])
    expect(read(variable, url), url).toEqual([`${variable}: must be http:// or https:// URL`]);
  expect(read(variable, 'https://user:50%@a')).toEqual([`${variable}: a percent sign in its user or password must be written %25`]);
  expect(read(variable, 'http://a:6000/')).toEqual([`${variable}: fetch connects to no port 6000: let the service listen on another one`]);
});

test('a Redis URL has no part that nothing reads', () => {
  for (const url of ['redis://a', 'rediss://user:w%23rd@a:1/2', 'redis://a:1, redis://b:2'])
    expect(read('BARRAGE_REDIS_URL', url)).toBe(url);
  for (const url of ['redis://a?db=1', 'redis://a/0#x'])
    expect(read('BARRAGE_REDIS_URL', url)).toEqual([expect.stringContaining('behind ? or #')]);
  for (const url of ['a:6379', 'redis://', 'http://a', 'redis://:p#w@a', 'redis://:p/w@a', 'redis://a:65536', 'redis://a,'])
    expect(read('BARRAGE_REDIS_URL', url), url).toEqual([expect.stringContaining('must be redis:// or rediss://')]);
  expect(read('BARRAGE_REDIS_URL', 'redis://:50%@a')).toEqual([expect.stringContaining('written %25')]);
  expect(read('BARRAGE_REDIS_URL', 'redis://a:0')).toEqual([expect.stringContaining('port 0')]);
});

test('keys are what a header can carry, names what Kubernetes takes', () => {
  expect(read('BARRAGE_API_KEYS', `${'k'.repeat(16)}, ${'k'.repeat(256)}`)).toHaveLength(2);
  for (const key of ['k'.repeat(257), '钥'.repeat(16), `two words ${'k'.repeat(16)}`])
    expect(faultsOf({ BARRAGE_API_KEYS: key })).toHaveLength(1);
  for (const name of ['Lease', 'a_b', '-a', 'a..b']) expect(faultsOf({ BARRAGE_OPERATOR_LEASE: name }), name).toHaveLength(1);
  expect(read('BARRAGE_OPERATOR_WATCH_NAMESPACES', 'one, two')).toEqual(['one', 'two']);
  expect(faultsOf({ BARRAGE_OPERATOR_WATCH_NAMESPACES: 'one,Two' })).toHaveLength(1);
  expect(faultsOf({ BARRAGE_OPERATOR_IMAGE: 'barrage latest' })).toHaveLength(1);
  expect(read('BARRAGE_OPERATOR_FIRST_POOL', 'shows/quickstart')).toBe('shows/quickstart');
  for (const pool of ['quickstart', 'a/b/c', 'A/b', '/b']) expect(faultsOf({ BARRAGE_OPERATOR_FIRST_POOL: pool }), pool).toHaveLength(1);
});

test('a setting that is ignored without another one is a fault', () => {
  expect(faultsOf({ BARRAGE_JWT_ISSUER: 'https://id.example', BARRAGE_AUTH_URL: 'https://a', BARRAGE_JWT_AUDIENCE: 'me' })).toEqual([
    'BARRAGE_JWT_ISSUER is a claim of JWTs, and none are checked: it needs BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET',
    'BARRAGE_JWT_AUDIENCE is a claim of JWTs, and none are checked: it needs BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET',
  ]);
  expect(faultsOf({ BARRAGE_JWT_ISSUER: 'https://id.example', BARRAGE_JWKS_URL: 'https://a' })).toEqual([]);
  expect(faultsOf({ BARRAGE_REDIS_MODE: 'Cluster', BARRAGE_REDIS_PASSWORD: 'hunter2' })).toEqual([
    'BARRAGE_REDIS_MODE, BARRAGE_REDIS_PASSWORD: of no use without BARRAGE_REDIS_URL, which is not set',
  ]);
  expect(faultsOf({ BARRAGE_REDIS_MODE: 'Cluster', BARRAGE_REDIS_URL: 'redis://a' })).toEqual([]);
});

test('a previous bus is named, is another one, and has an address', () => {
  const whole = {
    BARRAGE_REDIS_URL: 'redis://new',
    BARRAGE_BUS: 'b2',
    BARRAGE_PREVIOUS_BUS: 'a1',
    BARRAGE_PREVIOUS_REDIS_URL: 'redis://old',
  };
  expect(readSettings(whole)).toMatchObject({ settings: { bus: 'b2', previousBus: 'a1', previousRedisPrefix: 'barrage' } });
  expect(faultsOf({ BARRAGE_BUS: 'b2' })).toEqual([]);
  expect(faultsOf({ ...whole, BARRAGE_BUS: 'a1' })).toEqual([
    'BARRAGE_PREVIOUS_BUS="a1": is the same as BARRAGE_BUS, so a pool document could not tell them apart',
  ]);
  expect(faultsOf({ BARRAGE_PREVIOUS_BUS: 'a1' })).toEqual([
    'BARRAGE_PREVIOUS_BUS="a1": needs BARRAGE_BUS, which is not set',
    'BARRAGE_PREVIOUS_BUS="a1": needs BARRAGE_REDIS_URL, which is not set',
    'BARRAGE_PREVIOUS_BUS="a1": needs BARRAGE_PREVIOUS_REDIS_URL, which is not set',
  ]);
  expect(faultsOf({ BARRAGE_PREVIOUS_REDIS_URL: 'redis://:hunter2@a', BARRAGE_PREVIOUS_REDIS_PREFIX: 'x' })).toEqual([
    'BARRAGE_PREVIOUS_REDIS_URL, BARRAGE_PREVIOUS_REDIS_PREFIX: of no use without BARRAGE_PREVIOUS_BUS, which is not set',
  ]);
  for (const id of ['B2', 'a-1', 'x'.repeat(17)]) expect(faultsOf({ ...whole, BARRAGE_BUS: id }), id).toHaveLength(1);
});

test('no text of any variable makes reading throw, and no fault tells a secret', () => {
  const entries = Object.values(settingsTable);
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.webUrl(),
    fc.ipV6(),
    fc.constantFrom('*', 'null', 'https://', 'redis://:%@', '[::1]'),
  );
  fc.assert(
    fc.property(fc.constantFrom(...entries), text, (entry, value) => {
      const result = readSettings({ [entry.variable]: value });
      if (result.kind === 'faults' && 'isSecret' in entry && value.trim().length > 8)
        expect(result.faults.join()).not.toContain(value.trim());
    }),
    { numRuns: 2000 },
  );
});

test('a certificate and its key belong together; with them a gateway takes fewer connections by default', () => {
  const pair = { BARRAGE_TLS_CERT_FILE: '/tls.crt', BARRAGE_TLS_KEY_FILE: '/tls.key' };
  for (const [set, missing] of [Object.keys(pair), Object.keys(pair).toReversed()]) {
    const read = readSettings({ [set ?? '']: '/file' });
    expect(read).toMatchObject({ faults: [`${set} needs ${missing}, which is not set: a certificate and its key belong together`] });
  }
  const bounds = (variables: Readonly<Record<string, string>>): readonly number[] => {
    const read = readSettings(variables);
    return read.kind === 'settings' ? [read.settings.connectionsMax, read.settings.acceptsPerSecond] : [];
  };
  expect([bounds({}), bounds(pair)]).toEqual([
    [20_000, 2_000],
    [8_000, 200],
  ]);
  expect(bounds({ ...pair, BARRAGE_GATEWAY_CONNECTIONS_MAX: '30000' })).toEqual([30_000, 200]);
});
