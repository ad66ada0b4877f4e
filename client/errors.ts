import type { ErrorCode } from '../core/protocol/barrage-v1.ts';

/**
 * The code of a failure: one of the gateway's, or one of the client's own. `closed`: this client or the gateway ended
 * it for good. `timeout`: no answer in time. `disconnected`: no connection now, or the connection broke before the
 * answer. `protocol`: the other end does not speak `barrage.v1`. `snapshot`: a subscription's `getState` failed.
 * `unsupported`: the transport in use can't do it, or the part of the client that can could not be loaded.
 */
export type BarrageErrorCode = ErrorCode | 'closed' | 'timeout' | 'disconnected' | 'protocol' | 'snapshot' | 'unsupported';

/** Every failure of the client. `retry` says whether the same call may succeed later. */
export class BarrageError extends Error {
  override readonly name = 'BarrageError';
  readonly code: BarrageErrorCode;
  readonly retry: boolean;

  constructor(code: BarrageErrorCode, message: string, retry: boolean) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}

/** An error of the gateway, or of the extra part, whose class may be a copy, as one that an application can tell. */
export function ownError({ code, message, retry }: Pick<BarrageError, 'code' | 'message' | 'retry'>): BarrageError {
  return new BarrageError(code, message, retry);
}

/** The error of a command about subscriptions that finds too many others waiting. */
export function tooMany(): BarrageError {
  return new BarrageError('too_many_requests', 'too many commands about subscriptions wait for their answers: wait for some of them', true);
}

/** The error of a call after `close`. */
export function closed(): BarrageError {
  return new BarrageError('closed', 'this client is closed', false);
}
