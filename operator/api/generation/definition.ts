import assert from 'node:assert/strict';
import { parse } from 'yaml';

/** The part of a structural schema that the CRDs in `crds/` use. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'set' | 'map' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly Rule[];
}

/** A CEL rule, with the message for a user who breaks it. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

export interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
}

/** One API of the operator, from its CustomResourceDefinition. */
export interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** Group and version, as in an object. */
  readonly apiVersion: string;
  readonly columns: readonly Column[];
  readonly selectableFields: readonly string[];
  readonly hasScale: boolean;
  readonly schema: Schema;
}

interface CustomResourceDefinition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames: readonly string[] };
    readonly versions: readonly {
      readonly name: string;
      readonly subresources: { readonly scale?: object };
      readonly selectableFields?: readonly { readonly jsonPath: string }[];
      readonly additionalPrinterColumns: readonly Column[];
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

/** Reads a CustomResourceDefinition with exactly one version. */
export function readDefinition(yaml: string): Definition {
  const { spec } = parse(yaml) as CustomResourceDefinition;
  const [version, ...others] = spec.versions;
  assert(version !== undefined && others.length === 0, `${spec.names.kind} must have one version`);
  return {
    kind: spec.names.kind,
    plural: spec.names.plural,
    shortNames: spec.names.shortNames,
    apiVersion: `${spec.group}/${version.name}`,
    columns: version.additionalPrinterColumns,
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath),
    hasScale: version.subresources.scale !== undefined,
    schema: version.schema.openAPIV3Schema,
  };
}

/** One field of a schema with its path: names, `[]` for an item of a list, `*` for a value of a map. */
export interface Field {
  readonly path: readonly string[];
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/** Every field below a schema, parents before their children, in the schema's order. */
export function fieldsOf(schema: Schema, path: readonly string[] = []): readonly Field[] {
  const children: Field[] = Object.entries(schema.properties ?? {}).map(([name, child]) => ({
    path: [...path, name],
    schema: child,
    isRequired: schema.required?.includes(name) ?? false,
  }));
  if (schema.items !== undefined) children.push({ path: [...path, '[]'], schema: schema.items, isRequired: true });
  if (schema.additionalProperties !== undefined)
    children.push({ path: [...path, '*'], schema: schema.additionalProperties, isRequired: true });
  return children.flatMap((child) => [child, ...fieldsOf(child.schema, child.path)]);
}
