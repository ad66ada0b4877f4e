import { childMetadata, childNames, podSelector } from './labels.ts';
import type { DesiredObject } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/**
 * The gateways' budget, with a whole number: owned pods have no controller from which the API server could learn their
 * desired number.
 * @param budget from the plan
 */
export function gatewayBudget(
  pool: GatewayPool,
  budget: { readonly minAvailable: number; readonly unhealthyPods: 'IfHealthyBudget' | 'AlwaysAllow' },
): DesiredObject<'PodDisruptionBudget'> {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata(pool, childNames.gateways(pool), 'gateway'),
    spec: {
      minAvailable: budget.minAvailable,
      selector: { matchLabels: podSelector(pool, 'gateway') },
      unhealthyPodEvictionPolicy: budget.unhealthyPods,
    },
  };
}

/** Publishers carry no clients of a pool, and without a bus they accept nothing: an unready one may always go. */
export function publisherBudget(pool: GatewayPool): DesiredObject<'PodDisruptionBudget'> | undefined {
  if (pool.spec.bus.type === 'Memory') return undefined;
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata(pool, childNames.publisher(pool), 'publisher'),
    spec: { maxUnavailable: 1, selector: { matchLabels: podSelector(pool, 'publisher') }, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
  };
}
