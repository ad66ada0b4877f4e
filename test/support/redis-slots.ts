import assert from 'node:assert/strict';
import { readClusterNodes, slotCount } from '../../core/redis/slots.ts';
import { until } from './websocket.ts';

/** A node of a Redis Cluster to which commands can be sent. */
export interface ClusterNode {
  /** Where the other nodes reach it. */
  readonly host: string;
  readonly port: number;
  readonly clusterPort: number;
  command(...words: string[]): Promise<string>;
}

/** Makes a Cluster of nodes that are empty: the slots evenly among `masters`, `others` without any. */
export async function joinCluster(masters: readonly ClusterNode[], others: readonly ClusterNode[] = []): Promise<void> {
  const nodes = [...masters, ...others];
  const [first] = masters;
  for (const [index, master] of masters.entries()) {
    const from = Math.floor((index * slotCount) / masters.length);
    const to = Math.floor(((index + 1) * slotCount) / masters.length) - 1;
    expectOk(await master.command('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`));
    expectOk(await master.command('CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`));
  }
  for (const node of nodes)
    if (node !== first) expectOk(await first!.command('CLUSTER', 'MEET', node.host, `${node.port}`, `${node.clusterPort}`));
  const met = async (): Promise<boolean> => {
    const answers = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
    return answers.every(
      (answer) => answer.includes(`cluster_known_nodes:${nodes.length} `) && answer.includes(`cluster_slots_assigned:${slotCount} `),
    );
  };
  await until(met, 20);
}

export async function nodeIdOf(node: ClusterNode): Promise<string> {
  return (await node.command('CLUSTER', 'MYID')).split(' ').at(-1)!;
}

/** The master that says of itself that it has the slot. */
export async function ownerOf<Node extends ClusterNode>(nodes: readonly Node[], slot: number): Promise<Node | undefined> {
  for (const node of nodes) {
    const answer = await node.command('CLUSTER', 'NODES').catch(() => '');
    const { speaker, claims } = readClusterNodes(answer.replace(/^\$\d+ /, ''), node, false);
    const ranges = claims.find(({ id }) => id === speaker)?.ranges ?? [];
    if (ranges.some(([first, last]) => first <= slot && slot <= last)) return node;
  }
  return undefined;
}

/** A number from a node's `CLUSTER INFO`. */
async function epochOf(node: ClusterNode, name: 'cluster_my_epoch' | 'cluster_current_epoch'): Promise<number> {
  return Number(new RegExp(`${name}:(\\d+)`).exec(await node.command('CLUSTER', 'INFO'))?.[1]);
}

/**
 * Moves a slot with its keys, step by step as redis-cli does. First it waits until the new master knows the old one's
 * epoch, and so takes the slot by a higher one. Otherwise a late message of the old master could take the slot back
 * there, while the old master has given it away: then neither has it, for ever.
 * @param options.password of the new master
 * @param options.between runs while the slot is on its way, its keys still at the old master
 */
export async function moveSlot(
  slot: number,
  { from, to }: { readonly from: ClusterNode; readonly to: ClusterNode },
  options: { readonly password?: string; readonly between?: () => Promise<void> } = {},
): Promise<void> {
  const [fromId, toId] = [await nodeIdOf(from), await nodeIdOf(to)];
  const known = await epochOf(from, 'cluster_my_epoch');
  await until(async () => (await epochOf(to, 'cluster_current_epoch')) >= known, 20);
  const login = options.password === undefined ? [] : ['AUTH', options.password];
  expectOk(await to.command('CLUSTER', 'SETSLOT', `${slot}`, 'IMPORTING', fromId));
  expectOk(await from.command('CLUSTER', 'SETSLOT', `${slot}`, 'MIGRATING', toId));
  await options.between?.();
  for (;;) {
    const [, ...words] = (await from.command('CLUSTER', 'GETKEYSINSLOT', `${slot}`, '100')).split(' ');
    const keys = words.filter((word) => !word.startsWith('$'));
    if (keys.length === 0) break;
    expectOk(await from.command('MIGRATE', to.host, `${to.port}`, '', '0', '5000', ...login, 'KEYS', ...keys));
  }
  expectOk(await to.command('CLUSTER', 'SETSLOT', `${slot}`, 'NODE', toId));
  expectOk(await from.command('CLUSTER', 'SETSLOT', `${slot}`, 'NODE', toId));
}

export function expectOk(answer: string): void {
  assert(answer === '' || answer.startsWith('+OK'), answer);
}
