import calculateSlot from 'cluster-key-slot';
import type { RedisNode } from './access.ts';

export const slotCount = 16_384;

/**
 * The slot of a key or bus channel: of the text in its first pair of braces, or of all of it. The library misreads an
 * empty pair before another pair (`a{}{b}`). No name of this bus has an empty pair.
 */
export function slotOf(name: string): number {
  return calculateSlot(name);
}

/** One node's view of one master: its address and its slots. */
interface Claim {
  readonly id: string;
  readonly address: string;
  /** The master with the greater epoch wins a slot that two masters claim. */
  readonly epoch: number;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** One node's view of the Cluster. */
export interface ClusterView {
  /** Id of the node with this view. */
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
 * Reads the answer to CLUSTER NODES. `asked` is the address of the answering node, which may not know its own. `byName`
 * prefers announced names to IP addresses: certificates are made for names.
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

/** Reads `ip:port@busport`, or `ip:port@busport,name` with an announced name. Later versions add further parts. */
function addressIn(place: string, asked: RedisNode | undefined, byName: boolean): string | undefined {
  const [socket = '', name = ''] = place.split(',');
  const { host, port } = nodeAt(socket.split('@', 1)[0]!);
  const announced = byName && name !== '' && !name.includes('=') ? name : host;
  const known = announced === '' ? asked?.host : announced;
  return known === undefined || !(port > 0) ? undefined : addressOf({ host: known, port });
}

/**
 * Merges views into the master's address for each slot; `undefined` for a slot without a master. A master's view of
 * itself counts before other nodes' views: they learn of a move later.
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
