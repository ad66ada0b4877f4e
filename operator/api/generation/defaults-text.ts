import type { Defaults } from '../defaulting.ts';
import type { Definition, Schema } from './definition.ts';

/** TypeScript for the defaults of all APIs, by kind. */
export function defaultsText(definitions: readonly Definition[]): string {
  const byKind = Object.fromEntries(definitions.map(({ kind, schema }) => [kind, defaultsOf(schema)]));
  return [
    '// Written by operator/api/generate.ts from crds/.',
    "import type { Defaults } from './defaulting.ts';",
    '',
    '/** What the API server fills in where a field is absent; `{}` is a field without a default. */',
    `export const defaults = ${JSON.stringify(byKind)} as const satisfies Record<string, Defaults>;`,
    '',
  ].join('\n');
}

/** Every field of the schema appears, even without a default: a null in it is dropped. */
export function defaultsOf(schema: Schema): Defaults {
  return {
    ...(schema.default !== undefined && { default: schema.default }),
    ...(schema.properties && {
      properties: Object.fromEntries(Object.entries(schema.properties).map(([name, child]) => [name, defaultsOf(child)])),
    }),
    ...(schema.items && { items: defaultsOf(schema.items) }),
    ...(schema.additionalProperties && { values: defaultsOf(schema.additionalProperties) }),
  };
}
