import assert from 'node:assert/strict';
import { compile } from 'json-schema-to-typescript';
import type { JSONSchema } from 'json-schema-to-typescript';
import type { Definition, Schema } from './definition.ts';

/**
 * TypeScript for one API, as the API server returns objects: a field with a default is always present. Each object has
 * a named interface; its name follows from its path. The status, which the operator writes, has a file of its own.
 */
export async function typeText(definition: Definition): Promise<string> {
  const { kind, schema, plural } = definition;
  const root: JSONSchema = {
    ...typed({ ...schema, required: ['apiVersion', 'kind', 'metadata', 'spec'] }, [kind]),
    title: kind,
  };
  Object.assign(root.properties ?? {}, {
    apiVersion: { tsType: `'${definition.apiVersion}'` },
    kind: { tsType: `'${kind}'` },
    metadata: { tsType: 'ObjectMeta' },
    status: { tsType: `${kind}Status` },
  });
  const imports = [`import type { ${kind}Status } from './${statusFile(kind)}';`, "import type { ObjectMeta } from './object-meta.ts';"];
  return [banner(plural), ...imports, '', await compiled(root, kind)].join('\n');
}

/** TypeScript for the status of one API. */
export async function statusText({ kind, schema, plural }: Definition): Promise<string> {
  const status = schema.properties?.['status'];
  assert(status !== undefined, `${kind} has no status`);
  return `${banner(plural)}\n\n${await compiled(typed(status, [kind, 'status']), `${kind}Status`)}`;
}

/** The file of an API's types, such as `gateway-pool.ts`. */
export function typeFile(kind: string): string {
  return `${kind.replaceAll(/\B[A-Z]/g, '-$&').toLowerCase()}.ts`;
}

/** The file of its status, such as `gateway-pool-status.ts`. */
export function statusFile(kind: string): string {
  return typeFile(`${kind}Status`);
}

function banner(plural: string): string {
  return `// Written by operator/api/generate.ts from crds/${plural}.yaml.`;
}

async function compiled(schema: JSONSchema, name: string): Promise<string> {
  const text = await compile(schema, name, {
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    bannerComment: '',
    format: false,
  });
  return readonly(text);
}

function typed(schema: Schema, name: readonly string[]): JSONSchema {
  const description = schema.description === undefined ? {} : { description: schema.description };
  if (schema['x-kubernetes-int-or-string'] === true) return { ...description, tsType: 'number | string' };
  if (schema.items !== undefined) return { ...description, type: 'array', items: typed(schema.items, singular(name)) };
  if (schema.type !== 'object')
    return { ...description, ...(schema.type && { type: schema.type }), ...(schema.enum && { enum: [...schema.enum] }) };
  if (schema.additionalProperties !== undefined) return { ...description, tsType: recordOf(schema.additionalProperties) };
  const properties = Object.entries(schema.properties ?? {});
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return { ...description, tsType: 'Readonly<Record<string, unknown>>' };
  return {
    ...description,
    title: interfaceName(name),
    type: 'object',
    properties: Object.fromEntries(properties.map(([key, child]) => [key, typed(child, [...name, key])])),
    required: properties.filter(([key, child]) => schema.required?.includes(key) || child.default !== undefined).map(([key]) => key),
  };
}

function recordOf(values: Schema): string {
  return `Readonly<Record<string, ${values.type === 'string' ? 'string' : 'number | string'}>>`;
}

/** `GatewayPoolDrain` for spec.drain. Only the spec's own interface has `Spec` in its name. */
function interfaceName(name: readonly string[]): string {
  const told = name.length > 2 && name[1] === 'spec' ? name.toSpliced(1, 1) : name;
  return told.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function singular(name: readonly string[]): readonly string[] {
  return name.map((word, index) => (index === name.length - 1 ? word.replace(/s$/, '') : word));
}

/** Adds `readonly`, which the compiler can't: objects of a cache must not be changed. */
function readonly(text: string): string {
  return text
    .replaceAll(/^( *)(\w+\??): /gm, '$1readonly $2: ')
    .replaceAll(/: ([^:;\n]+)\[\];?$/gm, ': readonly $1[];')
    .replaceAll(/^}\n(?=\S)/gm, '}\n\n')
    .replaceAll(/^ *\/\*\*\n((?: *\*.*\n)+?) *\*\/$/gm, (_, lines: string) => docstring(lines));
}

/** Widest line of a comment, in columns, without the two spaces that the formatter sets before a field. */
const commentWidthMax = 118;

/** One line where it fits, else a block of lines. */
function docstring(lines: string): string {
  const words = lines
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join(' ')
    .trim();
  const line = `/** ${words} */`;
  if (line.length <= commentWidthMax) return line;
  const room = commentWidthMax - ' * '.length;
  const wrapped: string[] = [];
  for (const word of words.split(' ')) {
    const last = wrapped.at(-1);
    if (last === undefined || `${last} ${word}`.length > room) wrapped.push(word);
    else wrapped[wrapped.length - 1] = `${last} ${word}`;
  }
  return ['/**', ...wrapped.map((each) => ` * ${each}`), ' */'].join('\n');
}
