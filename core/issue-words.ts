import type { z } from 'zod';

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

/** Most unknown fields that are named. */
const namesMax = 5;
/** Most characters of an unknown name that are shown. */
const nameCharactersMax = 64;

/**
 * What a value must be, for the one who sent it. It is meant for the option `error` of a schema's `safeParse`: words of
 * the schema itself come before it.
 * @returns `undefined` for an issue that the library words itself
 */
export function issueWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      const noun = nouns[issue.expected];
      if (noun === undefined) return undefined;
      return issue.input === undefined ? `is missing, and must be ${noun}` : `must be ${noun}`;
    }
    case 'too_small':
      return `must ${sizeWords(issue.origin)} at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `must ${sizeWords(issue.origin)} at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `unknown field ${issue.keys.slice(0, namesMax).map(shown).join(', ')}`;
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_union':
    case 'not_multiple_of':
    default:
      return undefined;
  }
}

function sizeWords(origin: string): string {
  return origin === 'string' || origin === 'array' ? 'have' : 'be';
}

function unitOf(origin: string): string {
  return origin === 'string' ? ' characters' : origin === 'array' ? ' elements' : '';
}

/** An untrusted name, in quotes and shortened, for a message. */
export function shown(name: string): string {
  return JSON.stringify(name.length > nameCharactersMax ? `${name.slice(0, nameCharactersMax)}…` : name);
}
