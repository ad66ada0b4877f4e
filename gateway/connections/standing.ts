import type { Clock } from '../../core/clock.ts';
import { channelOwner } from '../../core/channel.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { hasExpired, needsIdentity } from '../identity/identity.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Connection } from './connection.ts';

/**
 * Says who a connection is from now on. It leaves the channels that belong to whom it was before.
 * @param identity `endsAt`: until when, by the monotonic clock; `undefined` = as long as the connection lasts
 */
export function identify(connection: Connection, identity: { readonly uid: string; readonly endsAt?: number }, rooms: Rooms): void {
  const { uid, endsAt } = identity;
  connection.uid = uid;
  connection.identityEndsAt = endsAt;
  for (const member of connection.members.slice()) {
    const owner = channelOwner(member.room.channel);
    if (owner !== undefined && owner !== uid) rooms.end(member, 'this client is another user now');
  }
}

/** When an identity that lasts so many milliseconds from now on ends; nothing where it has no end. */
export function endOf(lastsMs: number | undefined, clock: Pick<Clock, 'monotonic'>): { readonly endsAt?: number } {
  return lastsMs === undefined ? {} : { endsAt: clock.monotonic() + lastsMs };
}

/**
 * Ends an identity whose time is over, and the subscriptions that needed it. A client that can't be told is disconnected instead.
 * Cheap where nothing is over: it is called before every command and in every sweep, and takes the place of a timer for each connection.
 * @param monotonic milliseconds by the clock of `identityEndsAt`
 */
export function expireIdentity(connection: Connection, rooms: Rooms, monotonic: number): void {
  if (connection.isClosed || !hasExpired(connection, monotonic)) return;
  connection.uid = undefined;
  connection.identityEndsAt = undefined;
  const ending = connection.members.filter(({ room }) => needsIdentity(room.policy, room.channel));
  if (ending.length > 0 && !connection.encoding.canTell) {
    connection.close(closeBecause(closeCodes.authRefused, 'the token has expired'));
    return;
  }
  for (const member of ending) rooms.end(member, 'the token has expired: send auth with a new one, and subscribe again');
}
