import type { KubeObject } from '../runtime/kube-api.ts';

/** The fields of an EndpointSlice that the operator reads. */
export interface EndpointSlice extends KubeObject {
  /** `null` in an empty slice. */
  readonly endpoints?:
    | readonly {
        readonly conditions?: { readonly ready?: boolean };
        readonly targetRef?: { readonly uid?: string };
      }[]
    | null;
}

const serviceLabel = 'kubernetes.io/service-name';

/** Whether a slice lists the endpoints of this Service. */
export function isOfService({ metadata }: KubeObject, service: string): boolean {
  return metadata.labels?.[serviceLabel] === service;
}

/** An EndpointSlice reduced to the fields that the operator reads: the addresses of a large Service are long. */
export function slimSlice(slice: EndpointSlice): EndpointSlice {
  const { apiVersion, kind, metadata, endpoints } = slice;
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata,
    endpoints: (endpoints ?? []).map(({ conditions, targetRef }) => ({
      conditions: { ready: conditions?.ready !== false },
      targetRef: { uid: targetRef?.uid ?? '' },
    })),
  };
}

/**
 * Whether balancers send new clients to a pod: a slice lists the pod, and does not say that it is unready. `undefined`
 * where the Service has no slices.
 * @param slices the slices of the Service
 */
export function isEndpointReady(slices: readonly EndpointSlice[], podUid: string): boolean | undefined {
  if (slices.length === 0) return undefined;
  return slices.some((slice) => readyIn(slice).has(podUid));
}

/** `readyIn` of slices, which never change. A pool of 1,000 gateways asks for each of them in each reconcile. */
const ready = new WeakMap<EndpointSlice, ReadonlySet<string>>();

/** The uids of the pods that a slice does not call unready. */
function readyIn(slice: EndpointSlice): ReadonlySet<string> {
  const known = ready.get(slice);
  if (known !== undefined) return known;
  // Kubernetes defines an absent condition as ready.
  const found = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
  const uids = new Set(found.flatMap(({ targetRef }) => targetRef?.uid ?? []));
  ready.set(slice, uids);
  return uids;
}
