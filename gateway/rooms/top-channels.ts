import type { RoomCounts } from '../../core/bus/bus.ts';

export interface TopChannel {
  readonly channel: string;
  readonly members: number;
}

/**
 * The channels with the most members, the largest first, at most `most` of them. One pass that keeps no more than the
 * answer.
 */
export function topChannels(counts: Iterable<readonly [channel: string, counts: RoomCounts]>, most: number): readonly TopChannel[] {
  const top: TopChannel[] = [];
  for (const [channel, { ready, full }] of counts) {
    const members = ready + full;
    if (top.length === most && members <= (top.at(-1)?.members ?? 0)) continue;
    const place = top.findIndex((each) => each.members < members);
    top.splice(place < 0 ? top.length : place, 0, { channel, members });
    if (top.length > most) top.pop();
  }
  return top;
}
