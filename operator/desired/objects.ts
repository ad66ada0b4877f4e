/**
 * Kubernetes objects as plain JSON, as the operator writes them. Their types are loose: the API server validates them,
 * and the tests ask it.
 */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: true;
  /** With true some clusters require the right to update the owner's finalizers; the operator has it for pools. */
  readonly blockOwnerDeletion: boolean;
}

export interface ChildMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly [OwnerReference];
}

/** An object that the operator applies. The API server fills in the rest. */
export interface DesiredObject<Kind extends string = string> {
  readonly apiVersion: string;
  readonly kind: Kind;
  readonly metadata: ChildMetadata;
  readonly spec?: JsonObject;
  readonly data?: Readonly<Record<string, string>>;
  readonly type?: string;
}

export interface JsonObject {
  readonly [key: string]: Json | undefined;
}
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
