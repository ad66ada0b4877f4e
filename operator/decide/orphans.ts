import { names } from '../desired/labels.ts';

/** The fields of an object that tell whose it is. */
export interface OwnedObject {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly controller?: boolean }[];
  };
}

/**
 * Whether an object was left behind by an earlier pool of this name, as by `kubectl delete --cascade=orphan`. It has no
 * controller, carries the labels of the pool's children, and the operator has written it. An object whose controller is
 * gone is no orphan: Kubernetes is about to delete it.
 * @param isWrittenByUs whether the API server keeps fields under the operator's name
 */
export function isOrphan(found: OwnedObject, pool: string, isWrittenByUs: boolean): boolean {
  const { labels = {}, ownerReferences = [] } = found.metadata;
  const isOurs = labels['app.kubernetes.io/managed-by'] === 'barrage-operator' && labels[names.label.pool] === pool;
  return isOurs && isWrittenByUs && !ownerReferences.some(({ controller }) => controller === true);
}
