import type { GatewayPool } from '../api/gateway-pool.ts';

const clusterSuffix = /\.svc(?:\.[a-z0-9.-]+)?$/;

/**
 * Identity of a pool's Redis and key prefix; `undefined` on a memory bus. Two pools with equal identities receive each
 * other's publications. Two addresses of one Redis look like two servers here.
 */
export function busIdentity({ spec, metadata: { namespace, name } }: GatewayPool): string | undefined {
  const { redis } = spec.bus;
  if (redis === undefined) return undefined;
  const places = placesOf(redis.addresses, namespace).toSorted();
  return [...places, redis.sentinelName ?? '', redis.keyPrefix ?? `${namespace}/${name}`].join(' ');
}

/** Addresses in a form in which equal ones are equal texts. */
export function placesOf(addresses: readonly string[], namespace: string): readonly string[] {
  return addresses.map((address) => placeOf(address, namespace));
}

/** A name without a dot is a Service of the pool's namespace. The same name in another namespace is another server. */
function placeOf(address: string, namespace: string): string {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).toLowerCase();
  const isShort = !host.includes('.') && !host.startsWith('[');
  return `${isShort ? `${host}.${namespace}` : host.replace(clusterSuffix, '')}${address.slice(colon)}`;
}
