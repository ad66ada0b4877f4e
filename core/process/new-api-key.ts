import { randomBytes } from 'node:crypto';

const keyBytes = 24;

/**
 * A new API key: 192 bits of chance in 48 hexadecimal digits. It has no `-`, which a command line would take for the
 * beginning of an option, and a double click selects all of it.
 */
export function newApiKey(): string {
  return randomBytes(keyBytes).toString('hex');
}
