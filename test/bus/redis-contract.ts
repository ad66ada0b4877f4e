import { randomUUID } from 'node:crypto';
import type { RedisAccess } from '../../core/redis/access.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { describeBusContract } from './contract.ts';

/** What every bus promises, on a Redis that is reached this way, under a prefix of its own. */
export function describeRedisContract(implementation: string, access: () => RedisAccess): void {
  describeBusContract(implementation, async () => {
    const prefix = `contract/${randomUUID()}`;
    const start = (): RedisBus => createRedisBus({ ...access(), prefix });
    const [publisher, gateway, otherGateway] = [start(), start(), start()];
    const close = async (): Promise<void> => {
      await Promise.all([publisher, gateway, otherGateway].map((bus) => bus.close()));
    };
    return { publisher, gateway, otherGateway, close };
  });
}
