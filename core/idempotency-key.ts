import { hash } from 'node:crypto';
import type { Position, Publication } from './publication.ts';

/** Length of `IdempotencyKey.id`, in bytes: two keys in 2^56 that many senders choose by chance are taken for one. */
export const keyIdBytes = 14;
/** Length of `IdempotencyKey.content`, in bytes. */
export const keyContentBytes = 8;
/** Most characters of a key, as its sender writes it. */
export const keyCharactersMax = 128;

/**
 * A sender's idempotency key, as a bus remembers it: two digests of a fixed length, so that what is remembered is
 * bounded by its number. Each character is one byte.
 */
export interface IdempotencyKey {
  /** Digest of the key and of who chose it. */
  readonly id: string;
  /** Digest of what was published with it. */
  readonly content: string;
}

/** The keys of one append. */
export interface AppendKeys {
  /** Time for which a key is remembered at least, in seconds; above 0. */
  readonly windowSeconds: number;
  /** Most keys that the channel may remember for new ones to be taken; absent: as many as the bus remembers. */
  readonly keysMax?: number;
  /** One for each publication; `undefined`: it has none. No key stands twice. */
  readonly keys: readonly (IdempotencyKey | undefined)[];
}

/** The fault of a text that is to be a key, in words; `undefined` without one. */
export function keyFault(text: string): string | undefined {
  const isGood = /^[\x21-\x7e]+$/.test(text) && text.length <= keyCharactersMax;
  return isGood ? undefined : `must be 1 to ${keyCharactersMax} visible ASCII characters without spaces, such as a UUID`;
}

/** A string of a structured field, without its quotes (RFC 9651, 3.3.3). */
const fieldString = String.raw`(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*`;
/** Values of parameters: a number, a date, a string, a token, bytes or a truth value (RFC 9651, 3.3). */
const fieldValue = String.raw`@?-?\d{1,15}(?:\.\d{1,3})?|"${fieldString}"|[A-Za-z*][!#$%&'*+\-.^_\x60|~:/0-9A-Za-z]*|:[A-Za-z0-9+/=]*:|\?[01]`;
/** A string and its parameters (RFC 9651, 3.1.2 and 3.3). */
const stringItem = new RegExp(`^ *"(${fieldString})"(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:${fieldValue}))?)* *$`);

/**
 * Reads the header `Idempotency-Key`: a string of a structured field, as draft-ietf-httpapi-idempotency-key-header has
 * it, whose parameters mean nothing here; or the bare key. Returns text that `keyFault` may still refuse.
 */
export function keyOfHeader(value: string): string {
  const quoted = stringItem.exec(value)?.[1];
  return quoted === undefined ? value : quoted.replaceAll(/\\(.)/g, '$1');
}

/**
 * The key of a publication. The time and the trace are left out of its content, since a repetition has others.
 * @param author who chose the key: authors never meet each other's keys. Every backend is the same one
 * @param text without a `keyFault`
 */
export function idempotencyKey(author: string, text: string, publication: Publication): IdempotencyKey {
  const { kind, priority, ttlMs, conflation, payload } = publication;
  const { key, mode, count } = conflation ?? {};
  const fields = Buffer.from(JSON.stringify([kind, priority, ttlMs, key, mode, count]));
  return {
    // No key has a space: the last one ends the author.
    id: hash('sha256', `${author} ${text}`, 'latin1').slice(0, keyIdBytes),
    content: hash('sha256', Buffer.concat([fields, payload]), 'latin1').slice(0, keyContentBytes),
  };
}

/** What is remembered of a key: what was published with it, and where. */
export interface RememberedKey {
  readonly content: string;
  readonly place: Position;
}
