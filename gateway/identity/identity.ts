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
  const fault = uidFault(uid);
  return fault === undefined ? { kind: 'user', uid: String(uid) } : { kind: 'refused', reason: `${giver} gave ${fault}` };
}

/** What was given in the place of a uid, in words; `undefined` where it is one. */
function uidFault(uid: unknown): string | undefined {
  if (uid === undefined || uid === null) return 'no uid';
  if (uid === '') return 'an empty uid';
  if (typeof uid !== 'string' && typeof uid !== 'number') return 'a uid that is neither a string nor a number';
  if (typeof uid === 'number' && !Number.isInteger(uid)) return 'a uid that is a number, but not a whole one';
  if (typeof uid === 'number' && !Number.isSafeInteger(uid))
    return 'a uid beyond 2^53, which loses digits as a number: it must be a string';
  const fault = channelNameFault(userChannel(String(uid)));
  return fault === undefined ? undefined : `a uid that no channel can be named after: ${fault}`;
}

/** Whether a connection is not its user any more. */
export function hasExpired({ identityEndsAt }: { readonly identityEndsAt: number | undefined }, now: number): boolean {
  return identityEndsAt !== undefined && now >= identityEndsAt;
}

/** Whether a subscription needs an identity: it ends when the identity does. */
export function needsIdentity(policy: ChannelPolicy, channel: string): boolean {
  return mayJoin(policy, channel, undefined) !== 'allowed';
}
