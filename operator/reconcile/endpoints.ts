import type { KubeObject } from '../runtime/kube-api.ts';

/** What is read of an EndpointSlice. */
export interface EndpointSlice extends KubeObject {
  /** `null` where there are none. */
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

/** An EndpointSlice without what nobody here reads: the addresses of large Services are long. */
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
 * Whether balancers are told to lead clients to a pod: a slice has it, and does not say that it is unready. `undefined`
 * where there are no slices to ask.
 * @param slices those of the Service
 */
export function isEndpointReady(slices: readonly EndpointSlice[], podUid: string): boolean | undefined {
  if (slices.length === 0) return undefined;
  const found = slices.flatMap(({ endpoints }) => (endpoints ?? []).filter(({ targetRef }) => targetRef?.uid === podUid));
  // A condition that is not there means ready (Kubernetes' own reading).
  return found.some(({ conditions }) => conditions?.ready !== false);
}
