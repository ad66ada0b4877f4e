/** Headers by lower-case name, as `node:http` reads them. A repeated header is one list with commas. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

const authority = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const pathSegments = /^(?:\/[A-Za-z0-9._~!$&'()*+;=:@%-]+)+$/;
/** Longest header that is read, in characters. Proxies write far less. */
const headerCharactersMax = 1_024;

/**
 * The WebSocket URL at which a client reached this gateway, `wss://HOST/PREFIX/`, from the headers of the proxies.
 * `undefined` when no header names a host. `Forwarded` (RFC 7239) comes before `X-Forwarded-Proto` and
 * `X-Forwarded-Host`, which come before `Host`. The first of several values counts: the proxy nearest to the client
 * wrote it. Prefixes are joined in their order. An unreadable value counts as none.
 * @param isEncrypted whether the request itself came by TLS: it counts when no proxy tells its scheme
 */
export function publicAddress(headers: RequestHeaders, isEncrypted = false): string | undefined {
  const { proto, host } = forwardedPairs(headers);
  const [scheme = isEncrypted ? 'wss' : 'ws'] = [...proto, ...listed(headers, 'x-forwarded-proto')];
  const hosts = [...host, ...listed(headers, 'x-forwarded-host'), ...listed(headers, 'host')];
  const reached = hosts.find((each) => authority.test(each));
  if (reached === undefined) return undefined;
  const isSecure = /^(?:https|wss)$/i.test(scheme);
  return `${isSecure ? 'wss' : 'ws'}://${reached}${prefixOf(headers)}/`;
}

function prefixOf(headers: RequestHeaders): string {
  const prefix = listed(headers, 'x-forwarded-prefix')
    .map((part) => part.replace(/\/+$/, ''))
    .join('');
  return pathSegments.test(prefix) ? prefix : '';
}

/** The values of a header between its commas, without quotes. */
function listed(headers: RequestHeaders, name: string): readonly string[] {
  return textOf(headers, name)
    .split(',')
    .map((item) => item.trim().replace(/^"(.*)"$/, '$1'))
    .filter((item) => item !== '');
}

/** The values of `proto` and `host` in `Forwarded`, in their order. */
function forwardedPairs(headers: RequestHeaders): { readonly proto: readonly string[]; readonly host: readonly string[] } {
  const proto: string[] = [];
  const host: string[] = [];
  for (const [, name = '', value = ''] of textOf(headers, 'forwarded').matchAll(/([^\s;,="]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)/g)) {
    const read = value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
    if (read === '') continue;
    if (name.toLowerCase() === 'proto') proto.push(read);
    else if (name.toLowerCase() === 'host') host.push(read);
  }
  return { proto, host };
}

function textOf(headers: RequestHeaders, name: string): string {
  const value = headers[name] ?? '';
  const text = typeof value === 'string' ? value : value.join(',');
  return text.length > headerCharactersMax ? '' : text;
}
