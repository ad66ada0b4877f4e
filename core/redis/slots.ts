import calculateSlot from 'cluster-key-slot';
import type { RedisNode } from './access.ts';

export const slotCount = 16_384;

/**
 * The slot of a key or bus channel: of the text in its first pair of braces, or of all of it.
 * The library misreads an empty pair before another pair (`a{}{b}`). No name of ours has an empty pair.
 */
export function slotOf(name: string): number {
  return calculateSlot(name);
}

/** What one node says of one master: where it is and which slots it has. */
interface Claim {
  readonly id: string;
  readonly address: string;
  /** Of two masters that claim a slot the one with the greater epoch has it. */
  readonly epoch: number;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** What one node says of the Cluster. */
export interface ClusterView {
  /** Id of the node that says it. */
  readonly speaker: string;
  readonly claims: readonly Claim[];
}

export function addressOf({ host, port }: RedisNode): string {
  return `${host}:${port}`;
}

export function nodeAt(address: string): RedisNode {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/**
 * Reads the answer to CLUSTER NODES. `asked` is where the answer comes from: a node may not know its own address. With
 * `byName` the names that nodes announce count before their IP addresses: certificates are made for names.
 */
export function readClusterNodes(answer: string, asked: RedisNode, byName: boolean): ClusterView {
  let speaker = '';
  const claims: Claim[] = [];
  for (const line of answer.split('\n')) {
    const [id = '', place = '', flags = '', , , , epoch = '', , ...slots] = line.trim().split(' ');
    const words = new Set(flags.split(','));
    if (words.has('myself')) speaker = id;
    if (!words.has('master') || words.has('noaddr') || words.has('handshake')) continue;
    const ranges = slots.filter((word) => /^\d+(-\d+)?$/.test(word)).map((word) => word.split('-').map(Number));
    const address = addressIn(place, words.has('myself') ? asked : undefined, byName);
    if (address === undefined) continue;
    claims.push({ id, address, epoch: Number(epoch), ranges: ranges.map(([first, last]) => [first!, last ?? first!] as const) });
  }
  return { speaker, claims };
}

/** `ip:port@busport`, with a name announced `ip:port@busport,name`, and further parts in later versions. */
function addressIn(place: string, asked: RedisNode | undefined, byName: boolean): string | undefined {
  const [socket = '', name = ''] = place.split(',');
  const { host, port } = nodeAt(socket.split('@', 1)[0]!);
  const announced = byName && name !== '' && !name.includes('=') ? name : host;
  const known = announced === '' ? asked?.host : announced;
  return known === undefined || !(port > 0) ? undefined : addressOf({ host: known, port });
}

/**
 * Which master has each slot (by address), as far as these views together say: what a master says of itself counts
 * before what others say of it, because they hear of a move later; `undefined` for a slot that nobody has.
 */
export function mergeViews(views: readonly ClusterView[]): readonly (string | undefined)[] {
  const speakers = new Set(views.map(({ speaker }) => speaker));
  const owners = Array.from<string | undefined>({ length: slotCount });
  const epochs = new Float64Array(slotCount).fill(-1);
  for (const { speaker, claims } of views) {
    for (const { id, address, epoch, ranges } of claims) {
      if (id !== speaker && speakers.has(id)) continue;
      for (const [first, last] of ranges) {
        for (let slot = first; slot <= Math.min(last, slotCount - 1); slot++) {
          if (epoch <= epochs[slot]!) continue;
          epochs[slot] = epoch;
          owners[slot] = address;
        }
      }
    }
  }
  return owners;
}

export function sameOwners(some: readonly (string | undefined)[], others: readonly (string | undefined)[]): boolean {
  return some.length === others.length && some.every((owner, slot) => owner === others[slot]);
}
