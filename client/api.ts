import type { Hello } from '../core/protocol/barrage-v1.ts';
import type { TokenSource } from './authentication.ts';
import type { BarrageError } from './errors.ts';
import type { Gap, Subscription } from './subscription.ts';

/** `waiting`: between two attempts to connect. `closed` is final. */
export type BarrageState = 'connecting' | 'open' | 'waiting' | 'closed';

/** A payload sent to this connection alone. */
export interface DirectPayload {
  readonly data: string | Uint8Array;
}

export interface BarrageEvents {
  readonly state: BarrageState;
  /** Of any subscription. */
  readonly gap: Gap;
  readonly direct: DirectPayload;
  /** A failure that no call can be told of; with `retry` the client goes on by itself. */
  readonly error: BarrageError;
  /** A gateway's settings, at every connection. */
  readonly hello: Hello;
  /** A backend subscribed this client to a channel. */
  readonly subscription: Subscription;
}

export interface BarrageOptions {
  /** Proves who the user is; a function is called for every connection and before its token ends, so that it can fetch a fresh one. */
  readonly token?: TokenSource;
  /** In [0, 1); for tests and simulations. */
  readonly random?: () => number;
  /** Milliseconds of a clock that never goes back; for tests and simulations. */
  readonly now?: () => number;
}

export interface PublishOptions {
  /** After this many milliseconds it is no longer worth delivering. */
  readonly ttlMs?: number;
  /** Within a merge window, publications with the same key become one. */
  readonly conflateKey?: string;
  /** `Latest`: the newest stands for all. `Sum`: the newest with the sum of all counts. */
  readonly conflate?: 'Latest' | 'Sum';
  /** What this one adds to a `Sum`. */
  readonly count?: number;
}
