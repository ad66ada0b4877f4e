import { expect, test } from 'vitest';
import { z } from 'zod';
import { issueWords } from '../../core/issue-words.ts';

function wordsOf(schema: z.ZodType, value: unknown): readonly string[] {
  return schema.safeParse(value, { error: issueWords }).error?.issues.map(({ message }) => message) ?? [];
}

test.each([
  [z.string(), undefined, 'is missing, and must be a text'],
  [z.string(), 7, 'must be a text'],
  [z.number(), null, 'must be a number'],
  [z.int(), 1.5, 'must be a whole number'],
  [z.boolean(), 'yes', 'must be true or false'],
  [z.array(z.string()), {}, 'must be a list'],
  [z.strictObject({}), 'x', 'must be an object'],
  [z.number().min(5), 4, 'must be at least 5'],
  [z.number().max(5), 6, 'must be at most 5'],
  [z.string().min(1), '', 'must have at least 1 characters'],
  [z.string().max(2), 'xxx', 'must have at most 2 characters'],
  [z.array(z.string()).max(1), ['a', 'b'], 'must have at most 1 elements'],
  [z.enum(['sse', 'pull']), 'foo', 'must be one of sse, pull'],
  [z.literal('a'), 'b', 'must be a'],
])('%#: %j', (schema, value, words) => {
  expect(wordsOf(schema, value)).toEqual([words]);
});

test('unknown fields are named, five of them, each shortened', () => {
  const many = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`f${index}`, 1]));
  expect(wordsOf(z.strictObject({}), many)).toEqual(['unknown field "f0", "f1", "f2", "f3", "f4"']);
  expect(wordsOf(z.strictObject({}), { ['x'.repeat(65)]: 1 })).toEqual([`unknown field "${'x'.repeat(64)}…"`]);
});

test('words of a schema come before', () => {
  expect(wordsOf(z.string({ error: 'give a name' }), 7)).toEqual(['give a name']);
});
