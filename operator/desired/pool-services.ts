import { childMetadata, childNames, podSelector, ports } from './labels.ts';
import type { DesiredObject, JsonObject } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/** Both families where the cluster has both, else the one that it has. */
export const ipFamilyPolicy = 'PreferDualStack';

/**
 * `<pool>` for clients, `<pool>-publish` for backends, and the headless `<pool>-gateways` with the address of each
 * gateway, ready or not.
 */
export function services(pool: GatewayPool): readonly DesiredObject<'Service'>[] {
  const clients = { name: 'clients', port: ports.clients, targetPort: ports.clients, protocol: 'TCP' };
  const publish = { name: 'publish', port: ports.publish, targetPort: ports.publish, protocol: 'TCP' };
  const gateways = podSelector(pool, 'gateway');
  const publishers = pool.spec.bus.type === 'Memory' ? gateways : podSelector(pool, 'publisher');
  return [
    service(pool, childNames.clients(pool), { type: 'ClusterIP', ipFamilyPolicy, selector: gateways, ports: [clients] }),
    service(pool, childNames.publish(pool), { type: 'ClusterIP', ipFamilyPolicy, selector: publishers, ports: [publish] }),
    service(pool, childNames.gateways(pool), {
      clusterIP: 'None',
      ipFamilyPolicy,
      publishNotReadyAddresses: true,
      selector: gateways,
      ports: [clients],
    }),
  ];
}

function service(pool: GatewayPool, name: string, spec: JsonObject): DesiredObject<'Service'> {
  return { apiVersion: 'v1', kind: 'Service', metadata: childMetadata(pool, name), spec };
}
