import { counted } from '../core/counted.ts';
import type { ChannelPolicy } from '../core/policy/policy.ts';
import { refuse, tooMany, type Refusal } from './errors.ts';
import type { ChannelRates } from './rate.ts';
import type { PublishRequest } from './request.ts';

/** The reason that a policy does not take a publication; `undefined` if it does. */
export function policyFault(policy: ChannelPolicy, { channel, payload, idempotencyKey }: PublishRequest): Refusal | undefined {
  const { payloadBytesMax } = policy.limits;
  if (payload.length > payloadBytesMax)
    return refuse('tooLarge', `d: ${payload.length} bytes are more than the ${payloadBytesMax} that channel "${channel}" takes`);
  if (idempotencyKey !== undefined) return keysFault(policy, channel);
  return undefined;
}

/** The reason that a channel takes no publication with an idempotency key; `undefined` if it does. */
export function keysFault({ idempotency }: ChannelPolicy, channel: string): Refusal | undefined {
  if (idempotency.windowSeconds > 0) return undefined;
  return refuse('badArguments', `idempotencyKey: the policy of channel "${channel}" remembers none (idempotency.windowSeconds is 0)`);
}

/** Publications that are to be taken from a channel's rate. */
export interface RateRequest {
  readonly channel: string;
  readonly perSecond: number;
  readonly count: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: number;
}

/** Takes publications from a channel's rate, all or none; the refusal if there are too few left. */
export function rateFault(rates: ChannelRates, { channel, perSecond, count, now }: RateRequest): Refusal | undefined {
  if (count > perSecond)
    return refuse('tooLarge', `${count} publications at once: channel "${channel}" takes ${perSecond} a second; send fewer at a time`);
  const rate = rates.take(channel, perSecond, now, count);
  if (rate.kind === 'taken') return undefined;
  const next = count === 1 ? 'the next' : `the next ${count}`;
  return tooMany(
    `channel "${channel}" takes ${counted(perSecond, 'publication')} a second; ${next} in ${rate.afterMs} ms`,
    Math.ceil(rate.afterMs / 1000),
  );
}
