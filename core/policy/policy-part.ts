import type { z } from 'zod';
import { policySchema, userChannelFault, type ChannelPolicy } from './policy.ts';

/** A field whose value this version does not take. */
export interface PolicyFault {
  /** Path of the field, such as `merge.windowMilliseconds`; empty for the policy as a whole. */
  readonly path: string;
  readonly message: string;
}

export type PolicyRead =
  | {
      readonly kind: 'policy';
      readonly policy: ChannelPolicy;
      /** Paths of ignored fields: this version does not know them. */
      readonly unknownFields: readonly string[];
      /** Fields whose given value was replaced in `policy`. */
      readonly replaced: readonly PolicyFault[];
    }
  /** The policy is left out: its channels are unknown. */
  | { readonly kind: 'unread'; readonly faults: readonly PolicyFault[] };

/** Counts of policies that are not in force as they were written. */
export interface PolicyMisfits {
  /** Policies with fields that this version does not know. */
  readonly unknownFields: number;
  /** Policies with values that this version does not take. */
  readonly replacedValues: number;
  /** Policies that are left out. */
  readonly unread: number;
  /** Descriptions of some misfits, each once, at most `examplesMax`. */
  readonly examples: readonly string[];
}

export const noMisfits: PolicyMisfits = { unknownFields: 0, replacedValues: 0, unread: 0, examples: [] };

/** Fallbacks for unreadable values whose default could grant too much: the most restrictive value. */
const leastAllowed: Readonly<Record<string, unknown>> = {
  access: { subscribe: 'Owner', publish: 'Backend' },
  'access.subscribe': 'Owner',
  'access.publish': 'Backend',
  presence: 'Off',
};

/** Rounds of mending: a mended value can show another fault. A number may be no integer and too large. */
const attemptsMax = 4;
const examplesMax = 10;

/**
 * Reads a policy that another version may have written. Unknown fields are ignored. A number beyond a bound becomes the
 * bound. Other unreadable values become the fallback of `leastAllowed`, else the default.
 * @param entry the policy as parsed JSON
 * @returns `unread` when the pattern or the policy as a whole can't be read
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
    // Only a policy with a fault is copied: most have none.
    if (attempt === 1) draft = structuredClone(entry);
    for (const issue of issues) {
      if (issue.code === 'unrecognized_keys') unknownFields.push(...issue.keys.map((key) => [...issue.path, key].join('.')));
      mend(draft as object, issue);
    }
  }
}

/** Restricts subscriptions to `user:` channels to their owner, whatever the policy says. */
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

/** The entries of a policy part, each still unread. */
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

/**
 * Reads all entries, each on its own. The first of two entries with the same pattern wins; the other is counted as
 * unread.
 */
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
