import type { BarrageError } from '../errors.ts';
import type { Received } from '../wire.ts';

/** A way of speaking to a gateway. */
export type TransportName = 'websocket' | 'sse' | 'pull';

/** What a transport tells its connection. */
export interface TransportOptions {
  /** The gateway's WebSocket URL. Other transports use its origin. */
  readonly url: string;
  readonly onMessage: (message: Received) => void;
  /** The transport is over; called once, and not after `close`. */
  readonly onEnd: (error: BarrageError) => void;
}

/** What a connection speaks through: messages and commands of barrage.v1, in order. */
export interface Transport {
  readonly name: TransportName;
  /** Whether commands may be sent. */
  readonly isOpen: boolean;
  /** Sends one command, as JSON. */
  send(command: string): void;
  /** Ends it without a word: nothing is called after this. */
  close(): void;
}
