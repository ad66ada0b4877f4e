import type { Regarding } from './event-series.ts';

/** Any object of the API server as JSON. Times are strings. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  /** When the object is to be gone: the deletion's time plus `deletionGracePeriodSeconds`. */
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** A kind of object, and its place in the API server. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** Reference to an object. With a `uid` it never means a later object of the same name. */
export interface ObjectRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

/** Reference to exactly one object. */
export interface ExactRef extends ObjectRef {
  readonly uid: string;
}

export interface PodCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

/** Result of a creation. `object` is the stored one. */
export type Created<T> = { readonly kind: 'created'; readonly object: T } | { readonly kind: 'exists' };

/**
 * The writes of reconcilers. Each may be done twice.
 * @throws ApiError where the API server refuses or is away
 */
export interface KubeApi {
  /**
   * Server-side apply: sets the given fields, and removes those that we set before and give no longer. Other managers'
   * fields stay.
   */
  apply<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T>;
  /** The same as `apply`, for the status. */
  applyStatus<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T>;
  /**
   * Sets every given field, lists as a whole, so entries of other managers go. For objects that those entries keep from
   * being applied.
   */
  overwrite<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T>;
  /** Creates an object. An existing one of that name is left alone. */
  create<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<Created<T>>;
  /** @returns true where the object is gone or going, false where another object has its name */
  delete(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<boolean>;
  /**
   * Sets all of our annotations of a pod, and removes the ones that we set before and give no longer.
   * @returns the stored pod; `undefined` where it is gone
   */
  annotatePod(ref: ExactRef, annotations: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<KubeObject | undefined>;
  /**
   * Sets all of our conditions of a pod.
   * @returns the stored pod; `undefined` where it is gone
   */
  setPodConditions(ref: ExactRef, conditions: readonly PodCondition[], signal?: AbortSignal): Promise<KubeObject | undefined>;
}

/** Reads that bypass the stores, for objects that are not worth a watch. */
export interface KubeReader {
  /** @returns `undefined` where the object does not exist */
  get<T extends KubeObject>(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined>;
  /** The metadata of all selected objects, read in pages. */
  listMetadata(resource: Resource, where: Selection, signal?: AbortSignal): Promise<readonly KubeObject[]>;
}

/** Selects objects of a kind. Absent fields select all. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** `namespace/name`, or `name` alone where the object has no namespace. */
export function keyOf({ metadata: { namespace, name = '' } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The reference to this object in an event. */
export function regarding(resource: Resource, { metadata }: KubeObject): Regarding {
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
  };
}
