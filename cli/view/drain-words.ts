import { counted } from '../../core/counted.ts';
import type { GatewayPoolDrain } from '../../operator/api/gateway-pool.ts';
import { duration } from './figures.ts';

/** What somebody should know before a gateway leaves. */
export interface DrainFacts {
  readonly gateway: string;
  /** `namespace/pool`. */
  readonly pool: string;
  /** `undefined`: the gateway does not tell. */
  readonly connections: number | undefined;
  /** Other ready gateways of the pool. */
  readonly others: number;
  /** Whether the pool has a memory bus: one gateway only. */
  readonly isAlone: boolean;
  readonly drain: GatewayPoolDrain;
  readonly isPaused: boolean;
}

/** The question before a drain. */
export function drainQuestion({ gateway, pool, connections, others, isAlone, drain, isPaused }: DrainFacts): string {
  const load = connections === undefined ? 'an unknown number of connections' : counted(connections, 'connection');
  const seconds =
    connections === undefined ? drain.deadlineSeconds : Math.ceil(connections / drain.connectionsPerSecond) + drain.propagationSeconds;
  const time = `in about ${duration(1000 * Math.min(seconds, drain.deadlineSeconds))}, at most ${duration(1000 * drain.deadlineSeconds)}`;
  const begin = `${gateway} of pool ${pool} has ${load}.`;
  if (isAlone)
    return `${begin} The pool has a memory bus: its clients are cut off, and nobody is served until the next gateway is ready. Drain it?`;
  const successor = isPaused
    ? 'The pool is paused, so no gateway takes its place.'
    : 'The operator creates a gateway in its place at once.';
  const goal = goalOf(connections, others, time);
  return `${begin} ${goal} ${successor} Drain it?`;
}

function goalOf(connections: number | undefined, others: number, time: string): string {
  if (connections === 0) return 'Nobody has to move.';
  if (others === 0) return 'No other gateway is ready: its clients wait for the next one.';
  return `They move to ${counted(others, 'other gateway')} ${time}.`;
}
