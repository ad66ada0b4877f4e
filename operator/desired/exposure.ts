/** Addresses of single gateways: the URL in the pool document, and the objects that make it reachable. */
import { childLabels, childMetadata, childNames, names, ports } from './labels.ts';
import type { ChildMetadata, DesiredObject, JsonObject } from './objects.ts';
import { ipFamilyPolicy } from './pool-services.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

export interface GatewayAddress {
  readonly name: string;
  readonly ip: string | undefined;
  readonly hostIp: string | undefined;
  /** Whether its clients' port speaks TLS. */
  readonly hasTls?: boolean;
}

/**
 * @returns `undefined` while the pod lacks the address that the exposure needs; until then it is not in the document
 */
export function gatewayUrl({ spec }: GatewayPool, { name, ip, hostIp, hasTls = false }: GatewayAddress): string | undefined {
  const { type, urlTemplate, httpRoute } = spec.exposure;
  const scheme = hasTls ? 'wss' : 'ws';
  switch (type) {
    case 'PodIP':
      return ip === undefined ? undefined : `${scheme}://${bracketed(ip)}:${ports.clients}/`;
    case 'HostPort':
      return hostIp === undefined ? undefined : `${scheme}://${bracketed(hostIp)}:${ports.clients}/`;
    case 'URLTemplate':
      return urlTemplate?.replaceAll('{pod}', name);
    case 'HTTPRoute':
      return httpRoute === undefined ? undefined : `wss://${httpRoute.hostname}/${name}/`;
  }
}

/** The route that leads to any gateway; none unless the exposure is HTTPRoute. */
export function poolRoute(pool: GatewayPool): DesiredObject<'HTTPRoute'> | undefined {
  return pool.spec.exposure.httpRoute === undefined
    ? undefined
    : route(pool, childMetadata(pool, childNames.clients(pool)), { path: '/', service: childNames.clients(pool) });
}

/** Service and route of one gateway. The pod owns them, so they go with it. */
export function gatewayRoute(
  pool: GatewayPool,
  { name, uid }: { readonly name: string; readonly uid: string },
): readonly (DesiredObject<'Service'> | DesiredObject<'HTTPRoute'>)[] {
  if (pool.spec.exposure.httpRoute === undefined) return [];
  const metadata: ChildMetadata = {
    name,
    namespace: pool.metadata.namespace,
    labels: { ...childLabels(pool, 'gateway'), [names.label.gateway]: name },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true, blockOwnerDeletion: false }],
  };
  const spec: JsonObject = {
    type: 'ClusterIP',
    ipFamilyPolicy,
    // Clients that are told to move still reach a draining gateway.
    publishNotReadyAddresses: true,
    selector: { [names.label.pool]: pool.metadata.name, [names.label.gateway]: name },
    ports: [{ name: 'clients', port: ports.clients, targetPort: ports.clients, protocol: 'TCP' }],
  };
  return [{ apiVersion: 'v1', kind: 'Service', metadata, spec }, route(pool, metadata, { path: `/${name}/`, service: name })];
}

function route(
  pool: GatewayPool,
  metadata: ChildMetadata,
  { path, service }: { readonly path: string; readonly service: string },
): DesiredObject<'HTTPRoute'> {
  const { hostname, parentRef } = pool.spec.exposure.httpRoute ?? { hostname: '', parentRef: { name: '' } };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata,
    spec: {
      parentRefs: [{ ...parentRef }],
      hostnames: [hostname],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: path } }],
          // No limit: a controller's default (15 s in Envoy) counts the whole answer, and an event stream has no end.
          timeouts: { request: '0s' },
          backendRefs: [{ name: service, port: ports.clients }],
        },
      ],
    },
  };
}

function bracketed(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}
