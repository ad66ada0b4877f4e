import type { RedisAccess } from '../../core/redis/access.ts';
import type { Certificates } from './certificates.ts';
import { RedisServer } from './redis-server.ts';
import { until } from './websocket.ts';

const name = 'barrage-test';

/**
 * A real master, a real replica of it, and real Sentinels that promote the replica when the master is away for a
 * second.
 */
export class RedisSentinels {
  readonly servers: readonly [RedisServer, RedisServer];
  readonly #sentinels: readonly RedisServer[];

  private constructor(servers: readonly [RedisServer, RedisServer], sentinels: readonly RedisServer[]) {
    this.servers = servers;
    this.#sentinels = sentinels;
  }

  /** `settings` are for the servers and the Sentinels, `password` is the servers'. */
  static async start(options: {
    readonly program?: string;
    readonly sentinels: number;
    readonly settings?: readonly string[];
    readonly password?: string;
    readonly sentinelPassword?: string;
    readonly tls?: Certificates;
  }): Promise<RedisSentinels> {
    const { settings = [], password, tls } = options;
    const common = { ...(tls === undefined ? {} : { tls }), ...(options.program === undefined ? {} : { program: options.program }) };
    const shared = { ...common, ...(password === undefined ? {} : { password }) };
    const guarded = options.sentinelPassword === undefined ? {} : { password: options.sentinelPassword };
    const started: RedisServer[] = [];
    try {
      const master = await RedisServer.start({ ...shared, settings });
      started.push(master);
      const replica = await RedisServer.start({ ...shared, settings: [...settings, '--replicaof', `127.0.0.1 ${master.port}`] });
      started.push(replica);
      const quorum = Math.floor(options.sentinels / 2) + 1;
      const watch = ['--sentinel', 'monitor', name, '127.0.0.1', `${master.port}`, `${quorum}`];
      const login = password === undefined ? [] : ['--sentinel', 'auth-pass', name, password];
      const times = ['--sentinel', 'down-after-milliseconds', name, '1000', '--sentinel', 'failover-timeout', name, '5000'];
      const sentinels: RedisServer[] = [];
      for (let index = 0; index < options.sentinels; index++) {
        const sentinel = await RedisServer.start({
          ...common,
          ...guarded,
          kind: 'sentinel',
          settings: [...settings, ...watch, ...login, ...times],
        });
        started.push(sentinel);
        sentinels.push(sentinel);
      }
      const world = new RedisSentinels([master, replica], sentinels);
      await world.#settled();
      return world;
    } catch (error) {
      await Promise.all(started.map((server) => server.dispose()));
      throw error;
    }
  }

  get access(): RedisAccess {
    return { mode: 'Sentinel', sentinelName: name, url: this.#sentinels.map(({ url }) => url).join() };
  }

  /** Port of the master as the first Sentinel knows it. */
  async masterPort(): Promise<number> {
    const answer = await this.#sentinels[0]!.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name);
    return Number(answer.split(' ').at(-1));
  }

  /** Asks for another master although the present one is well. */
  async failOver(): Promise<void> {
    const before = await this.masterPort();
    await this.#sentinels[0]!.command('SENTINEL', 'FAILOVER', name);
    await until(async () => (await this.masterPort()) !== before, 20);
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#sentinels, ...this.servers].map((server) => server.dispose()));
  }

  async #settled(): Promise<void> {
    await until(async () => (await this.servers[1].command('INFO', 'replication')).includes('master_link_status:up'), 20);
    for (const sentinel of this.#sentinels) {
      const knows = async (): Promise<boolean> => {
        const answer = await sentinel.command('SENTINEL', 'MASTER', name);
        const field = (field: string): string => new RegExp(` ${field} \\$\\d+ (\\S+)`).exec(answer)?.[1] ?? '';
        return (
          field('num-slaves') === '1' && field('num-other-sentinels') === `${this.#sentinels.length - 1}` && field('flags') === 'master'
        );
      };
      await until(knows, 20);
    }
  }
}
