import type { BackoffBounds } from '../core/backoff.ts';
import type { Address } from './addresses.ts';
import type { TokenSource } from './authentication.ts';
import type { ClientClock } from './client-clock.ts';
import type { ServerClock } from './server-clock.ts';
import type { TransportName } from './transport/transport.ts';
import type { WebSocketClass } from './transport/web-socket.ts';

/** What the parts of one client share: the application's wishes, time and chance. */
export interface Surroundings {
  readonly addresses: readonly Address[];
  readonly token: TokenSource | undefined;
  /** The transports that the application allows, the best first. */
  readonly order: readonly TransportName[];
  /** Absent where `websocket` is no allowed transport. */
  readonly webSocket: WebSocketClass | undefined;
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Learns the times that gateways tell. */
  readonly serverClock: ServerClock;
  /** The bounds of the back-off now in force. */
  readonly bounds: () => BackoffBounds;
  /** The channel for which gateways are asked. */
  readonly channel: () => string;
}
