import type { Hello } from '../core/protocol/barrage-v1.ts';
import type { TokenSource } from './authentication.ts';
import type { ClientClock } from './client-clock.ts';
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

/**
 * Where to connect: the WebSocket URL of a gateway or of a load balancer (`wss://…`), or the URL of a pool's `GET
 * /v1/connect` (`https://…`), which says which gateway is the best for the first channel. Several are tried in turn.
 */
export type BarrageAddress = string | URL | readonly (string | URL)[];

export interface BarrageOptions {
  /**
   * Proves who the user is; a function is called for every connection and before its token ends, so that it can fetch a
   * fresh one.
   */
  readonly token?: TokenSource;
  /** In [0, 1); for tests and simulations. */
  readonly random?: () => number;
  /** For tests and simulations. */
  readonly clock?: ClientClock;
}
