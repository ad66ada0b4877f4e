import { Gauge, type Registry } from 'prom-client';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { storedConditions } from '../decide/conditions.ts';

export interface PoolMetricSources {
  readonly pools: () => readonly GatewayPool[];
  readonly isLeader: () => boolean;
}

/** Gauges of `status`, by the value of the label `state`. */
const gateways = {
  desired: 'desiredReplicas',
  existing: 'replicas',
  ready: 'readyReplicas',
  updated: 'updatedReplicas',
  draining: 'drainingReplicas',
} as const;

/**
 * Exports the statuses of all pools, as they are stored. Only the leader exports them, so each pool has one series of a
 * kind. A deleted pool has none.
 */
export function exportPoolMetrics(registry: Registry, { pools, isLeader }: PoolMetricSources): void {
  const registers = [registry];
  const exported = (): readonly GatewayPool[] => (isLeader() ? pools() : []);
  void new Gauge({
    name: 'barrage_operator_pool_condition',
    help: 'Always 1: a condition of a pool with its present status and reason. Only the leader exports it.',
    labelNames: ['namespace', 'pool', 'type', 'status', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const { metadata, status: stored = {} } of exported())
        for (const { type, status, reason } of storedConditions(stored))
          this.set({ namespace: metadata.namespace, pool: metadata.name, type, status, reason }, 1);
    },
  });
  void new Gauge({
    name: 'barrage_operator_pool_gateways',
    help: 'Gateways of a pool, from its status: `desired`, `existing`, and of these `ready`, `updated`, `draining`. Only the leader exports it.',
    labelNames: ['namespace', 'pool', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { metadata, status = {} } of exported())
        for (const [state, field] of Object.entries(gateways))
          this.set({ namespace: metadata.namespace, pool: metadata.name, state }, status[field] ?? 0);
    },
  });
  void new Gauge({
    name: 'barrage_operator_pool_scaling',
    help: 'Bounds of a pool that scales by connections, from its spec: `min` and `max` gateways, and the `target` of connections for each. Only the leader exports it.',
    labelNames: ['namespace', 'pool', 'bound'],
    registers,
    collect() {
      this.reset();
      for (const { metadata, spec } of exported())
        for (const [bound, value] of Object.entries(scalingBounds(spec)))
          this.set({ namespace: metadata.namespace, pool: metadata.name, bound }, value);
    },
  });
}

/** Bounds that are numbers: a stored spec of an older definition may hold something else. */
function scalingBounds(spec: Partial<GatewayPool['spec']> | undefined): Readonly<Record<string, number>> {
  const { type, connections } = spec?.scaling ?? {};
  if (type !== 'Connections') return {};
  const { minReplicas: min, maxReplicas: max, targetConnectionsPerPod: target } = connections ?? {};
  return Object.fromEntries(Object.entries({ min, max, target }).filter((entry): entry is [string, number] => Number.isFinite(entry[1])));
}
