import { isGatewayUrl } from '../../core/pool/pool-document.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { shapeFaults } from '../api/shape.ts';
import { specShapes } from '../api/shapes.ts';
import { gatewayUrl } from '../desired/exposure.ts';

/**
 * Faults that make a pool's spec unreadable, in words; empty is good. The API server checks writes, but not specs that
 * were stored under an older definition. Ask this before anything is read of a pool or done for it.
 */
export function poolSpecFaults(pool: GatewayPool): readonly string[] {
  const faults = shapeFaults(pool.spec, specShapes.GatewayPool, 'spec');
  return faults.length > 0 ? faults : exposureFaults(pool);
}

/** A pool document refuses a gateway without a valid URL; then clients would learn of no gateway at all. */
function exposureFaults(pool: GatewayPool): readonly string[] {
  const { type } = pool.spec.exposure;
  const url = gatewayUrl(pool, { name: longestPodName(pool), ip: '10.0.0.1', hostIp: '10.0.0.1' });
  if (url !== undefined && isGatewayUrl(url)) return [];
  const field = type === 'HTTPRoute' ? 'spec.exposure.httpRoute' : 'spec.exposure.urlTemplate';
  if (url === undefined) return [`${field} is missing`];
  return type === 'HTTPRoute'
    ? [`${field}.hostname must be a DNS name`]
    : [`${field} must be a ws:// or wss:// URL of at most 2048 characters with a pod's name for {pod}`];
}

function longestPodName({ metadata: { name } }: GatewayPool): string {
  return `${name}-aaaaa-9999`;
}
