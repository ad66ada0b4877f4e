/**
 * Which gateway leaves first. The order is total, so the same observation names the same victims, whoever looks:
 * not ready > old revision > fewest connections > over-represented zone > youngest > name.
 */
import { pollOf } from './drain.ts';
import type { ObservedGateway } from './observed.ts';

/** Ready for clients: the readiness probe passes, the operator lets it serve, and Services lead to it. */
export function isAvailable(gateway: ObservedGateway): boolean {
  const isWanted = !gateway.isTerminating && gateway.serving === 'True';
  return isWanted && gateway.phase === 'Running' && gateway.containersReady && gateway.isReady;
}

/** Holds no connection, as far as anybody can tell: it has never served, does not run, or says so itself. */
export function isIdle(gateway: ObservedGateway): boolean {
  if (!gateway.isRunning) return true;
  const polled = pollOf(gateway);
  return polled === undefined ? gateway.serving !== 'True' && !gateway.containersReady : polled.connections === 0;
}

/** All of them, in the order in which they leave. */
export function victimOrder(gateways: readonly ObservedGateway[], updateRevision: string): readonly ObservedGateway[] {
  const zones = Map.groupBy(gateways, ({ zone }) => zone ?? '');
  const rank = (gateway: ObservedGateway): readonly number[] => [
    isAvailable(gateway) ? 1 : 0,
    gateway.revision === updateRevision ? 1 : 0,
    pollOf(gateway)?.connections ?? 0,
    -(zones.get(gateway.zone ?? '')?.length ?? 0),
    -gateway.createdAt,
  ];
  const ranked = gateways.map((gateway) => ({ gateway, rank: rank(gateway) }));
  return ranked.toSorted((a, b) => compare(a.rank, b.rank) || (a.gateway.name < b.gateway.name ? -1 : 1)).map(({ gateway }) => gateway);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
