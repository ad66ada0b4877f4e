import type { ChildMetadata, OwnerReference } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/** Names that the operator, its pods and users' selectors share. */
export const names = {
  label: {
    pool: 'barrage.dev/pool',
    revision: 'barrage.dev/revision',
    /** The pod's own name, so that a Service can select one gateway. */
    gateway: 'barrage.dev/gateway',
    component: 'app.kubernetes.io/component',
  },
  annotation: {
    drainStarted: 'barrage.dev/drain-started',
    drainDeadline: 'barrage.dev/drain-deadline',
    /** Digest of the Secrets with which the pod was made. Another digest is another revision. */
    settingsDigest: 'barrage.dev/settings-digest',
    /** Hash of a child as the operator applied it. The next operator applies only what differs. */
    applied: 'barrage.dev/applied',
    /** Id of the pod's own bus. */
    bus: 'barrage.dev/bus',
    /** Id of the bus to which the pod was made to listen besides. */
    previousBus: 'barrage.dev/previous-bus',
  },
  /** Prefix of the operator's own labels and annotations. */
  reservedPrefix: 'barrage.dev/',
  /** Readiness gate of gateway pods. */
  serving: 'barrage.dev/Serving',
  /** The gateway's or publisher's container in its pod. */
  container: 'barrage',
  /** The container's variable with the public key that it trusts. */
  publicKeyVariable: 'BARRAGE_POOL_PUBLIC_KEY',
  /** The container's variable that is set where the pod ends TLS itself. */
  tlsVariable: 'BARRAGE_TLS_CERT_FILE',
  /** The pod's volume with the Secret of its certificate. */
  tlsVolume: 'tls',
} as const;

export const ports = { clients: 6790, publish: 6789, admin: 6780 } as const;

export type Component = 'gateway' | 'publisher';

/** Names of a pool's children. The plan names the pods. */
export const childNames = {
  clients: (pool: GatewayPool) => pool.metadata.name,
  publish: (pool: GatewayPool) => `${pool.metadata.name}-publish`,
  gateways: (pool: GatewayPool) => `${pool.metadata.name}-gateways`,
  publisher: (pool: GatewayPool) => `${pool.metadata.name}-publisher`,
  signing: (pool: GatewayPool) => `${pool.metadata.name}-signing`,
  keptKeys: (pool: GatewayPool) => `${pool.metadata.name}-signing-kept`,
  apiKey: (pool: GatewayPool) => `${pool.metadata.name}-api-key`,
  settings: (pool: GatewayPool) => `${pool.metadata.name}-settings`,
  document: (pool: GatewayPool) => `${pool.metadata.name}-pool`,
  policies: (pool: GatewayPool, part: number) => `${pool.metadata.name}-policies-${part}`,
};

/** Labels of every child of a pool. */
export function childLabels(pool: GatewayPool, component?: Component): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/name': 'barrage',
    'app.kubernetes.io/instance': pool.metadata.name,
    'app.kubernetes.io/managed-by': 'barrage-operator',
    [names.label.pool]: pool.metadata.name,
    ...(component === undefined ? {} : { [names.label.component]: component }),
  };
}

/** Selector of a pool's pods of one component. It never changes over a pool's life. */
export function podSelector(pool: GatewayPool, component: Component): Readonly<Record<string, string>> {
  return { [names.label.pool]: pool.metadata.name, [names.label.component]: component };
}

/** `status.selector` of the scale subresource: the gateways' selector as text. */
export function selectorText(pool: GatewayPool): string {
  return Object.entries(podSelector(pool, 'gateway'))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Makes the pool the controller. The pool's deletion then deletes the child, and no other controller adopts it. */
export function ownedBy(pool: GatewayPool): OwnerReference {
  const { name, uid } = pool.metadata;
  return { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', name, uid, controller: true, blockOwnerDeletion: true };
}

export function childMetadata(pool: GatewayPool, name: string, component?: Component): ChildMetadata {
  return { name, namespace: pool.metadata.namespace, labels: childLabels(pool, component), ownerReferences: [ownedBy(pool)] };
}

/**
 * The metadata by which an existing pod is a gateway of its pool. Labels and owner belong together: an apply takes back
 * what an earlier one set and this one leaves out. A pod without its revision gets none: nobody knows its template, and
 * it is replaced.
 */
export function claimedGateway(
  pool: GatewayPool,
  { name, uid, labels = {} }: { readonly name: string; readonly uid: string; readonly labels?: Readonly<Record<string, string>> },
): ChildMetadata & { readonly uid: string } {
  const revision = labels[names.label.revision];
  const known = revision === undefined ? {} : { [names.label.revision]: revision };
  const metadata = childMetadata(pool, name, 'gateway');
  return { ...metadata, uid, labels: { ...metadata.labels, [names.label.gateway]: name, ...known } };
}
