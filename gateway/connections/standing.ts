import type { Clock } from '../../core/clock.ts';
import { channelOwner } from '../../core/channel.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { hasExpired, needsIdentity } from '../identity/identity.ts';
import type { Member } from '../rooms/members.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Connection } from './connection.ts';

/** A user, and how long the connection is its user's. */
interface Identity {
  readonly uid: string;
  /** Its end, by the monotonic clock; absent = as long as the connection lasts. */
  readonly endsAt?: number;
  /** Milliseconds from its beginning to its end. */
  readonly lastsMs?: number;
  /** Default: a token. */
  readonly by?: 'token' | 'backend';
}

/** Gives a connection its identity. The connection leaves the channels that belong to its former user. */
export function identify(connection: Connection, identity: Identity, rooms: Rooms): void {
  const { uid, endsAt, lastsMs, by = 'token' } = identity;
  connection.uid = uid;
  connection.identityEndsAt = endsAt;
  rooms.clients?.identified(connection, by, lastsMs);
  for (const member of connection.members.slice()) {
    const owner = channelOwner(member.room.channel);
    if (owner !== undefined && owner !== uid) rooms.end(member, 'this client is another user now');
  }
}

/** The end of an identity that lasts `lastsMs` from now on; empty for an identity without an end. */
export function endOf(lastsMs: number | undefined, clock: Pick<Clock, 'monotonic'>): Pick<Identity, 'endsAt' | 'lastsMs'> {
  return lastsMs === undefined ? {} : { endsAt: clock.monotonic() + lastsMs, lastsMs };
}

/**
 * Ends an identity whose time is over, and the subscriptions that needed it. A client of an encoding that can't tell
 * this is disconnected instead. The call is cheap while no identity is over. It comes before every command and in every
 * sweep, in place of a timer for each connection.
 * @param monotonic milliseconds by the clock of `identityEndsAt`
 */
export function expireIdentity(connection: Connection, rooms: Rooms, monotonic: number): void {
  if (connection.isClosed || !hasExpired(connection, monotonic)) return;
  rooms.clients?.identityEnded(connection);
  connection.uid = undefined;
  connection.identityEndsAt = undefined;
  const ending = connection.members.filter(({ room }) => needsIdentity(room.policy, room.channel));
  if (ending.length > 0 && !connection.encoding.canTell) {
    connection.close(closeBecause(closeCodes.authRefused, 'the token has expired'));
    return;
  }
  for (const member of ending) rooms.end(member, 'the token has expired: send auth with a new one, and subscribe again');
}

/** Ends a subscription that its client ends. */
export function leaveRoom(member: Member, rooms: Rooms): void {
  const { connection, room } = member;
  rooms.clients?.unsubscribed(connection, room.channel);
  rooms.leave(member);
}
