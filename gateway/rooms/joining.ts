import type { Position } from '../../core/publication.ts';
import type { Access } from '../identity/channel-access.ts';
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
  /** Whether it has a position in this channel from another connection, which may lie between the room's cuts. */
  readonly hasPosition?: boolean;
}

export type JoinResult =
  | { readonly kind: 'joined'; readonly member: Member; readonly position: Position }
  | { readonly kind: 'already'; readonly member: Member }
  | { readonly kind: 'refused'; readonly reason: JoinRefusal };

/** Why a client or backend could not join; `bus`: the bus did not take the subscription. */
export type JoinRefusal = 'subscriptions' | 'rooms' | 'members' | 'bus' | 'closed' | ColdRefusal | Exclude<Access, 'allowed'>;
