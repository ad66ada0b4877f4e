import type { ConditionDraft } from './conditions.ts';
import { pollOf } from './observed.ts';
import type { ObservedGateway } from './observed.ts';
import type { ChannelVerdict } from './policies.ts';
import { isAvailable } from './observed.ts';

/**
 * Accepted: the object is in the policies of its pool. InForce: every gateway that serves has them.
 * @param gateways of the pool
 * @param policies what they should have: the hash, and whether the pool is paused, so that nobody is told
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
  if (late.length === 0) return [verdict, inForce('True', 'InForce', 'Every gateway that serves has it.')];
  if (isPaused) return [verdict, inForce('False', 'Paused', 'spec.paused of the pool is true: nothing new is told to the gateways.')];
  return [verdict, inForce('False', 'Pushing', 'It is on its way to the gateways.')];
}
