import type { ObjectRef, Resource } from '../runtime/kube-api.ts';

function resource(apiVersion: string, kind: string, plural: string): Resource {
  return { apiVersion, kind, plural, isNamespaced: true };
}

/** Every kind that the operator reads or writes. */
export const resources = {
  gatewayPool: resource('barrage.dev/v1alpha1', 'GatewayPool', 'gatewaypools'),
  barrageChannel: resource('barrage.dev/v1alpha1', 'BarrageChannel', 'barragechannels'),
  pod: resource('v1', 'Pod', 'pods'),
  service: resource('v1', 'Service', 'services'),
  configMap: resource('v1', 'ConfigMap', 'configmaps'),
  secret: resource('v1', 'Secret', 'secrets'),
  deployment: resource('apps/v1', 'Deployment', 'deployments'),
  controllerRevision: resource('apps/v1', 'ControllerRevision', 'controllerrevisions'),
  horizontalPodAutoscaler: resource('autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
  podDisruptionBudget: resource('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  networkPolicy: resource('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  httpRoute: resource('gateway.networking.k8s.io/v1', 'HTTPRoute', 'httproutes'),
  endpointSlice: resource('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices'),
  event: resource('events.k8s.io/v1', 'Event', 'events'),
  lease: resource('coordination.k8s.io/v1', 'Lease', 'leases'),
  namespace: { ...resource('v1', 'Namespace', 'namespaces'), isNamespaced: false },
} as const satisfies Readonly<Record<string, Resource>>;

/** Path of all objects of a kind, in one namespace or in all. */
export function collectionPath({ apiVersion, plural, isNamespaced }: Resource, namespace?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = isNamespaced && namespace !== undefined && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${within}/${plural}`;
}

export function objectPath(of: Resource, { namespace, name }: ObjectRef, subresource?: 'status'): string {
  const path = `${collectionPath(of, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
