import { channelNameFault, userChannel } from '../../core/channel.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import { mayJoin } from './channel-access.ts';

/** What became of a client's token. `late`: nobody could say whose it is, or not in time; the client may try again. */
export type AuthResult =
  | {
      readonly kind: 'user';
      readonly uid: string;
      /** How long it is this user from now on, in milliseconds; absent: as long as the connection lasts. */
      readonly lastsMs?: number;
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'late'; readonly reason: string };

/** Turns a client's token into a user; never throws. */
export type Authenticate = (token: string) => Promise<AuthResult>;

/**
 * The user that an auth service or a token names.
 * @param giver who named it, for the refusal's reason
 * @returns a user for ever, or a refusal where nobody, or nobody whom a channel can be named after, is named
 */
export function userOf(uid: unknown, giver: string): Exclude<AuthResult, { kind: 'late' }> {
  const isName = (typeof uid === 'string' && uid !== '') || (typeof uid === 'number' && Number.isSafeInteger(uid));
  if (!isName) return { kind: 'refused', reason: `${giver} gave no uid` };
  const fault = channelNameFault(userChannel(String(uid)));
  return fault === undefined
    ? { kind: 'user', uid: String(uid) }
    : { kind: 'refused', reason: `${giver} gave a uid that no channel can be named after: ${fault}` };
}

/** Whether a connection is not its user any more. */
export function hasExpired({ identityEndsAt }: { readonly identityEndsAt: number | undefined }, now: number): boolean {
  return identityEndsAt !== undefined && now >= identityEndsAt;
}

/** Whether a subscription needs an identity: it ends when the identity does. */
export function needsIdentity(policy: ChannelPolicy, channel: string): boolean {
  return mayJoin(policy, channel, undefined) !== 'allowed';
}
