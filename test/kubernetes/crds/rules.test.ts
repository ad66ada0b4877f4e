import { afterAll, beforeAll, expect, test } from 'vitest';
import { fieldsOf } from '../../../operator/api/generation/definition.ts';
import type { Schema } from '../../../operator/api/generation/definition.ts';
import { readDefinitions } from '../../../operator/api/generation/files.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import type { ApiObject } from './api-client.ts';
import { edited, fullChannel, fullPool } from './full-objects.ts';
import { ruleCases } from './rule-cases.ts';
import { openWorkshop } from './workshop.ts';
import type { Objection, Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
  await workshop.create(fullPool);
  await workshop.create(fullChannel);
}, clusterTimeoutMs);
afterAll(() => workshop.close());

const tests = ruleCases.map((each) => ({ ...each, title: `${each.kind} ${each.at}: ${each.message}` }));

test.each(tests)('$title', async ({ kind, message, accepted, refused, isChange }) => {
  const full = kind === 'GatewayPool' ? fullPool : fullChannel;
  const object = isChange === true ? full : edited(full, { 'metadata.name': 'another' });
  const attempt = (changed: ApiObject): Promise<readonly Objection[]> =>
    isChange === true ? workshop.tryReplace(changed) : workshop.tryCreate(changed);
  for (const edits of accepted) expect(await attempt(edited(object, edits)), JSON.stringify(edits)).toEqual([]);
  for (const edits of refused) {
    const said = (await attempt(edited(object, edits))).map((objection) => objection.message);
    expect(said, JSON.stringify(edits)).toContainEqual(expect.stringContaining(message));
  }
});

test('every rule of the schemas has its case here, and every case its rule', () => {
  const rules = readDefinitions().flatMap(({ kind, schema }) => {
    const all: readonly { readonly path: readonly string[]; readonly schema: Schema }[] = [{ path: [], schema }, ...fieldsOf(schema)];
    return all.flatMap(({ path, schema: { 'x-kubernetes-validations': own = [] } }) =>
      own.map(({ message, fieldPath }) => ({
        kind,
        at: [...path, ...(fieldPath === undefined ? [] : [fieldPath.slice(1)])].join('.'),
        message,
      })),
    );
  });
  const covers = (rule: (typeof rules)[number], each: (typeof ruleCases)[number]): boolean =>
    rule.kind === each.kind && rule.at === each.at && rule.message.startsWith(each.message);
  expect(rules.length).toBeGreaterThan(30);
  expect(rules.filter((rule) => ruleCases.filter((each) => covers(rule, each)).length !== 1)).toEqual([]);
  expect(ruleCases.filter((each) => !rules.some((rule) => covers(rule, each)))).toEqual([]);
});
