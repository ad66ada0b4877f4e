import { setTimeout as pause } from 'node:timers/promises';
import { RedisNames } from '../../core/redis/keys.ts';
import { slotOf } from '../../core/redis/slots.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisSentinels } from '../support/redis-sentinels.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { channelPlans } from './channels.ts';
import type { RedisAction } from './plan.ts';
import { startAgain, type RedisSite } from './redis-site.ts';

/** How long a promotion, or the return of an old master as a replica, may take: it only ends a broken run. */
const changeWithinMs = 60_000;

async function wait(what: string, condition: () => Promise<boolean>): Promise<void> {
  const since = performance.now();
  while (!(await condition().catch(() => false))) {
    if (performance.now() - since > changeWithinMs) throw new Error(`not within ${changeWithinMs / 1000} s: ${what}`);
    await pause(100);
  }
}

async function isMaster(server: RedisServer): Promise<boolean> {
  return (await server.command('ROLE')).includes('master');
}

/** Servers of which the replicas take over from their masters. */
abstract class ReplicatedSite implements RedisSite {
  protected abstract readonly servers: readonly RedisServer[];
  protected abstract readonly mastersCount: number;
  abstract variablesFor(name: string): Promise<Readonly<Record<string, string>>>;
  protected abstract actOtherwise(action: RedisAction): Promise<void>;
  abstract dispose(): Promise<void>;

  async act(action: RedisAction): Promise<void> {
    const { deed, forMs, target } = action;
    let masters: readonly RedisServer[] = [];
    // On few cores a server may need seconds for an answer.
    await wait('the masters are known', async () => (masters = await this.mastersNow()).length === this.mastersCount);
    const master = masters[Math.floor(target * masters.length)]!;
    switch (deed) {
      case 'master-kill':
        await master.stop((target * 1000) % 1 < 0.5 ? 'as-saved' : 'gone');
        await wait('a replica is promoted', async () => (await this.mastersNow()).length === this.mastersCount);
        await pause(forMs);
        await startAgain(master);
        return await this.#whole();
      case 'master-pause':
        master.pause();
        await pause(forMs);
        master.resume();
        return await this.#whole();
      case 'replica-kill': {
        const replicas = this.servers.filter((server) => !masters.includes(server));
        const replica = replicas[Math.floor(target * replicas.length)]!;
        await replica.stop('kept');
        await pause(forMs);
        await startAgain(replica);
        return await this.#whole();
      }
      case 'failover':
      case 'slot-move':
        await this.actOtherwise(action);
        return await this.#whole();
      case 'redis-pause':
      case 'redis-slow':
      case 'redis-cut':
      case 'redis-partition':
      case 'redis-restart':
      case 'redis-lose':
        throw new Error(`servers with replicas have no ${deed}`);
    }
  }

  /** The masters of this moment. One that does not answer is none. */
  protected async mastersNow(): Promise<readonly RedisServer[]> {
    const are = await Promise.all(this.servers.map((server) => answerOf(isMaster(server))));
    return this.servers.filter((_, index) => are[index] === true);
  }

  /** Waits until there are as many masters as there should be, and each replica follows one. */
  async #whole(): Promise<void> {
    await wait('masters and replicas are in order', async () => {
      const roles = await Promise.all(this.servers.map((server) => server.command('INFO', 'replication')));
      const following = roles.filter((text) => text.includes('role:slave') && text.includes('master_link_status:up'));
      const leading = roles.filter((text) => text.includes('role:master'));
      return leading.length === this.mastersCount && following.length === this.servers.length - this.mastersCount;
    });
  }
}

/** An answer within a second; `undefined` of a server that hangs or is away. */
async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  return await Promise.race([answer.catch(() => undefined), pause(1_000).then(() => undefined)]);
}

/** A master and its replica, watched by three Sentinels. */
export class SentinelSite extends ReplicatedSite {
  protected readonly servers: readonly RedisServer[];
  protected readonly mastersCount = 1;
  readonly #sentinels: RedisSentinels;

  private constructor(sentinels: RedisSentinels) {
    super();
    this.#sentinels = sentinels;
    this.servers = sentinels.servers;
  }

  static async start(): Promise<SentinelSite> {
    return new SentinelSite(await RedisSentinels.start({ sentinels: 3 }));
  }

  override async variablesFor(): Promise<Readonly<Record<string, string>>> {
    const { url, sentinelName = '' } = this.#sentinels.access;
    return { BARRAGE_REDIS_MODE: 'Sentinel', BARRAGE_REDIS_URL: url, BARRAGE_REDIS_SENTINEL_NAME: sentinelName };
  }

  protected override async actOtherwise(): Promise<void> {
    // Sentinels refuse another change of masters so soon after the last one.
    await wait('another master by the wish of a user', async () => {
      await this.#sentinels.failOver();
      return true;
    });
  }

  override async dispose(): Promise<void> {
    await this.#sentinels.dispose();
  }
}

/** Three masters with a replica each. */
export class ClusterSite extends ReplicatedSite {
  protected readonly servers: readonly RedisServer[];
  protected readonly mastersCount = 3;
  readonly #cluster: RedisCluster;

  private constructor(cluster: RedisCluster) {
    super();
    this.#cluster = cluster;
    this.servers = [...cluster.masters, ...cluster.replicas];
  }

  static async start(): Promise<ClusterSite> {
    return new ClusterSite(await RedisCluster.start({ masters: 3, replicas: 'one each' }));
  }

  override async variablesFor(): Promise<Readonly<Record<string, string>>> {
    return { BARRAGE_REDIS_MODE: 'Cluster', BARRAGE_REDIS_URL: this.#cluster.access.url };
  }

  /** Moves the slot of a channel to another master. */
  protected override async actOtherwise({ target }: RedisAction): Promise<void> {
    const { name } = channelPlans[Math.floor(target * channelPlans.length)]!;
    const slot = slotOf(new RedisNames('barrage').record(name));
    // Nodes that have just taken slots from each other may both say for a moment that the slot is the other's.
    let owner: RedisServer | undefined;
    await wait('the slot has an owner', async () => (owner = await this.#cluster.ownerOf(slot)) !== undefined);
    let others: readonly RedisServer[] = [];
    const findOthers = async (): Promise<boolean> => {
      others = (await this.mastersNow()).filter((master) => master !== owner);
      return others.length === this.mastersCount - 1;
    };
    await wait('the other masters answer', findOthers);
    const to = others[Math.floor(target * 1000) % others.length]!;
    await this.#cluster.moveSlot(slot, to);
    await wait('the slot has moved', async () => (await this.#cluster.ownerOf(slot)) === to);
  }

  override async dispose(): Promise<void> {
    await this.#cluster.dispose();
  }
}
