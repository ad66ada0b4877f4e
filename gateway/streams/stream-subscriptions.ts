import type { Clock } from '../../core/clock.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import type { Position } from '../../core/publication.ts';
import type { SessionSurroundings } from '../commands/session.ts';
import { joinFailure } from '../commands/outcome.ts';
import type { Connection } from '../connections/connection.ts';
import type { LastEventId } from '../encoding/event-ids.ts';
import { rateOf } from '../merging/density.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { StreamQuery } from './stream-request.ts';

/** The places of a client in its channels, by its `Last-Event-ID`. */
export type QueriedPlaces = Extract<LastEventId, { kind: 'positions' }>;

interface Opening {
  readonly query: StreamQuery;
  readonly places: QueriedPlaces;
}

/** Longest wait for a room to cut what its gateway has received, in milliseconds, and the time between two looks. */
const cutMsMax = 2_000;
const lookMs = 20;

/** Subscribes a stream to the channels of its query, one after the other, and tells it where each one begins. */
export async function subscribeToQuery(
  connection: Connection,
  { query, places }: Opening,
  { rooms, clock }: Pick<SessionSurroundings, 'rooms' | 'clock'>,
): Promise<void> {
  for (const channel of query.channels) {
    if (connection.isClosed) return;
    const since = places.positions.get(channel);
    if (since !== undefined) await reached(since, channel, { rooms, clock });
    const { density, rewind } = query;
    // What the client had can't be told: it is to notice, and not to be given something else in its place.
    const wanted = since === undefined && !places.unknown.has(channel) ? { rewind } : { since };
    const joined = await rooms.join(connection, { channel, by: 'client', density, ...wanted });
    if (joined.kind === 'already') continue;
    if (joined.kind === 'refused') {
      connection.tell({ type: 'unsubscribed', channel, message: joinFailure(joined.reason).error.message });
      // A browser that stayed would never ask for this channel again.
      if (joined.reason === 'bus') connection.close(closeBecause(closeCodes.overloaded, 'the bus is away for the moment: come back'));
      continue;
    }
    const { position, recovered, member } = joined;
    const given = rateOf(member.memberClass.density, member.room.policy);
    const isBack = since !== undefined || places.unknown.has(channel);
    connection.tell({
      type: 'subscribed',
      channel,
      ...position,
      ...(isBack ? { recovered } : {}),
      ...(given === undefined ? {} : { density: given }),
    });
  }
}

/**
 * Waits until a room has cut what the client has from another gateway, whose window was another: a page that does not
 * compare offsets would get some of it again.
 */
async function reached(
  since: Position,
  channel: string,
  { rooms, clock }: { readonly rooms: Rooms; readonly clock: Pick<Clock, 'after'> },
): Promise<void> {
  for (let waitedMs = 0; waitedMs < cutMsMax; waitedMs += lookMs) {
    const room = rooms.find(channel);
    // Also in another epoch, which may go on without a loss: nothing else shows that the room lags.
    if (room === undefined || room.position.offset >= since.offset) return;
    await new Promise<void>((resolve) => void clock.after(lookMs, resolve));
  }
}
