import { fieldsOf } from '../../../operator/api/generation/definition.ts';
import type { Definition, Field, Schema } from '../../../operator/api/generation/definition.ts';
import type { Edits } from './full-objects.ts';

/** One bound of the schema: an object at it, one past it, and what the API server says of the latter. */
export interface BoundCase {
  readonly title: string;
  /** The field that the API server names. */
  readonly field: string;
  readonly accepted: Edits;
  readonly refused: Edits;
  readonly says: string;
}

/** A list whose items differ: the API server names the second of two equal items. */
const eachOnce = 'each item once';

/** Key that stands for every key of a map. */
const anyKey = 'team';

/** What else must be so for a value at a bound to be accepted, by the field or by field and word. */
const surroundings: Readonly<Record<string, Edits>> = {
  'spec.bus.type=Memory': { 'spec.bus.redis': undefined, 'spec.scaling': { type: 'Fixed' }, 'spec.replicas': 1 },
  'spec.bus.redis.mode=Standalone': { 'spec.bus.redis.sentinelName': undefined },
  'spec.bus.redis.mode=Cluster': { 'spec.bus.redis.sentinelName': undefined },
  'spec.auth.jwksURL': { 'spec.auth.webhookURL': undefined },
  'spec.auth.jwtSecret.name': { 'spec.auth': { jwtSecret: { name: 'jwt', key: 'key' } } },
  'spec.auth.jwtSecret.key': { 'spec.auth': { jwtSecret: { name: 'jwt', key: 'key' } } },
  'spec.auth.jwtIssuer': { 'spec.auth': { jwtSecret: { name: 'jwt', key: 'key' } } },
  'spec.auth.jwtAudience': { 'spec.auth': { jwtSecret: { name: 'jwt', key: 'key' } } },
  'spec.exposure.type=PodIP': { 'spec.exposure.httpRoute': undefined },
  'spec.exposure.type=HostPort': { 'spec.exposure.httpRoute': undefined },
  'spec.exposure.type=URLTemplate': { 'spec.exposure': { urlTemplate: 'wss://{pod}.example.com/' } },
  'spec.exposure.urlTemplate': { 'spec.exposure': { type: 'URLTemplate' } },
  'spec.tls.secretName': { 'spec.exposure': { type: 'PodIP' } },
  'spec.publisher.minReplicas': { 'spec.publisher.maxReplicas': 1000 },
  'spec.publisher.maxReplicas': { 'spec.publisher.minReplicas': 1 },
  'spec.scaling.type=Fixed': { 'spec.scaling.connections': undefined },
  'spec.scaling.type=External': { 'spec.scaling.connections': undefined },
  'spec.scaling.connections.minReplicas': {
    'spec.scaling.connections.maxReplicas': 1000,
    'spec.scaling.connections.fallbackReplicas': undefined,
  },
  'spec.scaling.connections.maxReplicas': { 'spec.scaling.connections.fallbackReplicas': undefined },
  'spec.scaling.connections.fallbackReplicas': { 'spec.scaling.connections.maxReplicas': 1000 },
  'spec.placement.hotChannelThresholdPercent': { 'spec.placement.maxLoadPercent': 400 },
  'spec.channel': { 'spec.expectedPeak': undefined },
};

/** A text of so many characters that the field's rules accept; for other fields letters do. */
const texts: Readonly<Record<string, (length: number) => string>> = {
  'spec.bus.redis.addresses[0]': (length) => `${'a'.repeat(length - 2)}:1`,
  'spec.auth.webhookURL': url('https://'),
  'spec.auth.jwksURL': url('https://'),
  'spec.auth.allowedOrigins[0]': (length) => (length === 1 ? '*' : url('https://')(length)),
  'spec.exposure.urlTemplate': url('wss://{pod}'),
  [`spec.publisher.resources.requests.${anyKey}`]: (length) => '1'.padStart(length, '0'),
  [`spec.publisher.resources.limits.${anyKey}`]: (length) => '1'.padStart(length, '0'),
  'spec.drain.maxConcurrentPods': (length) => `${10 ** (length - 2)}%`,
  'spec.disruption.maxUnavailable': (length) => `${10 ** (length - 2)}%`,
  'spec.updateStrategy.maxSurge': (length) => `${10 ** (length - 2)}%`,
  'spec.channel': (length) => (length === 1 ? '*' : `${'a'.repeat(length - 1)}*`),
};

/** Shortest texts that the rules accept where they ask for more than the bound does. */
const shortest: Readonly<Record<string, string>> = {
  'spec.auth.webhookURL': 'http://a',
  'spec.auth.jwksURL': 'http://a',
  'spec.exposure.urlTemplate': 'ws://{pod}',
};

/** All bounds below the spec or the status of an API, from its schema: a new field has its cases at once. */
export function boundCases(definition: Definition, part: 'spec' | 'status'): readonly BoundCase[] {
  return fieldsOf(definition.schema)
    .filter(({ path }) => path[0] === part)
    .flatMap((field) => casesOf(field));
}

function casesOf({ path, schema, isRequired }: Field): readonly BoundCase[] {
  const field = path.join('.').replaceAll('.[]', '[0]').replaceAll('.*', `.${anyKey}`);
  const cases: BoundCase[] = [];
  const add = (bound: string, atBound: unknown, pastBound: unknown, says: string): void => {
    const around = { ...surroundings[field], ...surroundings[`${field}=${String(atBound)}`] };
    const edit = (value: unknown): Edits => ({ ...around, [field]: value });
    cases.push({
      title: `${field}: ${bound}`,
      field: bound === eachOnce ? `${field}[1]` : field,
      accepted: edit(atBound),
      refused: { ...surroundings[field], [field]: pastBound },
      says,
    });
  };
  if (schema.minimum !== undefined)
    add(`minimum ${schema.minimum}`, schema.minimum, schema.minimum - 1, `should be greater than or equal to ${schema.minimum}`);
  if (schema.maximum !== undefined)
    add(`maximum ${schema.maximum}`, schema.maximum, schema.maximum + 1, `should be less than or equal to ${schema.maximum}`);
  addTexts(field, schema, add);
  addLists(schema, add);
  for (const word of schema.enum ?? [])
    add(`may be ${word}`, word, 'Nonsense', `supported values: ${schema.enum?.map((each) => `"${each}"`).join(', ')}`);
  const isRemovable = isRequired && path.length > 1 && !['[]', '*'].includes(path.at(-1) ?? '');
  if (isRemovable)
    cases.push({
      title: `${field}: is required`,
      field,
      accepted: surroundings[field] ?? {},
      refused: { ...surroundings[field], [field]: undefined },
      says: 'Required value',
    });
  return cases;
}

type Add = (bound: string, atBound: unknown, pastBound: unknown, says: string) => void;

function addTexts(field: string, schema: Schema, add: Add): void {
  const text = texts[field] ?? ((length: number): string => 'a'.repeat(length));
  const { minLength, maxLength, pattern } = schema;
  if (minLength !== undefined)
    add(
      `at least ${minLength} characters`,
      shortest[field] ?? text(minLength),
      'a'.repeat(minLength - 1),
      `should be at least ${minLength} chars long`,
    );
  if (maxLength !== undefined)
    add(`at most ${maxLength} characters`, text(maxLength), text(maxLength + 1), `Too long: may not be more than ${maxLength} bytes`);
  if (pattern !== undefined) add('pattern', 'Good', '!', `should match '${pattern}'`);
  if (schema.format === 'date-time') add('RFC 3339', '2026-12-31T23:30:00+02:00', 'tomorrow', 'must be of type date-time');
}

function addLists(schema: Schema, add: Add): void {
  const { minItems, maxItems, maxProperties } = schema;
  const items = (count: number): readonly unknown[] => Array.from({ length: count }, (_, index) => item(schema, index));
  if (minItems !== undefined)
    add(`at least ${minItems} items`, items(minItems), items(minItems - 1), `should have at least ${minItems} items`);
  if (maxItems !== undefined) add(`at most ${maxItems} items`, items(maxItems), items(maxItems + 1), `must have at most ${maxItems} items`);
  if (schema['x-kubernetes-list-type'] === 'set') add(eachOnce, items(2), [item(schema, 0), item(schema, 0)], 'Duplicate value');
  if (schema['x-kubernetes-list-type'] === 'map') add(eachOnce, items(2), [item(schema, 0), item(schema, 0)], 'Duplicate value');
  const entries = (count: number): unknown => Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, '1']));
  if (maxProperties !== undefined)
    add(`at most ${maxProperties} entries`, entries(maxProperties), entries(maxProperties + 1), `must have at most ${maxProperties} `);
}

function item(schema: Schema, index: number): unknown {
  if (schema.items?.type === 'object') {
    return { type: `Type${index}`, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'Good', message: '' };
  }
  return schema.minItems === undefined ? `https://${index}.example.com` : `redis-${index}:6379`;
}

function url(beginning: string): (length: number) => string {
  return (length) => `${beginning}${'a'.repeat(Math.max(1, length - beginning.length))}`;
}
