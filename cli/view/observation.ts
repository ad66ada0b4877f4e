import { withDefaults } from '../../operator/api/stored-objects.ts';
import type { BarrageChannel } from '../../operator/api/barrage-channel.ts';
import type { GatewayPool } from '../../operator/api/gateway-pool.ts';
import type { ObservedGateway, ObservedPool } from '../../operator/decide/observed.ts';
import type { ProcessReading } from './reading.ts';

/** An event about a pool, as the API server keeps it. */
export interface PoolEvent {
  /** When it happened last, in Unix milliseconds. */
  readonly at: number;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly times: number;
}

/** All that the pages about a pool show. */
export interface PoolFacts {
  readonly pool: GatewayPool;
  readonly readings: readonly ProcessReading[];
  /** Readings of a second ago, for rates; empty without them. */
  readonly before: readonly ProcessReading[];
  readonly channels: readonly BarrageChannel[];
  /** A text where they can't be read: which right is missing. */
  readonly events: readonly PoolEvent[] | string;
  /** Unix milliseconds. */
  readonly now: number;
}

/** A pool from the API server or from a file, with the defaults of this version. */
export function readPool(object: object): GatewayPool {
  return withDefaults('GatewayPool', object);
}

/**
 * The operator's own input for its decisions, as far as others can observe it. Its memory is not: windows that it has
 * begun are unknown here.
 */
export function observedPool({ pool, readings, now }: Pick<PoolFacts, 'pool' | 'readings' | 'now'>): ObservedPool {
  return {
    now,
    monotonic: now,
    pool,
    updateRevision: pool.status?.updateRevision ?? '',
    keptRevision: pool.status?.currentRevision,
    updateDifference: undefined,
    gateways: readings.flatMap(({ role, observed }): readonly ObservedGateway[] =>
      role === 'gateway' && observed !== undefined ? [observed] : [],
    ),
    foreignNames: [],
    document: undefined,
    budget: undefined,
    scaling: undefined,
    faults: [],
    refusedPods: [],
  };
}
