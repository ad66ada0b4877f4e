import type { Hello } from '../core/protocol/barrage-v1.ts';
import type { TokenSource } from './authentication.ts';
import type { ClientClock } from './client-clock.ts';
import type { BarrageError } from './errors.ts';
import type { Gap } from './subscription-api.ts';
import type { Subscription } from './subscription.ts';
import type { TransportName } from './transport/transport.ts';
import type { WebSocketClass } from './transport/web-socket.ts';

/** `waiting`: between two attempts to connect. `paused`: from `pause` to `resume`. `closed` is final. */
export type BarrageState = 'connecting' | 'open' | 'waiting' | 'paused' | 'closed';

/** A payload sent to this connection alone. */
export interface DirectPayload {
  readonly data: string | Uint8Array;
}

export interface BarrageEvents {
  readonly state: BarrageState;
  /** The gap of any subscription. */
  readonly gap: Gap;
  readonly direct: DirectPayload;
  /** A failure outside of any call; with `retry` the client goes on by itself. */
  readonly error: BarrageError;
  /** A gateway's settings, at every connection. */
  readonly hello: Hello;
  /** A backend subscribed this client to a channel. */
  readonly subscription: Subscription;
  /** The transport in use is another one from now on. */
  readonly transport: TransportName;
}

/**
 * The address to connect to. A WebSocket URL (`wss://…`) is that of a gateway or of a load balancer. The URL of a
 * pool's `GET /v1/connect` (`https://…`) names the best gateway for the first channel. Several addresses are tried in
 * turn.
 */
export type BarrageAddress = string | URL | readonly (string | URL)[];

export interface BarrageOptions {
  /**
   * Proves who the user is. A function is called for every connection, and before its token ends, to fetch a fresh
   * token.
   */
  readonly token?: TokenSource;
  /** The transports that may be used, the best first; `['websocket', 'sse', 'pull']` when absent. */
  readonly transports?: readonly TransportName[];
  /** The class that makes WebSockets, where the platform has none (Node 20), such as that of the package `ws`. */
  readonly webSocket?: WebSocketClass;
  /** In [0, 1); for tests and simulations. */
  readonly random?: () => number;
  /** For tests and simulations. */
  readonly clock?: ClientClock;
}
