/** What a bad network does to packets, in both directions. */
export interface WireRules {
  /** Share of the packets that are lost, 0 to 1. */
  readonly lossShare?: number;
  /** Time that each packet takes longer, in milliseconds. */
  readonly delayMs?: number;
  /** Every so often nothing passes for a while: packets wait until it is over. */
  readonly stalls?: { readonly everyMs: number; readonly forMs: number };
  /** Nothing passes: `all`, or packets from or to these TCP ports. */
  readonly cut?: 'all' | readonly number[];
}

/** Place of the IPv4 header in a VXLAN datagram, behind the headers of VXLAN and Ethernet. */
const ipAt = 22;
const tcpProtocol = 6;

interface TcpPart {
  /** Where the TCP header begins, and where its segment ends. */
  readonly from: number;
  readonly to: number;
}

/** The TCP segment in a VXLAN datagram; `undefined` for anything else, such as ARP. */
function tcpOf(datagram: Buffer): TcpPart | undefined {
  const isIp = datagram.length >= ipAt + 40 && datagram.readUInt16BE(ipAt - 2) === 0x0800;
  if (!isIp || datagram[ipAt + 9] !== tcpProtocol) return undefined;
  const from = ipAt + (datagram[ipAt]! & 15) * 4;
  return { from, to: Math.min(datagram.length, ipAt + datagram.readUInt16BE(ipAt + 2)) };
}

/**
 * When a packet leaves the wire, in milliseconds of the same clock as `now`; `undefined`: never.
 * @param random in [0, 1)
 */
export function leavesAt(datagram: Buffer, rules: WireRules, now: number, random: () => number): number | undefined {
  const { lossShare = 0, delayMs = 0, stalls, cut = [] } = rules;
  if (cut === 'all' || isOfPort(datagram, cut) || random() < lossShare) return undefined;
  const intoTurn = stalls === undefined ? 0 : now % stalls.everyMs;
  const waitMs = stalls !== undefined && intoTurn < stalls.forMs ? stalls.forMs - intoTurn : 0;
  return now + waitMs + delayMs;
}

function isOfPort(datagram: Buffer, ports: readonly number[]): boolean {
  const tcp = ports.length === 0 ? undefined : tcpOf(datagram);
  if (tcp === undefined) return false;
  return ports.includes(datagram.readUInt16BE(tcp.from)) || ports.includes(datagram.readUInt16BE(tcp.from + 2));
}

/**
 * Writes the checksum of the TCP segment. The kernel leaves it to a network card, which this wire does not have, and
 * drops segments without a right one.
 */
export function writeChecksum(datagram: Buffer): void {
  const tcp = tcpOf(datagram);
  if (tcp === undefined) return;
  const { from, to } = tcp;
  datagram.writeUInt16BE(0, from + 16);
  let sum = tcpProtocol + (to - from);
  for (let at = ipAt + 12; at < ipAt + 20; at += 2) sum += datagram.readUInt16BE(at);
  for (let at = from; at + 1 < to; at += 2) sum += datagram.readUInt16BE(at);
  if ((to - from) % 2 === 1) sum += datagram[to - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  datagram.writeUInt16BE(~sum & 0xffff, from + 16);
}

/** A repeatable sequence of numbers in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
