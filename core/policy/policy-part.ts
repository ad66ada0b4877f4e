import type { z } from 'zod';
import { policySchema, userChannelFault, type ChannelPolicy } from './policy.ts';

/** A field whose value this version does not take. */
export interface PolicyFault {
  /** `merge.windowMilliseconds`; empty for the policy as a whole. */
  readonly path: string;
  readonly message: string;
}

export type PolicyRead =
  | {
      readonly kind: 'policy';
      readonly policy: ChannelPolicy;
      /** Paths of fields that this version does not know: they are left out. */
      readonly unknownFields: readonly string[];
      /** Fields that have another value in `policy` than the one given. */
      readonly replaced: readonly PolicyFault[];
    }
  /** Nobody can tell which channels it is about. */
  | { readonly kind: 'unread'; readonly faults: readonly PolicyFault[] };

/** How many policies are in force otherwise than they were written. */
export interface PolicyMisfits {
  /** Policies with fields that this version does not know. */
  readonly unknownFields: number;
  /** Policies with values that this version does not take. */
  readonly replacedValues: number;
  /** Policies that are left out. */
  readonly unread: number;
  /** What it was, in words: a few of them, each once. */
  readonly examples: readonly string[];
}

export const noMisfits: PolicyMisfits = { unknownFields: 0, replacedValues: 0, unread: 0, examples: [] };

/**
 * What a field is whose value can't be read, where the default might let in or tell more than was meant: as little as
 * possible.
 */
const leastAllowed: Readonly<Record<string, unknown>> = {
  access: { subscribe: 'Owner', publish: 'Backend' },
  'access.subscribe': 'Owner',
  'access.publish': 'Backend',
  presence: 'Off',
};

/** A value that was mended can show another fault: a number that is no integer and too large. */
const attemptsMax = 4;
const examplesMax = 10;

/**
 * Reads a policy that another version may have written. Fields that this one does not know are left out, a number
 * beyond a bound is the bound, any other value that can't be read is the default or, of what opens a channel, the
 * least.
 * @param entry as JSON gives it
 */
export function readPolicy(entry: unknown): PolicyRead {
  let draft = entry;
  const unknownFields: string[] = [];
  const replaced: PolicyFault[] = [];
  for (let attempt = 1; ; attempt++) {
    const read = policySchema.safeParse(draft);
    if (read.success) return ownersOnly({ kind: 'policy', policy: read.data, unknownFields, replaced });
    const { issues } = read.error;
    const faults = issues.filter(({ code }) => code !== 'unrecognized_keys').map(faultOf);
    if (attempt === attemptsMax || faults.some(({ path }) => path === '' || path === 'channel')) return { kind: 'unread', faults };
    replaced.push(...faults);
    // Most policies need no copy: they are understood.
    if (attempt === 1) draft = structuredClone(entry);
    for (const issue of issues) {
      if (issue.code === 'unrecognized_keys') unknownFields.push(...issue.keys.map((key) => [...issue.path, key].join('.')));
      mend(draft as object, issue);
    }
  }
}

/** Channels of `user:` are their owner's, whatever a policy says. */
function ownersOnly(read: Extract<PolicyRead, { kind: 'policy' }>): PolicyRead {
  const { policy, replaced } = read;
  const message = userChannelFault(policy);
  if (message === undefined) return read;
  const own: ChannelPolicy = { ...policy, access: { ...policy.access, subscribe: 'Owner' } };
  return { ...read, policy: own, replaced: [...replaced, { path: 'access.subscribe', message }] };
}

/** Changes the draft so that it no longer has the issue. */
function mend(draft: object, issue: z.core.$ZodIssue): void {
  let parent = draft as Record<PropertyKey, unknown>;
  if (issue.code === 'unrecognized_keys') {
    for (const step of issue.path) parent = parent[step] as Record<PropertyKey, unknown>;
    for (const key of issue.keys) delete parent[key];
    return;
  }
  for (const step of issue.path.slice(0, -1)) parent = parent[step] as Record<PropertyKey, unknown>;
  const field = issue.path.at(-1) ?? '';
  const least = leastAllowed[issue.path.join('.')];
  if (issue.code === 'too_big') parent[field] = Number(issue.maximum);
  else if (issue.code === 'too_small') parent[field] = Number(issue.minimum);
  else if (least !== undefined) parent[field] = structuredClone(least);
  else delete parent[field];
}

function faultOf({ path, message }: z.core.$ZodIssue): PolicyFault {
  return { path: path.join('.'), message };
}

export type PolicyPartRead =
  | { readonly kind: 'entries'; readonly entries: readonly unknown[] }
  | { readonly kind: 'fault'; readonly fault: string };

/** A part's entries, whatever each of them is. */
export function readPolicyPart(part: string): PolicyPartRead {
  let value: unknown;
  try {
    value = JSON.parse(part);
  } catch {
    return { kind: 'fault', fault: 'not JSON' };
  }
  const { channels } = (value ?? {}) as { readonly channels?: unknown };
  return Array.isArray(channels) ? { kind: 'entries', entries: channels } : { kind: 'fault', fault: 'no list of channels' };
}

/** The policies of all entries, each judged by itself; of two with the same pattern the first. */
export function readPolicies(entries: Iterable<unknown>): { readonly policies: readonly ChannelPolicy[]; readonly misfits: PolicyMisfits } {
  const policies = new Map<string, ChannelPolicy>();
  const examples = new Set<string>();
  const misfits = { unknownFields: 0, replacedValues: 0, unread: 0 };
  const note = (words: string): void => {
    if (examples.size < examplesMax) examples.add(words);
  };
  for (const entry of entries) {
    const read = readPolicy(entry);
    if (read.kind === 'unread' || policies.has(read.policy.channel)) {
      misfits.unread += 1;
      note(read.kind === 'unread' ? `left out: ${read.faults.map(inWords).join('; ')}` : `"${read.policy.channel}" stands twice`);
      continue;
    }
    policies.set(read.policy.channel, read.policy);
    if (read.unknownFields.length > 0) misfits.unknownFields += 1;
    if (read.replaced.length > 0) misfits.replacedValues += 1;
    for (const field of read.unknownFields) note(`${field} is not known`);
    for (const fault of read.replaced) note(`replaced: ${inWords(fault)}`);
  }
  return { policies: [...policies.values()], misfits: { ...misfits, examples: [...examples] } };
}

function inWords({ path, message }: PolicyFault): string {
  return path === '' ? message : `${path}: ${message}`;
}
