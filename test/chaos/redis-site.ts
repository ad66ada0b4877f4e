import { setTimeout as pause } from 'node:timers/promises';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisServer } from '../support/redis-server.ts';
import type { RedisAction } from './plan.ts';

/** The Redis of a run, and what can be done to it. */
export interface RedisSite {
  /** Settings by which a process of this name reaches it. */
  variablesFor(name: string): Promise<Readonly<Record<string, string>>>;
  /** Carries an action out, and resolves when its effect is over. @param names of the processes that are connected */
  act(action: RedisAction, names: readonly string[]): Promise<void>;
  dispose(): Promise<void>;
}

/** Starts a server again at its port, which another program may have for a moment. */
export async function startAgain(server: RedisServer): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await server.start();
    } catch (error) {
      if (attempt === 5) throw error;
      await pause(1_000);
    }
  }
}

/** One server. Each process reaches it on a way of its own, so that it can be cut off alone. */
export class StandaloneSite implements RedisSite {
  readonly #server: RedisServer;
  readonly #proxies = new Map<string, RedisProxy>();

  private constructor(server: RedisServer) {
    this.#server = server;
  }

  static async start(): Promise<StandaloneSite> {
    return new StandaloneSite(await RedisServer.start());
  }

  async variablesFor(name: string): Promise<Readonly<Record<string, string>>> {
    let proxy = this.#proxies.get(name);
    if (proxy === undefined) this.#proxies.set(name, (proxy = await RedisProxy.before(this.#server)));
    return { BARRAGE_REDIS_URL: proxy.url };
  }

  async act({ deed, forMs, target }: RedisAction, names: readonly string[]): Promise<void> {
    const proxy = this.#proxies.get(names[Math.floor(target * names.length)] ?? '');
    switch (deed) {
      case 'redis-pause':
        this.#server.pause();
        await pause(forMs);
        return this.#server.resume();
      case 'redis-slow':
        for (const each of this.#proxies.values()) each.delay(150);
        await pause(forMs);
        for (const each of this.#proxies.values()) each.delay(0);
        return;
      case 'redis-cut':
        return proxy?.breakAll();
      case 'redis-partition':
        proxy?.become((target * 1000) % 1 < 0.5 ? 'refused' : 'silent');
        await pause(forMs);
        return proxy?.become('open');
      case 'redis-restart':
      case 'redis-lose': {
        const isSaved = (target * 1000) % 1 < 0.5;
        await this.#server.stop(deed === 'redis-restart' ? 'kept' : isSaved ? 'as-saved' : 'gone');
        await pause(forMs);
        return await startAgain(this.#server);
      }
      case 'master-kill':
      case 'master-pause':
      case 'replica-kill':
      case 'failover':
      case 'slot-move':
        throw new Error(`a single Redis can't do ${deed}`);
    }
  }

  async dispose(): Promise<void> {
    for (const proxy of this.#proxies.values()) proxy.dispose();
    await this.#server.dispose();
  }
}
