import { randomBytes } from 'node:crypto';
import type { Bus } from '../bus/bus.ts';
import { JoinedBus, type BusesInUse } from '../bus/joined-bus.ts';
import type { JoinableBus } from '../bus/joinable-bus.ts';
import type { Logger } from '../process/logging.ts';
import type { Pool } from '../process/pool.ts';
import type { Settings } from '../process/settings.ts';
import { systemClock } from '../process/system-clock.ts';
import { previousRedisAccess, redisAccess } from './access.ts';
import { SummedFigures } from './bus-figures.ts';
import { createRedisBus, type RedisBusFigures } from './bus.ts';

interface PoolBusOptions {
  readonly settings: Settings;
  readonly pool: Pool;
  readonly logger: Logger;
  /** As for `createRedisBus`, on every bus. */
  readonly countMembers?: boolean;
}

/** The bus of a gateway or a publisher. */
interface PoolBus {
  readonly bus: Bus;
  readonly figures: () => RedisBusFigures;
  /** For the admin status; absent where the settings give the bus no id. */
  readonly inUse?: () => BusesInUse;
}

/**
 * Connects a process of a pool to its bus. Where the settings give the bus an id, the pool's documents say which of the
 * process's buses are used; with a previous bus there are two to choose from.
 * @throws when the settings contradict each other, or a CA file can't be read
 */
export function createPoolBus({ settings, pool, logger, countMembers = false }: PoolBusOptions): PoolBus {
  const main = { ...redisAccess(settings), prefix: settings.redisPrefix };
  if (settings.bus === '') {
    const bus = createRedisBus({ ...main, logger, countMembers });
    return { bus, figures: () => bus.figures() };
  }
  const hasPrevious = settings.previousBus !== '';
  const previous = hasPrevious ? { ...previousRedisAccess(settings), prefix: settings.previousRedisPrefix } : main;
  const process = randomBytes(8).toString('hex');
  const sum = new SummedFigures();
  const open = (id: string): JoinableBus => {
    const access = id === settings.bus ? main : previous;
    const token = process + randomBytes(4).toString('hex');
    const bus = createRedisBus({ ...access, logger: logger.child({ bus: id }), countMembers, token });
    sum.add(bus);
    return { ...bus, close: () => bus.close().finally(() => sum.retire(bus)) };
  };
  const own = { main: settings.bus, previous: hasPrevious ? settings.previousBus : undefined };
  const bus = new JoinedBus({ own, open, clock: systemClock, random: Math.random });
  // With two buses only a document can tell which one the pool uses.
  const mustWait = hasPrevious && settings.poolPublicKey !== '';
  const follow = (): void => {
    if (pool.document !== undefined || !mustWait) bus.follow(pool.document?.bus);
  };
  follow();
  pool.onChange(follow);
  return { bus, figures: () => sum.figures(), inUse: () => bus.inUse() };
}
