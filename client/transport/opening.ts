import { withExtraPart } from '../extra-part.ts';
import type { Surroundings } from '../surroundings.ts';
import type { Transport, TransportName, TransportOptions } from './transport.ts';
import { WebSocketTransport } from './web-socket.ts';

/**
 * Gives `use` what dials with a transport: at once for a WebSocket; the others come with the extra part.
 * @throws DOMException when the platform refuses the URL
 */
export function openTransport(
  name: TransportName,
  options: TransportOptions,
  surroundings: Surroundings,
  use: (dial: () => Transport) => void,
): void {
  const { webSocket } = surroundings;
  if (name === 'websocket' && webSocket !== undefined) return use(() => new WebSocketTransport(options, webSocket));
  withExtraPart(
    ({ EventStreamTransport, PullTransport }) =>
      use(() => new (name === 'sse' ? EventStreamTransport : PullTransport)({ ...options, ...surroundings })),
    options.onEnd,
  );
}
