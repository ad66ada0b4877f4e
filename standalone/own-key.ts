import { newApiKey } from '../core/process/new-api-key.ts';
import type { Settings } from '../core/process/settings.ts';
import { listenFault } from '../publisher/access.ts';

/**
 * Settings by which the all-in-one process can be reached from elsewhere: with a generated key, where it would need one
 * and has none. A process that shares a Redis or a pool gets none, since no other process would know the key.
 * @returns the settings to run with, and the generated key
 */
export function withOwnKey(settings: Settings): { readonly settings: Settings; readonly key?: string } {
  const isAlone = settings.redisUrl === '' && settings.poolPublicKey === '';
  if (!isAlone || listenFault({ host: settings.publisherHost, apiKeys: settings.apiKeys }) === undefined) return { settings };
  const key = newApiKey();
  return { settings: { ...settings, apiKeys: [key] }, key };
}
