import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { chart, type Manifest } from './helm.ts';

export interface ValueSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly additionalProperties?: unknown;
}

export interface ChartValue {
  /** `image.tag`. */
  readonly path: string;
  readonly schema: ValueSchema;
}

export const valuesSchema = JSON.parse(readFileSync(`${chart}/values.schema.json`, 'utf8')) as ValueSchema;
export const defaultValues = parse(readFileSync(`${chart}/values.yaml`, 'utf8')) as Readonly<Record<string, unknown>>;

/** Every value that the schema names, but for those that belong to Helm. */
export function chartValues(schema: ValueSchema = valuesSchema, prefix = ''): readonly ChartValue[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]): readonly ChartValue[] => {
    const path = `${prefix}${name}`;
    if (path === 'global') return [];
    return inner.properties === undefined ? [{ path, schema: inner }] : chartValues(inner, `${path}.`);
  });
}

export function defaultAt(path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((values, name) => (values as Readonly<Record<string, unknown>> | undefined)?.[name], defaultValues);
}

/** The table of all values as Markdown: the chart's README.md holds it. */
export function valuesDocument(): string {
  const rows = chartValues().map(({ path, schema }) => {
    const value = defaultAt(path);
    return `| \`${path}\` | ${value === '' ? 'empty' : `\`${JSON.stringify(value)}\``} | ${schema.description} |`;
  });
  return ['| value | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

/**
 * Every right in these objects: `group/resource: verb, …`, with `core` for the group that has no name and `of NAME`
 * after the verbs where the right ends at one name.
 */
export function rights(objects: readonly Manifest[]): readonly string[] {
  const rules = objects.flatMap((object) => object.rules ?? []);
  return rules
    .flatMap(({ apiGroups, resources, verbs, resourceNames }) =>
      apiGroups.flatMap((group) =>
        resources.map(
          (resource) =>
            `${group === '' ? 'core' : group}/${resource}: ${verbs.join(', ')}${resourceNames === undefined ? '' : ` of ${resourceNames.join(', ')}`}`,
        ),
      ),
    )
    .toSorted();
}

/** The same as docs/operator.md tells them: the rows `| group | resources | verbs | why |` of its table. */
export function documentedRights(): readonly string[] {
  const rows = readFileSync('docs/operator.md', 'utf8').matchAll(/^\| `([a-z0-9.]+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$/gm);
  return [...rows]
    .flatMap(([, group = '', resources = '', verbs = '']) =>
      [...resources.matchAll(/`([^`]+)`/g)].map(([, resource]) => `${group}/${resource}: ${verbs.trim()}`),
    )
    .toSorted();
}
