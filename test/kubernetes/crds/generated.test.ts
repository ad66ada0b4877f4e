import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fieldsOf } from '../../../operator/api/generation/definition.ts';
import { generatedFiles, readDefinitions } from '../../../operator/api/generation/files.ts';

test('types, defaults and the API reference are what `node operator/api/generate.ts` writes', async () => {
  const files = await generatedFiles();
  expect([...files.keys()].toSorted()).toEqual([
    'docs/api.md',
    'operator/api/barrage-channel-status.ts',
    'operator/api/barrage-channel.ts',
    'operator/api/defaults.ts',
    'operator/api/gateway-pool-status.ts',
    'operator/api/gateway-pool.ts',
    'operator/api/shapes.ts',
  ]);
  for (const [path, text] of files) expect(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8'), path).toBe(text);
});

test.each(readDefinitions())('every field of $kind is described in a sentence', ({ kind, schema }) => {
  const named = fieldsOf(schema).filter(({ path }) => path.join('.') !== 'metadata' && !['[]', '*'].includes(path.at(-1) ?? ''));
  expect(named.length, kind).toBeGreaterThan(20);
  const undescribed = named.filter(({ schema: { description = '' } }) => !/^[A-Z].{8,}[.)]$/.test(description));
  expect(undescribed.map(({ path }) => path.join('.'))).toEqual([]);
});

test.each(readDefinitions())(
  'every text, list and map of $kind is bounded: the cost of the rules and the size of an object are',
  ({ schema }) => {
    const unbounded = fieldsOf(schema).filter(({ path, schema: field }) => {
      if (path.length < 2 || field.enum !== undefined || field.format === 'date-time') return false;
      if (field.type === 'string') return field.maxLength === undefined;
      if (field.type === 'array') return field.maxItems === undefined;
      if (field.type === 'integer') return field.minimum === undefined || (path[0] === 'spec' && field.maximum === undefined);
      return field.additionalProperties !== undefined && field.maxProperties === undefined;
    });
    expect(unbounded.map(({ path }) => path.join('.'))).toEqual([]);
  },
);
