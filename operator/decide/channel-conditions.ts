import type { BarrageChannel } from '../api/barrage-channel.ts';
import { storedConditions, type ConditionDraft } from './conditions.ts';
import { isAvailable, isPublishing, pollOf, type ObservedGateway } from './observed.ts';
import type { ChannelVerdict } from './policies.ts';
import { spreadOf, type PolicyHistory, type PolicySpread } from './policy-history.ts';

/** What the conditions of a pool's channels depend on, beside the verdicts. */
export interface PolicyReach {
  readonly history: PolicyHistory;
  readonly spread: PolicySpread;
  /** Whether a gateway of the pool serves. */
  readonly isServed: boolean;
  /** Whether the pool is paused, so that its pods get nothing new. */
  readonly isPaused: boolean;
}

/** @param publishers the pool's publisher pods, observed as gateways are */
export function policyReach(
  history: PolicyHistory,
  { gateways, publishers }: { readonly gateways: readonly ObservedGateway[]; readonly publishers: readonly ObservedGateway[] },
  isPaused: boolean,
): PolicyReach {
  const serving = gateways.filter(isAvailable);
  // Publishers enforce the limits of a policy.
  const hashes = [...serving, ...publishers.filter(isPublishing)].map((pod) => pollOf(pod)?.policiesHash);
  return { history, spread: spreadOf(history, hashes), isServed: serving.length > 0, isPaused };
}

/**
 * The conditions of a channel. Accepted: the pool's policies hold it. InForce: every gateway and publisher that serves
 * has it as it is now. What an earlier operator said of the same generation holds until a pod is known to lack it: a
 * restart, or a moment without a gateway, writes nothing.
 * @param reach `undefined` without a pool
 */
export function channelConditions(
  { channel, accepted, reason, message }: ChannelVerdict,
  reach: PolicyReach | undefined,
): readonly ConditionDraft[] {
  const verdict: ConditionDraft = { type: 'Accepted', status: accepted ? 'True' : 'False', reason, message };
  if (!accepted || reach === undefined) return [verdict, inForce('False', 'NotAccepted', 'See the condition Accepted.')];
  const wasInForce = saysInForce(channel);
  if (!reach.isServed && !wasInForce) return [verdict, inForce('Unknown', 'NoGateway', 'No gateway of the pool is ready.')];
  if (isSpread(channel, reach, wasInForce))
    return [verdict, inForce('True', 'InForce', 'Every gateway and publisher that serves has this policy.')];
  if (reach.isPaused) return [verdict, inForce('False', 'Paused', 'spec.paused of the pool is true: its pods get nothing new.')];
  return [verdict, inForce('False', 'Pushing', 'This policy is on its way to gateways and publishers.')];
}

function isSpread({ metadata: { uid } }: BarrageChannel, { history, spread }: PolicyReach, wasInForce: boolean): boolean {
  const since = history.since.get(uid)?.number ?? history.present;
  return spread.oldest >= since && (!spread.hasUnknown || wasInForce);
}

/** Whether the stored status says of this generation that it is in force. */
function saysInForce(channel: BarrageChannel): boolean {
  return storedConditions(channel.status ?? {}).some(
    ({ type, status, observedGeneration }) => type === 'InForce' && status === 'True' && observedGeneration === channel.metadata.generation,
  );
}

function inForce(status: ConditionDraft['status'], reason: string, message: string): ConditionDraft {
  return { type: 'InForce', status, reason, message };
}
