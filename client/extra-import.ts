import type * as Extra from './extra.ts';

/** Where the extra part lies, for people. */
export const extraPlace = 'the extra part of @barrage-live/client';

/**
 * Loads the extra part. The file for browsers has another form of this (`client/package/script.ts`).
 * @param _failures failed attempts before: a browser remembers that an address could not be loaded
 */
export function importExtra(_failures: number): Promise<typeof Extra> {
  return import('./extra.ts');
}
