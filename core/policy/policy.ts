import { z } from 'zod';
import { channelNameFault, channelOwner } from '../channel.ts';
import { limits } from '../limits.ts';

const integer = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);

/**
 * The policy of the channels that match the pattern `channel`. Its fields are the spec of a BarrageChannel. An entry
 * stands alone: a missing field has its default, not the value of a less specific entry.
 */
export const policySchema = z.strictObject({
  /** A pattern: one channel (`video:100001`), a beginning (`video:*`), or all channels (`*`). */
  channel: z.string().superRefine((pattern, context) => {
    const name = pattern.endsWith('*') ? pattern.slice(0, -1) : pattern;
    const fault = pattern === '*' ? undefined : channelNameFault(name);
    if (fault !== undefined)
      context.addIssue({ code: 'custom', message: `${fault} (a pattern is a channel name, a beginning followed by *, or *)` });
  }),
  merge: z
    .strictObject({
      /** Merge window after a room's first publication, in milliseconds; 0 sends each publication at once. */
      windowMilliseconds: integer(0, 1000).default(100),
      publicationsMax: integer(1, 10_000).default(500),
      bytesMax: integer(1024, 1_048_576).default(65_536),
    })
    .prefault({}),
  /** Bound for one client. Publications beyond it are left out, the lowest priority first, and counted. */
  budget: z.strictObject({ publicationsPerSecond: integer(1, 100_000).optional() }).prefault({}),
  history: z
    .strictObject({
      size: integer(1, 100_000).default(100),
      ttlSeconds: integer(1, 31_536_000).default(300),
      /** Most missed publications that a client which comes back is given; more are a gap. 0: none. */
      resumePublicationsMax: integer(0, 1000).default(300),
      /** Newest publications that a client of the plain protocol is given when it subscribes; 0: none. */
      rewindOnSubscribe: integer(0, 1000).default(0),
    })
    .optional(),
  /** How long an idempotency key is remembered; 0: publications with a key are refused. */
  idempotency: z.strictObject({ windowSeconds: integer(0, limits.keyWindowSecondsMax).default(300) }).prefault({}),
  access: z
    .strictObject({
      subscribe: z.enum(['Public', 'Authenticated', 'Owner']).default('Public'),
      /** Publishers besides backends: nobody, clients with an identity, or every client. */
      publish: z.enum(['Backend', 'Authenticated', 'Public']).default('Backend'),
      slowModeSeconds: integer(0, 3600).default(0),
    })
    .prefault({}),
  slowConsumer: z
    .strictObject({
      policy: z.enum(['DropOldest', 'Disconnect']).default('DropOldest'),
      queueBytesMax: integer(4096, 67_108_864).default(1_048_576),
    })
    .prefault({}),
  limits: z
    .strictObject({
      publicationsPerSecond: integer(1, 1_000_000).optional(),
      payloadBytesMax: integer(1, 1_048_576).default(65_536),
      membersMax: integer(1, 2_000_000_000).optional(),
      /** Longest wait of a backend's publication for a bus that is away, in milliseconds; 0 refuses it at once. */
      publishHoldMs: integer(0, limits.publishHoldMsMax).default(0),
    })
    .prefault({}),
  presence: z.enum(['Off', 'Count', 'Members']).default('Count'),
});

export type ChannelPolicy = z.output<typeof policySchema>;

/** The fault of a policy that opens a `user:` channel to other users, in words; `undefined` without one. */
export function userChannelFault({ channel, access }: Pick<ChannelPolicy, 'channel' | 'access'>): string | undefined {
  return channel.startsWith('user:') && access.subscribe !== 'Owner'
    ? "channels of user: are their owner's: access.subscribe must be Owner"
    : undefined;
}

/**
 * The content of `BARRAGE_POLICY_FILE`: `channels`, a list of policies with a pattern each. People write this file, so
 * an unknown field is refused as a mistake.
 */
export const policyFileSchema = z.strictObject({ channels: z.array(policySchema).max(10_000) }).superRefine((file, context) => {
  const seen = new Set<string>();
  for (const [index, policy] of file.channels.entries()) {
    if (seen.has(policy.channel))
      context.addIssue({ code: 'custom', path: ['channels', index, 'channel'], message: `"${policy.channel}" stands twice` });
    seen.add(policy.channel);
    const fault = userChannelFault(policy);
    if (fault !== undefined) context.addIssue({ code: 'custom', path: ['channels', index, 'access', 'subscribe'], message: fault });
  }
});

/** The policy of a channel that no entry matches. */
export const defaultPolicy: ChannelPolicy = policySchema.parse({ channel: '*' });
const ownerPolicy: ChannelPolicy = { ...defaultPolicy, channel: 'user:*', access: { ...defaultPolicy.access, subscribe: 'Owner' } };

/**
 * Finds the policy of a channel: the exact name, else the longest beginning, else the default. A `user:` channel admits
 * only its owner, and backends alone publish to it. Only a pattern that begins with `user:` can change who publishes.
 * So a mistake in a file never exposes one user's messages to another.
 */
export class Policies {
  readonly #exact = new Map<string, ChannelPolicy>();
  /**
   * Policies by the length of their beginning, longest first. A look-up costs one step for each length in use, however
   * many patterns there are.
   */
  readonly #beginnings: readonly (readonly [length: number, policies: ReadonlyMap<string, ChannelPolicy>])[];

  constructor(policies: readonly ChannelPolicy[]) {
    const beginnings = new Map<number, Map<string, ChannelPolicy>>();
    for (const policy of policies) {
      if (!policy.channel.endsWith('*')) {
        this.#exact.set(policy.channel, policy);
        continue;
      }
      const beginning = policy.channel.slice(0, -1);
      const alike = beginnings.get(beginning.length) ?? new Map<string, ChannelPolicy>();
      beginnings.set(beginning.length, alike.set(beginning, policy));
    }
    this.#beginnings = [...beginnings].toSorted((a, b) => b[0] - a[0]);
  }

  of(channel: string): ChannelPolicy {
    const policy = this.#find(channel);
    if (channelOwner(channel) === undefined) return policy ?? defaultPolicy;
    if (policy === undefined) return ownerPolicy;
    // Only a pattern that begins with `user:` opens access to user channels.
    return policy.channel.startsWith('user:') ? policy : { ...policy, access: ownerPolicy.access };
  }

  /** Whether a policy with exactly this pattern is in force. The built-in ones always are. */
  has(pattern: string): boolean {
    if (pattern === defaultPolicy.channel || pattern === ownerPolicy.channel) return true;
    if (!pattern.endsWith('*')) return this.#exact.has(pattern);
    const beginning = pattern.slice(0, -1);
    return this.#beginnings.some(([length, policies]) => length === beginning.length && policies.has(beginning));
  }

  #find(channel: string): ChannelPolicy | undefined {
    const exact = this.#exact.get(channel);
    if (exact !== undefined) return exact;
    for (const [length, policies] of this.#beginnings) {
      const policy = policies.get(channel.slice(0, length));
      if (policy !== undefined) return policy;
    }
    return undefined;
  }
}
