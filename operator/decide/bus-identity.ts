import type { GatewayPool } from '../api/gateway-pool.ts';

const clusterSuffix = /\.svc(?:\.[a-z0-9.-]+)?$/;

/**
 * Names the Redis of a pool with its key prefix: pools of one name hear each other's publications. `undefined` on a
 * memory bus. Who reaches one Redis by two different addresses can't be found out here.
 */
export function busIdentity({ spec, metadata: { namespace, name } }: GatewayPool): string | undefined {
  const { redis } = spec.bus;
  if (redis === undefined) return undefined;
  const places = redis.addresses.map((address) => placeOf(address, namespace)).toSorted();
  return [...places, redis.sentinelName ?? '', redis.keyPrefix ?? `${namespace}/${name}`].join(' ');
}

/** A name without a dot is that of a Service of the pool's namespace: the same text elsewhere is another server. */
function placeOf(address: string, namespace: string): string {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).toLowerCase();
  const isShort = !host.includes('.') && !host.startsWith('[');
  return `${isShort ? `${host}.${namespace}` : host.replace(clusterSuffix, '')}${address.slice(colon)}`;
}
