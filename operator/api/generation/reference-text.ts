import { fieldsOf } from './definition.ts';
import type { Definition, Field, Schema } from './definition.ts';

const introduction = `# API reference

Two kinds of objects, in the group \`barrage.dev\`, version \`v1alpha1\`. This page is written by \`node operator/api/generate.ts\` from \`crds/\`; \`kubectl explain gatewaypool.spec\` tells the same.
The API server refuses an object that breaks a bound or a rule, with the message given here, also while the operator is down.

The least that makes an endpoint on Redis:

\`\`\`yaml
apiVersion: barrage.dev/v1alpha1
kind: GatewayPool
metadata:
  name: live
spec:
  replicas: 2
  bus:
    redis: { mode: Standalone, addresses: [redis:6379] }
---
apiVersion: barrage.dev/v1alpha1
kind: BarrageChannel
metadata:
  name: videos
spec:
  poolRef: { name: live }
  channel: video:*
\`\`\`
`;

/** The API reference as Markdown: every field with its type, default and bounds, and every rule. */
export function referenceText(definitions: readonly Definition[]): string {
  return [introduction, ...definitions.map(section)].join('\n');
}

function section(definition: Definition): string {
  const fields = fieldsOf(definition.schema);
  const table = (part: string): readonly string[] => [
    '| field | type | default | accepts | meaning |',
    '|---|---|---|---|---|',
    ...fields.filter(({ path }) => path[0] === part && path.at(-1) !== '*').map(row),
    '',
  ];
  return [
    `## ${definition.kind}`,
    '',
    definition.schema.description ?? '',
    '',
    `\`kubectl get ${definition.shortNames.join(' ')}\` shows these (those in parentheses with \`-o wide\`): ${definition.columns.map(column).join(', ')}.${selectors(definition)}${scale(definition)}`,
    '',
    '### Spec',
    '',
    ...table('spec'),
    '### Rules',
    '',
    ...ruleLines(definition.schema, fields),
    '',
    '### Status',
    '',
    ...table('status'),
  ].join('\n');
}

function column({ name, priority }: { readonly name: string; readonly priority?: number }): string {
  return (priority ?? 0) > 0 ? `(${name})` : name;
}

function selectors({ selectableFields }: Definition): string {
  if (selectableFields.length === 0) return '';
  return ` \`--field-selector\` takes ${selectableFields.map((path) => `\`${path.slice(1)}\``).join(' and ')}.`;
}

function scale({ hasScale }: Definition): string {
  return hasScale ? ' `kubectl scale` and autoscalers set `spec.replicas`.' : '';
}

function row({ path, schema, isRequired }: Field): string {
  const fallback = schema.default === undefined ? (isRequired && path.at(-1) !== '[]' ? '*required*' : '') : `\`${shown(schema.default)}\``;
  const cells = [`\`${pathText(path)}\``, typeName(schema), fallback, bounds(schema), schema.description ?? ''];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`;
}

function pathText(path: readonly string[]): string {
  return path.join('.').replaceAll('.[]', '[]').replaceAll('.*', '.<name>');
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function typeName(schema: Schema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'integer or string';
  if (schema.type === 'array') return `list of ${plural(schema.items ?? {})}`;
  if (schema.additionalProperties !== undefined) return `map of ${plural(schema.additionalProperties)}`;
  return schema.format === 'date-time' ? 'time (RFC 3339)' : (schema.type ?? '');
}

function plural(schema: Schema): string {
  return schema['x-kubernetes-int-or-string'] === true ? 'integers or strings' : `${typeName(schema)}s`;
}

function bounds(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${word}\``).join(', ');
  const parts = [
    range(schema.minimum, schema.maximum, ''),
    range(schema.minLength, schema.maxLength, ' characters'),
    range(schema.minItems, schema.maxItems, ' items'),
    range(undefined, schema.maxProperties, ' entries'),
    schema['x-kubernetes-list-type'] === 'set' ? 'each once' : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function range(least: number | undefined, most: number | undefined, unit: string): string {
  if (least === undefined && most === undefined) return '';
  if (most === undefined) return `at least ${least}${unit}`;
  return least === undefined ? `at most ${most}${unit}` : `${least} … ${most}${unit}`;
}

function ruleLines(schema: Schema, fields: readonly Field[]): readonly string[] {
  const all: readonly Pick<Field, 'path' | 'schema'>[] = [{ path: [], schema }, ...fields];
  return all.flatMap(({ path, schema: { 'x-kubernetes-validations': rules = [] } }) =>
    rules.map(({ message, fieldPath }) => {
      const place = pathText([...path, ...(fieldPath === undefined ? [] : [fieldPath.slice(1)])]);
      return `- ${place === '' ? 'the object' : `\`${place}\``}: ${message}`;
    }),
  );
}
