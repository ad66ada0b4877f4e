import type { ConditionDraft } from './conditions.ts';
import { pollOf } from './observed.ts';
import type { ObservedGateway } from './observed.ts';
import type { ChannelVerdict } from './policies.ts';
import { isAvailable } from './observed.ts';

/**
 * The conditions of a channel. Accepted: the pool's policies hold it. InForce: every available gateway has them.
 * @param gateways the pool's gateways
 * @param policies hash of the pool's policies, and whether the pool is paused, so that gateways get nothing new
 */
export function channelConditions(
  { accepted, reason, message }: ChannelVerdict,
  gateways: readonly ObservedGateway[],
  { hash, isPaused }: { readonly hash: string | undefined; readonly isPaused: boolean },
): readonly ConditionDraft[] {
  const inForce = (status: ConditionDraft['status'], why: string, words: string) => ({
    type: 'InForce',
    status,
    reason: why,
    message: words,
  });
  const verdict: ConditionDraft = { type: 'Accepted', status: accepted ? 'True' : 'False', reason, message };
  if (!accepted) return [verdict, inForce('False', 'NotAccepted', 'See the condition Accepted.')];
  const serving = gateways.filter(isAvailable);
  if (serving.length === 0) return [verdict, inForce('Unknown', 'NoGateway', 'No gateway of the pool is ready.')];
  const late = serving.filter((gateway) => pollOf(gateway)?.policiesHash !== hash);
  if (late.length === 0) return [verdict, inForce('True', 'InForce', 'Every gateway that serves has this policy.')];
  if (isPaused) return [verdict, inForce('False', 'Paused', 'spec.paused of the pool is true: the gateways get nothing new.')];
  return [verdict, inForce('False', 'Pushing', 'This policy is on its way to the gateways.')];
}
