import type { Definition, Schema } from './definition.ts';
import type { Shape } from '../shape.ts';

/** TypeScript for the shapes of all specs, by kind. */
export function shapesText(definitions: readonly Definition[]): string {
  const byKind = Object.fromEntries(definitions.map(({ kind, schema }) => [kind, shapeOf(schema.properties?.['spec'] ?? {})]));
  return [
    '// Written by operator/api/generate.ts from crds/.',
    "import type { Shape } from './shape.ts';",
    '',
    '/** What the spec of each kind must be like to be read. */',
    `export const specShapes = ${JSON.stringify(byKind)} as const satisfies Record<string, Shape>;`,
    '',
  ].join('\n');
}

function shapeOf(schema: Schema): Shape {
  const type = schema['x-kubernetes-int-or-string'] === true ? 'int-or-string' : schema.type;
  return {
    ...(type !== undefined && { type }),
    ...(schema.required && { required: schema.required }),
    ...(schema.enum && { enum: schema.enum }),
    ...(schema.minimum !== undefined && { minimum: schema.minimum }),
    ...(schema.maximum !== undefined && { maximum: schema.maximum }),
    ...(schema.properties && { properties: fields(schema.properties) }),
    ...(schema.items && { items: shapeOf(schema.items) }),
    ...(schema.additionalProperties && { values: shapeOf(schema.additionalProperties) }),
  };
}

function fields(properties: Readonly<Record<string, Schema>>): Readonly<Record<string, Shape>> {
  return Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, shapeOf(child)]));
}
