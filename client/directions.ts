import { addressesMax, connectPath, isWebSocket, parseUrl } from './addresses.ts';

const encrypted = /^(?:wss|https):/;

/** The URL to ask when this gateway can't be reached: `GET /v1/connect` of its own origin. */
export function connectAddressOf(gatewayUrl: string): string {
  const url = new URL(connectPath, gatewayUrl);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
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
  /** Why the gateway refuses this page, in words. */
  readonly refused: string | undefined;
}

/** Reads the answer from `askedUrl`; `undefined` when it names no gateway that this client may connect to. */
export function readDirections(answer: unknown, askedUrl: string): Directions | undefined {
  const { urls, backoff, crowded, transport, refused } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<
    string,
    unknown
  >;
  if (!Array.isArray(urls)) return undefined;
  const usable = (urls as readonly unknown[]).flatMap((each) => {
    const url = typeof each === 'string' ? parseUrl(each, undefined) : undefined;
    // Where a balancer ends TLS and writes no header, the gateway names the asked host as it heard it.
    if (url?.protocol === 'ws:' && encrypted.test(askedUrl) && url.host === new URL(askedUrl).host) url.protocol = 'wss:';
    return url !== undefined && isWebSocket(url) && !leavesEncryption(askedUrl, url.href) ? [url.href] : [];
  });
  if (usable.length === 0) return undefined;
  const { baseMs, capMs } = (typeof backoff === 'object' && backoff !== null ? backoff : {}) as Record<string, unknown>;
  return {
    urls: usable.slice(0, addressesMax),
    backoff: isPositive(baseMs) && isPositive(capMs) ? { baseMs, capMs } : undefined,
    isCrowded: crowded === true,
    transport: typeof transport === 'string' ? transport : undefined,
    refused: typeof refused === 'string' ? refused.slice(0, 500) : undefined,
  };
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
