import { childMetadata, childNames } from './labels.ts';
import type { DesiredObject } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/** The signed pool document, as the pods mount it. */
export function documentConfigMap(pool: GatewayPool, envelope: string): DesiredObject<'ConfigMap'> {
  return configMap(pool, childNames.document(pool), { 'pool.json': envelope });
}

/** The policies, one ConfigMap for each part. Apply them before the document with their hash. */
export function policyConfigMaps(pool: GatewayPool, parts: readonly string[]): readonly DesiredObject<'ConfigMap'>[] {
  return parts.map((text, part) => configMap(pool, childNames.policies(pool, part), { [`policies-${part}.json`]: text }));
}

function configMap(pool: GatewayPool, name: string, data: Readonly<Record<string, string>>): DesiredObject<'ConfigMap'> {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: childMetadata(pool, name), data };
}
