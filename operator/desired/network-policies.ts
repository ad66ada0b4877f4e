import { childMetadata, childNames, podSelector, ports, type Component } from './labels.ts';
import type { DesiredObject } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/** Whom a pool's network policies admit to the admin port. */
export interface AdminPeers {
  /** The operator's own namespace. */
  readonly operatorNamespace: string;
  /** Labels of the namespaces that may read metrics. */
  readonly metricsNamespaces: Readonly<Record<string, string>>;
}

/**
 * Admits clients and backends from anywhere. Admits to the admin port only the operator's pods, and the namespaces that
 * may read metrics (a Prometheus). Probes come from the node, which no policy keeps out.
 */
export function networkPolicies(pool: GatewayPool, peers: AdminPeers): readonly DesiredObject<'NetworkPolicy'>[] {
  if (pool.spec.bus.type === 'Memory') return [policy(pool, 'gateway', [ports.clients, ports.publish], peers)];
  return [policy(pool, 'gateway', [ports.clients], peers), policy(pool, 'publisher', [ports.publish], peers)];
}

function policy(
  pool: GatewayPool,
  component: Component,
  open: readonly number[],
  { operatorNamespace, metricsNamespaces }: AdminPeers,
): DesiredObject<'NetworkPolicy'> {
  const name = component === 'gateway' ? childNames.gateways(pool) : childNames.publisher(pool);
  const operator = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': operatorNamespace } },
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'barrage-operator' } },
  };
  const metrics = { namespaceSelector: { matchLabels: metricsNamespaces } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: childMetadata(pool, name, component),
    spec: {
      podSelector: { matchLabels: podSelector(pool, component) },
      policyTypes: ['Ingress'],
      ingress: [
        { ports: open.map((port) => ({ protocol: 'TCP', port })) },
        { from: [operator, metrics], ports: [{ protocol: 'TCP', port: ports.admin }] },
      ],
    },
  };
}
