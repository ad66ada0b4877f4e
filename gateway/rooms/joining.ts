import { channelOwner } from '../../core/channel.ts';
import type { Policies } from '../../core/policy/policy.ts';
import type { Position } from '../../core/publication.ts';
import { mayJoin, type Access } from '../identity/channel-access.ts';
import type { ColdRefusal } from './cold-rooms.ts';
import type { Member } from './members.ts';

/**
 * The origin of a request to join. A backend may grant what its client could not have, but never another user's own
 * channel.
 */
export interface JoinRequest {
  readonly channel: string;
  readonly by: 'client' | 'backend';
  /** Publications a second that the client asks for; `undefined` = all that the policy allows. */
  readonly density?: number | undefined;
  /** Its position in this channel from another connection, which may lie between the room's cuts. */
  readonly since?: Position | undefined;
  /** Newest publications that it asks for, as a late joiner without a position. */
  readonly rewind?: number | undefined;
}

export type JoinResult =
  /** Batches follow the position. `recovered`: between `since` and the position nothing was missed. */
  | { readonly kind: 'joined'; readonly member: Member; readonly position: Position; readonly recovered: boolean }
  | { readonly kind: 'already'; readonly member: Member }
  | { readonly kind: 'refused'; readonly reason: JoinRefusal };

/** Why a client or backend could not join; `bus`: the bus did not take the subscription. */
export type JoinRefusal = 'subscriptions' | 'rooms' | 'members' | 'bus' | 'closed' | ColdRefusal | Exclude<Access, 'allowed'>;

/** Whether a user may join, as the request's origin decides. */
export function accessOf(uid: string | undefined, { channel, by }: JoinRequest, policies: Policies): Access {
  if (by === 'client') return mayJoin(policies.of(channel), channel, uid);
  const owner = channelOwner(channel);
  return owner === undefined || owner === uid ? 'allowed' : 'forbidden';
}
