import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { policyFileSchema } from '../../../core/policy/policy.ts';
import { fieldsOf } from '../../../operator/api/generation/definition.ts';
import type { Schema } from '../../../operator/api/generation/definition.ts';
import { readDefinitions } from '../../../operator/api/generation/files.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { edited, fullChannel } from './full-objects.ts';
import { openWorkshop } from './workshop.ts';
import type { Workshop } from './workshop.ts';

/** Fields of a BarrageChannel that are no policy. */
const others = new Set(['poolRef', 'expectedPeak']);
/** What names match is a rule and no bound on one side or the other; the property below compares it. */
const compared = ['type', 'default', 'minimum', 'maximum', 'enum'] as const;

function outline(schema: Schema): Record<string, unknown> {
  const fields = fieldsOf(schema).filter(({ path }) => !others.has(path[0] ?? '') && path.at(-1) !== '*');
  return Object.fromEntries(
    fields.map(({ path, schema: field, isRequired }) => [
      path.join('.'),
      { isRequired, ...Object.fromEntries(compared.filter((word) => field[word] !== undefined).map((word) => [word, field[word]])) },
    ]),
  );
}

const channelSchema = readDefinitions().find(({ kind }) => kind === 'BarrageChannel')?.schema.properties?.['spec'] ?? {};

test('a BarrageChannel has the fields, bounds, defaults and words of the policy file', () => {
  const file = z.toJSONSchema(policyFileSchema, { io: 'input' }) as unknown as Schema;
  const entry = file.properties?.['channels']?.items ?? {};
  expect(Object.keys(outline(entry)).length).toBeGreaterThan(20);
  expect(outline(channelSchema)).toEqual(outline(entry));
});

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
}, clusterTimeoutMs);
afterAll(() => workshop.close());

test('the API server and the policy file take the same channel patterns', async () => {
  const seed = Date.now() % 1_000_000;
  console.log(`channel patterns: seed ${seed}`);
  const verdicts = { taken: 0, refused: 0 };
  const character = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        ...Array.from('ab:*@ \t\n\u0000\u007f\u0085\u00a0\u00ad\u180e\u200b\u200d\u2028\u2029\u202f\u3000\ufeff弹幕🎉'),
      ),
    },
    { weight: 4, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
  );
  const beginning = fc.constantFrom('', 'video:', 'user:', 'a'.repeat(248), '弹'.repeat(83));
  const pattern = fc
    .tuple(beginning, fc.array(character, { maxLength: 5 }), fc.constantFrom('', '*'))
    .map(([start, characters, end]) => start + characters.join('') + end);
  await fc.assert(
    fc.asyncProperty(pattern, async (channel) => {
      const object = edited(fullChannel, { 'spec.channel': channel, 'spec.access.subscribe': 'Owner', 'spec.expectedPeak': undefined });
      const objections = await workshop.tryCreate(object);
      const parsed = policyFileSchema.safeParse({ channels: [{ channel, access: { subscribe: 'Owner' } }] });
      expect(objections.length === 0, `${JSON.stringify(channel)} ${JSON.stringify(objections)}`).toBe(parsed.success);
      verdicts[parsed.success ? 'taken' : 'refused'] += 1;
    }),
    { seed, numRuns: 400 },
  );
  expect(verdicts.taken).toBeGreaterThan(50);
  expect(verdicts.refused).toBeGreaterThan(50);
});

test('a spec that the API server stored is a policy file entry once what is no policy is taken out', async () => {
  for (const object of [fullChannel, edited(fullChannel, { spec: { poolRef: { name: 'full' }, channel: 'video:*' } })]) {
    const { poolRef: _pool, expectedPeak: _peak, ...policy } = (await workshop.wouldStore(object)).spec as Record<string, unknown>;
    expect(policyFileSchema.parse({ channels: [policy] }).channels[0]).toEqual(policy);
  }
});
