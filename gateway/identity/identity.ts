import { channelNameFault, userChannel } from '../../core/channel.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import { mayJoin } from './channel-access.ts';

/** The verdict on a client's token. `late`: no verdict, or none in time; the client may try again. */
export type AuthResult =
  | {
      readonly kind: 'user';
      readonly uid: string;
      /** Time for which the identity holds from now, in milliseconds; absent: as long as the connection lasts. */
      readonly lastsMs?: number;
    }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      /** Name of the key that the token names, where no key of that name was found or its signature is wrong. */
      readonly keyId?: string;
    }
  | { readonly kind: 'late'; readonly reason: string };

/** Turns a client's token into a user; never throws. */
export type Authenticate = (token: string) => Promise<AuthResult>;

/**
 * Reads the user that an auth service or a token names.
 * @param giver the source of the name, for the refusal's reason
 * @returns a user without an end, or a refusal: no user is named, or no channel can be named after it
 */
export function userOf(uid: unknown, giver: string): Exclude<AuthResult, { kind: 'late' }> {
  const fault = uidFault(uid);
  return fault === undefined ? { kind: 'user', uid: String(uid) } : { kind: 'refused', reason: `${giver} gave ${fault}` };
}

/** The fault of a value given as uid, in words; `undefined` for a good uid. */
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

/** Whether a connection's identity has ended. */
export function hasExpired({ identityEndsAt }: { readonly identityEndsAt: number | undefined }, now: number): boolean {
  return identityEndsAt !== undefined && now >= identityEndsAt;
}

/** Whether a subscription needs an identity: then it ends when the identity does. */
export function needsIdentity(policy: ChannelPolicy, channel: string): boolean {
  return mayJoin(policy, channel, undefined) !== 'allowed';
}
