import type { Regarding } from './event-series.ts';

/** Any object of the API server, as JSON: times are strings. */
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
  /** When it is to be gone: the moment of its deletion and `deletionGracePeriodSeconds`. */
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

/** A kind of object and where the API server has it. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** One object. With a `uid` it means this very object, never a later one of the same name. */
export interface ObjectRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

/** This very object. */
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

/** What became of a new object: `object` is it as stored. */
export type Created<T> = { readonly kind: 'created'; readonly object: T } | { readonly kind: 'exists' };

/**
 * What reconciling does to the world. All of it can be done twice.
 * @throws ApiError where the API server refuses or is away
 */
export interface KubeApi {
  /**
   * Makes the object say what is given, and takes back what we said of it before and no longer do; what others say of
   * it stays.
   */
  apply<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T>;
  /** The same as `apply` for its status. */
  applyStatus<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T>;
  /**
   * Sets every field that is given, lists as a whole: takes out of them what others have put in. For what can't be
   * applied because of that.
   */
  overwrite<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T>;
  /** Makes a new object; one of that name that is there already is left alone. */
  create<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<Created<T>>;
  /** Deletes it; true where it is gone or going, false where another object has its name now. */
  delete(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<boolean>;
  /**
   * Says all that we say in a pod's annotations, and takes back what we said there before and no longer do.
   * @returns the pod as stored; `undefined` where it is gone
   */
  annotatePod(ref: ExactRef, annotations: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<KubeObject | undefined>;
  /** Sets all conditions of a pod that are ours. @returns the pod as stored; `undefined` where it is gone */
  setPodConditions(ref: ExactRef, conditions: readonly PodCondition[], signal?: AbortSignal): Promise<KubeObject | undefined>;
}

/** Reads past the stores: for what is not worth a watch. */
export interface KubeReader {
  /** `undefined` where it does not exist. */
  get<T extends KubeObject>(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource, where: Selection, signal?: AbortSignal): Promise<readonly T[]>;
}

/** Which objects of a kind; all of them where nothing is said. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** `namespace/name`, or `name` alone where the object has no namespace. */
export function keyOf({ metadata: { namespace, name = '' } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** What an event about this object is told of it. */
export function regarding(resource: Resource, { metadata }: KubeObject): Regarding {
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
  };
}
