import assert from 'node:assert/strict';
import type { RedisAccess } from '../../core/redis/access.ts';
import type { Certificates } from './certificates.ts';
import { RedisServer } from './redis-server.ts';
import { expectOk, joinCluster, moveSlot, nodeIdOf, ownerOf } from './redis-slots.ts';
import { until } from './websocket.ts';

/**
 * A real Redis Cluster: masters that share the slots evenly, and a replica for each where wanted. A master's absence
 * leaves the other slots in service.
 */
export class RedisCluster {
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];

  private constructor(masters: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.masters = masters;
    this.replicas = replicas;
  }

  static async start(options: {
    readonly program?: string;
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
        ...(options.program === undefined ? {} : { program: options.program }),
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
    return nodeIdOf(server);
  }

  /** The master that says of itself that it has the slot. */
  async ownerOf(slot: number): Promise<RedisServer | undefined> {
    return ownerOf(this.#nodes, slot);
  }

  /**
   * Moves a slot with its keys, step by step as redis-cli does. `between` runs while the slot is on its way, its keys
   * still at the old master.
   */
  async moveSlot(slot: number, to: RedisServer, between: () => Promise<void> = async () => undefined): Promise<void> {
    const from = await this.ownerOf(slot);
    assert(from !== undefined && from !== to);
    await moveSlot(slot, { from, to }, { between });
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.dispose()));
  }

  async #join(): Promise<void> {
    await joinCluster(this.masters, this.replicas);
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
