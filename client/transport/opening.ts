import type { ClientClock } from '../client-clock.ts';
import type { ServerClock } from '../server-clock.ts';
import { EventStreamTransport } from './event-stream.ts';
import { PullTransport } from './pull.ts';
import type { Transport, TransportName, TransportOptions } from './transport.ts';
import { WebSocketTransport } from './web-socket.ts';

/** What transports need besides a connection's own options. */
export interface TransportSurroundings {
  readonly clock: ClientClock;
  readonly random: () => number;
  readonly serverClock: ServerClock;
}

/** Dials with a transport. @throws DOMException when the platform refuses the URL */
export function openTransport(
  name: TransportName,
  options: TransportOptions,
  { clock, random, serverClock }: TransportSurroundings,
): Transport {
  if (name === 'sse') return new EventStreamTransport({ ...options, clock });
  if (name === 'pull') return new PullTransport({ ...options, clock, random, serverClock });
  return new WebSocketTransport(options);
}
