import assert from 'node:assert/strict';
import type { RedisAccess } from '../../core/redis/access.ts';
import { readClusterNodes, slotCount } from '../../core/redis/slots.ts';
import type { Certificates } from './certificates.ts';
import { RedisServer } from './redis-server.ts';
import { until } from './websocket.ts';

/** A real Redis Cluster: masters that share the slots evenly, and a replica for each where wanted. A master's absence leaves the other slots in service. */
export class RedisCluster {
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];

  private constructor(masters: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.masters = masters;
    this.replicas = replicas;
  }

  static async start(options: {
    readonly masters: number;
    readonly replicas?: 'one each' | 'none';
    readonly password?: string;
    readonly tls?: Certificates;
  }): Promise<RedisCluster> {
    const nodes: RedisServer[] = [];
    const replicas = options.replicas === 'one each' ? options.masters : 0;
    try {
      const node = {
        kind: 'cluster-node',
        settings: ['--cluster-require-full-coverage', 'no'],
        ...(options.password === undefined ? {} : { password: options.password }),
        ...(options.tls === undefined ? {} : { tls: options.tls }),
      } as const;
      for (let index = 0; index < options.masters + replicas; index++) nodes.push(await RedisServer.start(node));
      const cluster = new RedisCluster(nodes.slice(0, options.masters), nodes.slice(options.masters));
      await cluster.#join();
      return cluster;
    } catch (error) {
      await Promise.all(nodes.map((node) => node.dispose()));
      throw error;
    }
  }

  get access(): RedisAccess {
    return { mode: 'Cluster', url: this.masters.map(({ url }) => url).join() };
  }

  get #nodes(): readonly RedisServer[] {
    return [...this.masters, ...this.replicas];
  }

  async idOf(server: RedisServer): Promise<string> {
    return (await server.command('CLUSTER', 'MYID')).split(' ').at(-1)!;
  }

  /** The master that says of itself that it has the slot. */
  async ownerOf(slot: number): Promise<RedisServer | undefined> {
    for (const server of this.#nodes) {
      const answer = await server.command('CLUSTER', 'NODES').catch(() => '');
      const { speaker, claims } = readClusterNodes(answer.replace(/^\$\d+ /, ''), { host: '127.0.0.1', port: server.port }, false);
      const ranges = claims.find(({ id }) => id === speaker)?.ranges ?? [];
      if (ranges.some(([first, last]) => first <= slot && slot <= last)) return server;
    }
    return undefined;
  }

  /** Moves a slot with its keys, step by step as redis-cli does. `between` runs while the slot is on its way, its keys still at the old master. */
  async moveSlot(slot: number, to: RedisServer, between: () => Promise<void> = async () => undefined): Promise<void> {
    const from = await this.ownerOf(slot);
    assert(from !== undefined && from !== to);
    const [fromId, toId] = [await this.idOf(from), await this.idOf(to)];
    expectOk(await to.command('CLUSTER', 'SETSLOT', `${slot}`, 'IMPORTING', fromId));
    expectOk(await from.command('CLUSTER', 'SETSLOT', `${slot}`, 'MIGRATING', toId));
    await between();
    for (;;) {
      const [, ...words] = (await from.command('CLUSTER', 'GETKEYSINSLOT', `${slot}`, '100')).split(' ');
      const keys = words.filter((word) => !word.startsWith('$'));
      if (keys.length === 0) break;
      expectOk(await from.command('MIGRATE', '127.0.0.1', `${to.port}`, '', '0', '5000', 'KEYS', ...keys));
    }
    expectOk(await to.command('CLUSTER', 'SETSLOT', `${slot}`, 'NODE', toId));
    expectOk(await from.command('CLUSTER', 'SETSLOT', `${slot}`, 'NODE', toId));
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.dispose()));
  }

  async #join(): Promise<void> {
    const [first] = this.masters;
    for (const [index, master] of this.masters.entries()) {
      const from = Math.floor((index * slotCount) / this.masters.length);
      const to = Math.floor(((index + 1) * slotCount) / this.masters.length) - 1;
      expectOk(await master.command('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`));
      expectOk(await master.command('CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`));
    }
    for (const node of this.#nodes)
      if (node !== first) expectOk(await first!.command('CLUSTER', 'MEET', '127.0.0.1', `${node.port}`, `${node.clusterPort}`));
    const met = async (): Promise<boolean> => {
      const answers = await Promise.all(this.#nodes.map((node) => node.command('CLUSTER', 'INFO')));
      return answers.every(
        (answer) =>
          answer.includes(`cluster_known_nodes:${this.#nodes.length} `) && answer.includes(`cluster_slots_assigned:${slotCount} `),
      );
    };
    await until(met, 20);
    for (const [index, replica] of this.replicas.entries())
      expectOk(await replica.command('CLUSTER', 'REPLICATE', await this.idOf(this.masters[index]!)));
    const well = async (): Promise<boolean> => {
      const states = await Promise.all(this.#nodes.map((node) => node.command('CLUSTER', 'INFO')));
      const links = await Promise.all(this.replicas.map((node) => node.command('INFO', 'replication')));
      return (
        states.every((answer) => answer.includes('cluster_state:ok')) && links.every((answer) => answer.includes('master_link_status:up'))
      );
    };
    await until(well, 20);
  }
}

function expectOk(answer: string): void {
  assert(answer === '' || answer.startsWith('+OK'), answer);
}
