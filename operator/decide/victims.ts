/**
 * Decides which gateway leaves first. The order is total, so the same observation always names the same victims: not
 * ready > old revision > fewest connections > over-represented zone > youngest > name. An unknown number of connections
 * counts as the highest.
 */
import { connectionsOf, isAvailable, type ObservedGateway } from './observed.ts';

/** All gateways, in the order in which they leave. */
export function victimOrder(gateways: readonly ObservedGateway[], updateRevision: string): readonly ObservedGateway[] {
  const zones = Map.groupBy(gateways, ({ zone }) => zone ?? '');
  const rank = (gateway: ObservedGateway): readonly number[] => [
    isAvailable(gateway) ? 1 : 0,
    gateway.revision === updateRevision ? 1 : 0,
    connectionsOf(gateway) ?? Number.MAX_SAFE_INTEGER,
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
