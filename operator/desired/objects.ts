/**
 * Kubernetes objects as plain JSON, as the operator writes them. They are typed loosely: the API server's own
 * validation is the judge of them, and the tests ask it.
 */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: true;
  /**
   * Some clusters ask for the right to update the owner's finalizers where it is true: the operator has it for pools.
   */
  readonly blockOwnerDeletion: boolean;
}

export interface ChildMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly [OwnerReference];
}

/** An object that the operator applies: complete but for what the API server fills in. */
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
