import { childMetadata, childNames, podSelector, ports, type Component } from './labels.ts';
import type { DesiredObject } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/**
 * Admits clients and backends from anywhere. Admits to the admin port only the operator's pods, and namespaces with the
 * label `metrics: enabled` (a Prometheus). Probes come from the node, which no policy keeps out.
 * @param operatorNamespace the operator's own namespace
 */
export function networkPolicies(pool: GatewayPool, operatorNamespace: string): readonly DesiredObject<'NetworkPolicy'>[] {
  if (pool.spec.bus.type === 'Memory') return [policy(pool, 'gateway', [ports.clients, ports.publish], operatorNamespace)];
  return [policy(pool, 'gateway', [ports.clients], operatorNamespace), policy(pool, 'publisher', [ports.publish], operatorNamespace)];
}

function policy(
  pool: GatewayPool,
  component: Component,
  open: readonly number[],
  operatorNamespace: string,
): DesiredObject<'NetworkPolicy'> {
  const name = component === 'gateway' ? childNames.gateways(pool) : childNames.publisher(pool);
  const operator = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': operatorNamespace } },
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'barrage-operator' } },
  };
  const metrics = { namespaceSelector: { matchLabels: { metrics: 'enabled' } } };
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
