import type { ConnectionCall, GatewayReply, GatewayRequest } from '../../core/bus/bus.ts';
import { channelNameFault } from '../../core/channel.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { Connection } from '../connections/connection.ts';
import { identify } from '../connections/standing.ts';
import { userOf } from '../identity/identity.ts';
import { rateOf } from '../merging/density.ts';
import type { Rooms } from '../rooms/rooms.ts';

export interface Answerable {
  readonly connections: ReadonlyMap<number, Connection>;
  readonly rooms: Rooms;
  /** Hands commands to an event stream. */
  readonly hand: (client: number, secret: string, commands: readonly string[]) => 'handed' | 'ended';
}

const done: GatewayReply = { kind: 'done' };

function failed(reason: string): GatewayReply {
  return { kind: 'failed', reason };
}

/** Answers the calls of other processes to this gateway over the bus. */
export async function answerCall(request: GatewayRequest, deadlineMs: number, parts: Answerable): Promise<GatewayReply> {
  const { connections, rooms } = parts;
  switch (request.method) {
    case 'send': {
      const connection = connections.get(request.client);
      if (connection === undefined || connection.isClosed) return failed('this client is not connected');
      connection.sendControl(connection.encoding.direct(request.kind, Buffer.from(request.payload, 'base64')));
      return connection.isClosed ? failed('this client reads too slowly and was disconnected') : done;
    }
    case 'call': {
      const connection = connections.get(request.client);
      return connection === undefined || connection.isClosed
        ? failed('this client is not connected')
        : callConnection(connection, request.call, rooms);
    }
    case 'stream':
      return parts.hand(request.client, request.secret, request.commands) === 'handed' ? done : failed('this stream has ended');
    case 'delivered': {
      const room = rooms.find(request.channel);
      if (room === undefined) return { kind: 'delivered', delivered: 0, dropped: {}, pending: 0 };
      const result = await room.records.result(request, deadlineMs, room);
      return result === 'forgotten' ? failed('this publication is too old to be remembered') : { kind: 'delivered', ...result };
    }
  }
}

async function callConnection(connection: Connection, call: ConnectionCall, rooms: Rooms): Promise<GatewayReply> {
  switch (call.kind) {
    case 'subscribe': {
      for (const channel of call.channels) {
        const fault = channelNameFault(channel) ?? (await subscribe(connection, channel, rooms));
        if (fault !== undefined) return failed(`${channel}: ${fault}`);
      }
      return done;
    }
    case 'unsubscribe': {
      for (const channel of call.channels) {
        const member = connection.memberOf(channel);
        if (member !== undefined) rooms.end(member, 'a backend ended this subscription');
      }
      return done;
    }
    case 'reconnect': {
      if (!connection.encoding.canTell) return failed('this client speaks the plain protocol, which has no other transport');
      connection.tell({ type: 'reconnect', afterMs: 0, transport: call.transport });
      return done;
    }
    case 'close':
      connection.close(closeBecause(closeCodes.forbidden, call.reason));
      return done;
    case 'set-context':
      return setContext({ connection, context: call.context, uid: call.context['uid'], rooms });
    case 'set-context-value':
      return setContext({
        connection,
        context: { ...connection.context, [call.key]: call.value },
        uid: call.key === 'uid' ? call.value : undefined,
        rooms,
      });
  }
}

/** Returns the reason of a failure. */
async function subscribe(connection: Connection, channel: string, rooms: Rooms): Promise<string | undefined> {
  const joined = await rooms.join(connection, { channel, by: 'backend' });
  if (joined.kind === 'refused')
    return joined.reason === 'forbidden' ? "this is another user's channel: set the context value uid first" : `refused (${joined.reason})`;
  if (joined.kind === 'joined') {
    const density = rateOf(joined.member.memberClass.density, joined.member.room.policy);
    connection.tell({ type: 'subscribed', channel, ...joined.position, ...(density === undefined ? {} : { density }) });
  }
  return undefined;
}

/**
 * Sets the context: the backend's own notes on a connection. A `uid` in this call is the client's identity, as if the
 * auth webhook had given it.
 */
function setContext(options: {
  readonly connection: Connection;
  readonly context: Readonly<Record<string, unknown>>;
  readonly uid: unknown;
  readonly rooms: Rooms;
}): GatewayReply {
  const { connection, context, uid, rooms } = options;
  if (Buffer.byteLength(JSON.stringify(context)) > limits.contextBytesMax)
    return failed(`the context would exceed ${limits.contextBytesMax} bytes`);
  const user = typeof uid === 'string' || typeof uid === 'number' ? userOf(uid, 'the context') : undefined;
  if (user?.kind === 'refused') return failed(user.reason);
  connection.context = { ...context };
  if (user !== undefined) identify(connection, { uid: user.uid, by: 'backend' }, rooms);
  return done;
}
