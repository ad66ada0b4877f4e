import type { ViewerWish } from './viewer-messages.ts';

/** Channels of one viewer. */
const channelsEach = 3;

/** Viewers that differ by their number: in their channels, their addresses and their density. */
export function newViewers(wishes: {
  readonly first: number;
  readonly count: number;
  readonly ports: readonly number[];
  readonly channels: readonly string[];
}): readonly ViewerWish[] {
  const { first, count, ports, channels } = wishes;
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    // Half of them know the gateways, the others ask for the best.
    const scheme = number % 2 === 0 ? 'ws' : 'http';
    const turned = turnedBy(ports, number);
    return {
      name: `viewer-${number}`,
      addresses: turned.map((port) => `${scheme}://127.0.0.1:${port}/`),
      channels: turnedBy(channels, number).slice(0, channelsEach),
      ...(number % 10 === 9 ? { density: 5 } : {}),
    };
  });
}

function turnedBy<T>(list: readonly T[], by: number): readonly T[] {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
