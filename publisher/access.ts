import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopbackHost, isLoopbackHostHeader, isLoopbackOrigin } from '../core/process/loopback.ts';

/** Why a publisher must not listen on this host with these keys; `undefined` where it may. */
export function listenFault(options: { readonly host: string; readonly apiKeys: readonly string[] }): string | undefined {
  if (options.apiKeys.length > 0 || isLoopbackHost(options.host)) return undefined;
  return (
    `BARRAGE_PUBLISHER_HOST="${options.host}" is reachable from other machines, and without keys everybody there could publish. ` +
    'Set BARRAGE_API_KEYS (keys of at least 16 characters, separated by commas), or listen on 127.0.0.1.'
  );
}

/**
 * Who may publish: with keys, whoever presents one; without, this machine's own programs.
 *
 * Without keys a web page is the danger: every page can reach localhost. One of a foreign origin is known by its
 * `Origin`, one whose DNS name was rebound to 127.0.0.1 by its `Host`, and a form can't send `application/json`.
 */
export class Access {
  readonly #keyHashes: readonly Buffer[];

  constructor(apiKeys: readonly string[]) {
    this.#keyHashes = apiKeys.map(hashOf);
  }

  /** Why the sender of these headers is not let in, in words for it; `undefined` where it is. */
  fault(headers: IncomingHttpHeaders): string | undefined {
    return this.#keyHashes.length > 0 ? this.#keyFault(headers) : loopbackFault(headers);
  }

  #keyFault(headers: IncomingHttpHeaders): string | undefined {
    const presented = presentedKey(headers);
    if (presented === undefined) return 'present an API key: Authorization: Bearer KEY, or X-API-Key: KEY';
    const hash = hashOf(presented);
    // Hashes have one length, and every key is compared: the time tells nothing about them.
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
