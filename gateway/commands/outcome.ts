import type { CommandError, ErrorCode } from '../../core/protocol/barrage-v1.ts';
import type { Access } from '../identity/channel-access.ts';
import type { JoinRefusal } from '../rooms/joining.ts';

/** An error as the reply to a command. */
export interface Failure {
  readonly error: CommandError;
}

/** A reply's result, or its error. */
export type Outcome = { readonly result: Readonly<Record<string, unknown>> } | Failure;

export function failure(code: ErrorCode, message: string, retry = false): Failure {
  return { error: { code, message, retry } };
}

const refusals: Readonly<Record<Exclude<JoinRefusal, Exclude<Access, 'allowed'>>, Failure>> = {
  subscriptions: failure(
    'limit_exceeded',
    'this connection has as many subscriptions as one may have: unsubscribe from another channel first',
  ),
  rooms: failure('limit_exceeded', 'this gateway hosts as many channels as it may: try again later', true),
  connection_rate: failure(
    'too_many_requests',
    'this connection opened too many channels that nobody else watches: try again in a second',
    true,
  ),
  gateway_rate: failure('too_many_requests', 'this gateway opens as many channels a second as it may: try again in a second', true),
  members: failure('limit_exceeded', 'this channel has as many members as its policy allows: try again later', true),
  bus: failure('unavailable', 'the bus is away for the moment: try again', true),
  closed: failure('unavailable', 'the connection is closing', true),
};

/** Why access to a channel was refused. @param what the client's wish, as a verb */
export function accessFailure(access: Exclude<Access, 'allowed'>, what: string): Failure {
  return access === 'not_authenticated'
    ? failure('not_authenticated', `${what} needs an identity: send auth with a token first`)
    : failure('forbidden', `this channel's policy does not let this client ${what}`);
}

/** Why a connection could not join a channel. */
export function joinFailure(reason: JoinRefusal): Failure {
  return reason === 'not_authenticated' || reason === 'forbidden' ? accessFailure(reason, 'subscribe') : refusals[reason];
}
