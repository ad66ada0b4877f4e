import type { TransportName } from '../../client/transport/transport.ts';
import type { ChannelRules } from './record.ts';
import type { ViewerWish } from './viewer-messages.ts';

/** Channels of one viewer. */
const channelsEach = 3;
/** The transports of viewers, in turn. Their number shares no factor with that of channels or addresses. */
const transports: readonly TransportName[] = [
  ...(['websocket', 'sse', 'websocket', 'websocket', 'pull', 'websocket', 'sse', 'websocket'] as const),
  ...(['websocket', 'pull', 'websocket', 'sse', 'websocket'] as const),
];

/** Viewers that differ by their number: in their transport, their channels, their addresses and their density. */
export function newViewers(wishes: {
  readonly first: number;
  readonly count: number;
  readonly ports: readonly number[];
  readonly channels: readonly ChannelRules[];
}): readonly ViewerWish[] {
  const { first, count, ports, channels } = wishes;
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const transport = transports[number % transports.length]!;
    // Half of them know the gateways, the others ask for the best.
    const scheme = number % 2 === 0 ? 'ws' : 'http';
    const addresses = turnedBy(ports, number).map((port) => `${scheme}://127.0.0.1:${port}/`);
    // Only what is kept can be pulled.
    const possible = channels.filter(({ history }) => history || transport !== 'pull');
    return {
      name: `viewer-${number}-${transport}`,
      transport,
      addresses,
      channels: turnedBy(possible, number)
        .slice(0, channelsEach)
        .map(({ name }) => name),
      ...(number % 10 === 9 && transport !== 'pull' ? { density: 5 } : {}),
    };
  });
}

function turnedBy<T>(list: readonly T[], by: number): readonly T[] {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
