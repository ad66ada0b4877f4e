import { fieldManager } from '../kube/api-server.ts';
import type { KubeObject } from '../runtime/kube-api.ts';

/** What the API server keeps of the operator's own writes to an object. */
export interface OwnFields {
  /** The fields that hold what the operator has written, as JSON. */
  readonly text: string;
  /** When the operator changed any of them last, in Unix milliseconds; `undefined` where that is not told. */
  readonly at: number | undefined;
}

interface ManagedObject extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { readonly managedFields?: readonly ManagedFields[] };
  /** In the place of `managedFields` in a store. */
  readonly ownFields?: OwnFields;
}

interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly time?: string;
  readonly fieldsV1?: object;
}

/** Puts the operator's own fields in the place of all managed fields, which are most of a small object. */
export function withOwnFields<T extends KubeObject>(object: T): T {
  const ownFields = ownFieldsOf(object);
  const { managedFields: _, ...metadata } = object.metadata as ManagedObject['metadata'];
  return { ...object, metadata, ...(ownFields === undefined ? {} : { ownFields }) };
}

/** `undefined` where the operator has written nothing. An object that was only created holds its creation. */
export function ownFieldsOf(object: KubeObject): OwnFields | undefined {
  const { ownFields, metadata } = object as ManagedObject;
  if (ownFields !== undefined) return ownFields;
  const own = (metadata.managedFields ?? []).filter(({ manager, subresource }) => manager === fieldManager && subresource === undefined);
  const entry = own.find(({ operation }) => operation === 'Apply') ?? own[0];
  if (entry === undefined) return undefined;
  const at = Date.parse(entry.time ?? '');
  return { text: JSON.stringify(entry.fieldsV1 ?? {}), at: Number.isNaN(at) ? undefined : at };
}

/** Names of other writers that have set fields in the desired part of an object: its spec or its data. */
export function otherWritersOf({ metadata }: KubeObject): readonly string[] {
  const { managedFields = [] } = metadata as ManagedObject['metadata'];
  return managedFields.flatMap(({ manager, subresource, fieldsV1 = {} }) => {
    const isOther = manager !== fieldManager && subresource === undefined;
    return isOther && Object.keys(fieldsV1).some((field) => field !== 'f:metadata') ? [manager ?? ''] : [];
  });
}
