import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { policyFileSchema, type ChannelPolicy } from '../policy/policy.ts';

// Most aliases. Some entries may share a list of patterns; a file with more aliases is made to explode.
const aliasesMax = 100;
const faultsShownMax = 50;

/** The content of a policy file, or all its faults, one line each. */
export type PolicyTextRead =
  | { readonly kind: 'policies'; readonly policies: readonly ChannelPolicy[] }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/** Reads the text of a policy file. Never throws. */
export function parsePolicyText(text: string): PolicyTextRead {
  let value: unknown;
  try {
    const document = parseDocument(text, { prettyErrors: true });
    // YAML only warns of an unknown tag; here it is a mistake like any other.
    const problems = [...document.errors, ...document.warnings];
    if (problems.length > 0) return faults(problems.map(({ message }) => message.split('\n', 1)[0]?.replace(/:$/, '') ?? message));
    value = document.toJS({ maxAliasCount: aliasesMax });
  } catch (error) {
    // Too many aliases, or a nesting that overflows the parser's stack.
    return faults([`not usable as YAML: ${error instanceof Error ? error.message : String(error)}`]);
  }
  if (value === null || value === undefined)
    return faults(['the file is empty: it must have channels:, a list of policies (channels: [] where there are none)']);
  const read = policyFileSchema.safeParse(value);
  return read.success ? { kind: 'policies', policies: read.data.channels } : faults(read.error.issues.map(issueInWords));
}

/** A read with faults, bounded in number. */
export function faults(all: readonly string[]): PolicyTextRead {
  const shown = all.slice(0, faultsShownMax);
  return { kind: 'faults', faults: all.length > shown.length ? [...shown, `and ${all.length - shown.length} more`] : shown };
}

function issueInWords({ path, message }: z.core.$ZodIssue): string {
  const place = path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`),
    '',
  );
  return place === '' ? message : `${place}: ${message}`;
}
