/** A web origin in its canonical spelling, or a fault that names the right spelling. */
export type ReadOrigin = { readonly kind: 'origin'; readonly origin: string } | { readonly kind: 'fault'; readonly message: string };

const example = 'such as https://example.com';

/**
 * Reads an origin as people write it. Capitals, a default port and a trailing slash are accepted. `null` stands for
 * pages without an origin (sandboxed, or from a file). Apps use origins such as `capacitor://localhost`. A text that no
 * browser sends as an origin is a fault.
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
 * An `Origin` header in the canonical spelling of `readOrigin`; `undefined` when it is none. Browsers already send that
 * spelling.
 * @see RFC 6454, 6.2
 */
export function originOfHeader(header: string): string | undefined {
  const read = readOrigin(header);
  return read.kind === 'origin' ? read.origin : undefined;
}

/** Whether this origin's host is the host that a request asked for. Spelling and a default port make no difference. */
export function isOfHost(origin: string, host: string): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  return scheme !== undefined && /^[^\s/?#@\\]+$/.test(host) && originOf(`${scheme}${host}`) === origin;
}

/** A host in the spelling of URLs, with its port unless it is the default. */
const hostPattern = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i;

/** The origin of a URL with a host; `undefined` for other texts. Schemes outside the URL standard keep their port. */
function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !hostPattern.test(url.host)) return undefined;
  return url.origin === 'null' ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
