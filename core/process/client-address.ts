import { BlockList, isIP, isIPv4 } from 'node:net';

/** Most addresses of `X-Forwarded-For` that are read, from its end: a client may write as many as it likes. */
const hopsMax = 32;
/** An IPv4 address as a socket that takes both families shows it. */
const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** An entry with a port: `192.0.2.1:1234`, `[2001:db8::1]:1234`, or an IPv6 address in brackets alone. */
const withPort = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?)$/;

/** A range of addresses, as a setting gives it. */
export interface AddressRange {
  readonly address: string;
  /** Leading bits that all its addresses share. */
  readonly prefix: number;
}

/** The parts of a request that tell its sender's address. */
export interface Addressed {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * Tells clients' addresses behind proxies. Without a trusted proxy it is the address of the socket.
 *
 * Each proxy appends to `X-Forwarded-For` the address that it was reached from. So the header is read from its end, and
 * only as far as trusted proxies wrote it: what stands before that is the client's own word. `Forwarded` (RFC 7239) is
 * not read. A proxy that writes one of the two headers passes the other one on as the client sent it.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList();

  constructor(ranges: readonly AddressRange[]) {
    for (const { address, prefix } of ranges) this.#trusted.addSubnet(address, prefix, familyOf(address));
  }

  /** The address of a request's sender; `unknown` when its socket is gone already. */
  of({ socket, headers }: Addressed): string {
    let address = plainAddress(socket.remoteAddress ?? '');
    if (address === undefined) return 'unknown';
    const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
    for (let hop = 1; hop <= Math.min(hopsMax, forwarded.length) && this.#isTrusted(address); hop++) {
      const before = plainAddress(forwarded.at(-hop)?.trim() ?? '');
      if (before === undefined) return address;
      address = before;
    }
    return address;
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.check(address, familyOf(address));
  }
}

/** Reads `10.0.0.0/8`, `2001:db8::/32` or a single address; `undefined` for anything else. */
export function readRange(text: string): AddressRange | undefined {
  const [address = '', bits, ...others] = text.split('/');
  const longest = isIPv4(address) ? 32 : 128;
  if (isIP(address) === 0 || address.includes('%') || others.length > 0) return undefined;
  if (bits === undefined) return { address, prefix: longest };
  const prefix = Number(bits);
  return /^\d{1,3}$/.test(bits) && prefix <= longest ? { address, prefix } : undefined;
}

/** An address without a port or brackets, and IPv4 as IPv4; `undefined` when it is no address. */
function plainAddress(text: string): string | undefined {
  const [, ipv4, ipv6] = withPort.exec(text) ?? [];
  const bare = ipv4 ?? ipv6 ?? text;
  const address = mappedIpv4.exec(bare)?.[1] ?? bare;
  return isIP(address) === 0 ? undefined : address;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}
