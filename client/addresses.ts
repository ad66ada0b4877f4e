/** An address that a client begins with: a gateway's WebSocket, or a URL that names gateways. */
export interface Address {
  /** `gateway`: a WebSocket URL. `connect`: the URL of a gateway's or pool's `GET /v1/connect`. */
  readonly kind: 'gateway' | 'connect';
  readonly url: string;
}

/** Most addresses that an application can give. */
export const addressesMax = 32;

const connectPath = '/v1/connect';
const encrypted = /^(?:wss|https):/;

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
  if (typeof given !== 'string' && !(given instanceof URL)) {
    throw new TypeError(
      `an address is a ws, wss, http or https URL as text or as a URL object, and not ${given === null ? 'null' : typeof given}`,
    );
  }
  const url = parse(String(given), page);
  if (url === undefined) throw new SyntaxError(`${String(given)} is no URL: write it as wss://example.com/`);
  if (isWebSocket(url)) return { kind: 'gateway', url: url.href };
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new SyntaxError(`${String(given)} is neither a ws or wss URL nor an http or https URL`);
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(connectPath) ? path : `${path}${connectPath}`;
  return { kind: 'connect', url: url.href };
}

/** The URL to ask when this gateway can't be reached: `GET /v1/connect` of its own origin. */
export function connectAddressOf(gatewayUrl: string): string {
  const url = new URL(connectPath, gatewayUrl);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  return url.href;
}

/** The URL to ask for a channel's gateways. */
export function questionFor(connectUrl: string, channel: string): string {
  const url = new URL(connectUrl);
  url.searchParams.set('channel', channel);
  return url.href;
}

/** Whether a move from one URL to another leaves encryption, and so sends the token in the clear. */
export function leavesEncryption(from: string, to: string): boolean {
  return encrypted.test(from) && !encrypted.test(to);
}

/** An answer to `GET /v1/connect`: WebSocket URLs, the best first, and the present back-off. */
export interface Directions {
  readonly urls: readonly string[];
  readonly backoff: { readonly baseMs: number; readonly capMs: number } | undefined;
  /** Whether the gateway refuses dials now, since so many come. */
  readonly isCrowded: boolean;
  /** The transport to come with, where the gateway takes no more connections. */
  readonly transport: string | undefined;
}

/** Reads the answer from `askedUrl`; `undefined` when it names no gateway that this client may connect to. */
export function readDirections(answer: unknown, askedUrl: string): Directions | undefined {
  const { urls, backoff, crowded, transport } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  if (!Array.isArray(urls)) return undefined;
  const usable = (urls as readonly unknown[]).flatMap((each) => {
    const url = typeof each === 'string' ? parse(each, undefined) : undefined;
    return url !== undefined && isWebSocket(url) && !leavesEncryption(askedUrl, url.href) ? [url.href] : [];
  });
  if (usable.length === 0) return undefined;
  const { baseMs, capMs } = (typeof backoff === 'object' && backoff !== null ? backoff : {}) as Record<string, unknown>;
  return {
    urls: usable.slice(0, addressesMax),
    backoff: isPositive(baseMs) && isPositive(capMs) ? { baseMs, capMs } : undefined,
    isCrowded: crowded === true,
    transport: typeof transport === 'string' ? transport : undefined,
  };
}

function isWebSocket({ protocol }: URL): boolean {
  return protocol === 'ws:' || protocol === 'wss:';
}

function parse(text: string, base: string | undefined): URL | undefined {
  try {
    const url = new URL(text, base);
    // A WebSocket URL may have no fragment.
    url.hash = '';
    return url;
  } catch {
    return undefined;
  }
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
