import { expect, test } from 'vitest';
import { readSettings, type Settings } from '../../core/process/settings.ts';
import { listenFault } from '../../publisher/access.ts';
import { withOwnKey } from '../../standalone/own-key.ts';

const outside = { BARRAGE_PUBLISHER_HOST: '::' };

function settingsOf(variables: Readonly<Record<string, string>>): Settings {
  const read = readSettings(variables);
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  return read.settings;
}

test('a process that others can reach and that has no key makes one, another at each start', () => {
  const made = withOwnKey(settingsOf(outside));
  expect(made.key).toMatch(/^[0-9a-f]{48}$/);
  expect(made.settings.apiKeys).toEqual([made.key]);
  expect(listenFault({ host: '::', apiKeys: made.settings.apiKeys })).toBeUndefined();
  expect(withOwnKey(settingsOf(outside)).key).not.toBe(made.key);
  // The key is one that BARRAGE_API_KEYS would take.
  expect(settingsOf({ BARRAGE_API_KEYS: made.key ?? '' }).apiKeys).toEqual([made.key]);
});

test.each([
  ['on loopback', {}],
  ['with a key', { ...outside, BARRAGE_API_KEYS: 'a-key-that-is-long-enough' }],
])('a process %s makes none', (_, variables) => {
  const settings = settingsOf(variables);
  expect(withOwnKey(settings)).toEqual({ settings });
});

test('a process that shares a Redis makes none, and is refused as before', () => {
  const settings = settingsOf({ ...outside, BARRAGE_REDIS_URL: 'redis://127.0.0.1:1' });
  expect(withOwnKey(settings)).toEqual({ settings });
  expect(listenFault({ host: settings.publisherHost, apiKeys: settings.apiKeys })).toContain('Set BARRAGE_API_KEYS');
});
