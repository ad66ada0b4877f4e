import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import type { Connection } from './connection.ts';
import { hasExpired, needsIdentity } from '../identity/identity.ts';
import type { Rooms } from '../rooms/rooms.ts';

/**
 * Ends an identity whose time is over, and the subscriptions that needed it. A plain client that has such subscriptions can't be told, so it is disconnected.
 * Cheap where nothing is over: it is called before every command and in every sweep, and takes the place of a timer for each connection.
 * @param now by the same clock as `identityEndsAt`
 */
export function expireIdentity(connection: Connection, rooms: Rooms, now: number): void {
  if (connection.isClosed || !hasExpired(connection, now)) return;
  rooms.anonymize(connection);
  const ending = connection.members.filter(({ room }) => needsIdentity(room.policy, room.channel));
  if (ending.length > 0 && connection.protocol === 'plain') {
    connection.close(closeBecause(closeCodes.authRefused, 'the token has expired'));
    return;
  }
  for (const member of ending) rooms.end(member, 'the token has expired: send auth with a new one, and subscribe again');
}
