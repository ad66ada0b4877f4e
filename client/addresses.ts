import { checked, isText } from './arguments.ts';

/** An address that a client begins with: a gateway's WebSocket, or a URL that names gateways. */
export interface Address {
  /** `gateway`: a WebSocket URL. `connect`: the URL of a gateway's or pool's `GET /v1/connect`. */
  readonly kind: 'gateway' | 'connect';
  readonly url: string;
}

/** Most addresses that an application can give. */
export const addressesMax = 32;

/** Path of the question where to connect. */
export const connectPath = '/v1/connect';

/**
 * Reads the application's address or addresses. A path is resolved against the page's address.
 * @throws TypeError for a value that is neither text nor a URL object; SyntaxError for a URL that is no ws, wss, http
 * or https URL
 */
export function readAddresses(given: unknown, page: string | undefined): readonly Address[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0 || list.length > addressesMax) {
    throw new TypeError(`a client takes 1 to ${addressesMax} addresses, and got ${list.length}`);
  }
  return list.map((each) => readAddress(each, page));
}

function readAddress(given: unknown, page: string | undefined): Address {
  const isGood = (value: unknown): boolean => isText(value) || value instanceof URL;
  const what = 'a ws, wss, http or https URL as text or as a URL object';
  const text = String(checked('an address', given ?? null, isGood, what) as string | URL);
  const url = parseUrl(text, page);
  if (url === undefined || !/^(?:ws|http)s?:/.test(url.href)) {
    throw new SyntaxError(`${text} is no ws, wss, http or https URL: write it as wss://example.com/`);
  }
  if (isWebSocket(url)) return { kind: 'gateway', url: url.href };
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(connectPath) ? path : `${path}${connectPath}`;
  return { kind: 'connect', url: url.href };
}

/** Whether a URL is that of a WebSocket. */
export function isWebSocket({ protocol }: URL): boolean {
  return /^wss?:/.test(protocol);
}

/** Reads a URL; `undefined` for a text that is none. */
export function parseUrl(text: string, base: string | undefined): URL | undefined {
  try {
    const url = new URL(text, base);
    // A WebSocket URL may have no fragment.
    url.hash = '';
    return url;
  } catch {
    return undefined;
  }
}
