import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopbackHost, isLoopbackHostHeader, isLoopbackOrigin } from '../core/process/loopback.ts';

/** The reason that a publisher must not listen on this host with these keys; `undefined` when it may. */
export function listenFault(options: { readonly host: string; readonly apiKeys: readonly string[] }): string | undefined {
  if (options.apiKeys.length > 0 || isLoopbackHost(options.host)) return undefined;
  return (
    `BARRAGE_PUBLISHER_HOST="${options.host}" is reachable from other machines, and without keys everybody there could publish. ` +
    'Set BARRAGE_API_KEYS (keys of at least 16 characters, separated by commas), or listen on 127.0.0.1.'
  );
}

/**
 * Decides who may publish: with keys, senders that present one; without keys, this machine's own programs.
 *
 * Without keys web pages are the danger: every page can reach localhost. `Origin` identifies a page of a foreign
 * origin. `Host` identifies a page whose DNS name was rebound to 127.0.0.1. A form can't send `application/json`.
 */
export class Access {
  readonly #keyHashes: readonly Buffer[];

  constructor(apiKeys: readonly string[]) {
    this.#keyHashes = apiKeys.map(hashOf);
  }

  /** The reason that a request with these headers is refused, in words for its sender; `undefined` when it is not. */
  fault(headers: IncomingHttpHeaders): string | undefined {
    return this.#keyHashes.length > 0 ? this.#keyFault(headers) : loopbackFault(headers);
  }

  #keyFault(headers: IncomingHttpHeaders): string | undefined {
    const presented = presentedKey(headers);
    if (presented === undefined) return 'present an API key: Authorization: Bearer KEY, or X-API-Key: KEY';
    const hash = hashOf(presented);
    // Hashes have the same length and every key is compared, so the duration reveals nothing about the keys.
    let known = false;
    for (const keyHash of this.#keyHashes) known = timingSafeEqual(hash, keyHash) || known;
    return known ? undefined : 'this API key is not known here';
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const key = headers['x-api-key'];
  return typeof key === 'string' ? key : undefined;
}

function loopbackFault(headers: IncomingHttpHeaders): string | undefined {
  const remedy = 'without BARRAGE_API_KEYS only programs on this machine may publish; set it and present a key';
  if (!isLoopbackHostHeader(headers.host)) return `the Host header does not name localhost: ${remedy}`;
  if (headers.origin !== undefined && !isLoopbackOrigin(headers.origin)) return `this page comes from another host: ${remedy}`;
  return undefined;
}

/** Hexadecimal digits of a key's name. */
const nameLength = 8;

/**
 * The name of the key that a request presents: the beginning of its SHA-256. It tells keys apart and gives none away.
 * `undefined` for a request without one.
 */
export function keyNameOf(headers: IncomingHttpHeaders): string | undefined {
  const key = presentedKey(headers);
  return key === undefined ? undefined : hashOf(key).toString('hex').slice(0, nameLength);
}
