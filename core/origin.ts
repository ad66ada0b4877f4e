/** A web origin in one spelling, or what is wrong with how it is written and how it is right, in words. */
export type ReadOrigin = { readonly kind: 'origin'; readonly origin: string } | { readonly kind: 'fault'; readonly message: string };

const example = 'such as https://example.com';

/**
 * Reads an origin as people write it: capitals, a default port and a slash at the end are taken. `null` stands for
 * pages that have none (sandboxed, or from a file), and `capacitor://localhost` and the like for apps. What no browser
 * sends as an origin is a fault.
 */
export function readOrigin(text: string): ReadOrigin {
  const fault = (message: string): ReadOrigin => ({ kind: 'fault', message: `${shown(text)} ${message}` });
  if (/^null$/i.test(text)) return { kind: 'origin', origin: 'null' };
  if (/^file:\/\/\/?$/i.test(text)) return { kind: 'origin', origin: 'file://' };
  if (text.includes('*')) return fault('is a pattern, and patterns are not taken: list each origin, or write * alone for all');
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const scheme = /^(?:localhost|127\.|\[::1\])/i.test(text) ? 'http' : 'https';
    const whole = originOf(`${scheme}://${text}`);
    return fault(whole === undefined ? `is no origin: write scheme and host, ${example}` : `has no scheme: write ${whole}`);
  }
  const origin = originOf(text);
  if (origin === undefined) return fault(`is no origin: write scheme and host, ${example}`);
  if (/^wss?:/i.test(text)) return fault(`is no origin of a page: write ${origin.replace(/^ws/, 'http')}`);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '' || !/^\/?$/.test(url.pathname))
    return fault(`is more than an origin: write ${origin}`);
  return { kind: 'origin', origin };
}

/**
 * An `Origin` header in the one spelling of `readOrigin`; `undefined` where it is none. Browsers send it in that
 * spelling already.
 * @see RFC 6454, 6.2
 */
export function originOfHeader(header: string): string | undefined {
  const read = readOrigin(header);
  return read.kind === 'origin' ? read.origin : undefined;
}

/**
 * Whether a page of this origin comes from the host that a request asked for, whatever the spelling of either, and with
 * or without a default port.
 */
export function isOfHost(origin: string, host: string): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  return scheme !== undefined && /^[^\s/?#@\\]+$/.test(host) && originOf(`${scheme}${host}`) === origin;
}

/** A host as URLs give it back, with its port where it is not the default. */
const hostPattern = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i;

/**
 * The origin of a URL with a host; `undefined` where it is no such URL. Schemes that the URL standard does not know
 * keep their port.
 */
function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !hostPattern.test(url.host)) return undefined;
  return url.origin === 'null' ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
