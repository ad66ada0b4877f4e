import type { Registry } from 'prom-client';
import { limits } from '../../core/limits.ts';
import { readGauges, type Series } from '../../core/process/read-metrics.ts';
import { dropReasons, type DropReason } from './tally.ts';

/** What one channel cost and gave in the last window. */
export interface ChannelTraffic {
  readonly channel: string;
  readonly members: number;
  /** Share of the event loop that encoding and fan-out took. */
  readonly loadRatio: number;
  readonly publicationsPerSecond: number;
  /** Publications × members, handed to sockets. */
  readonly deliveredPerSecond: number;
  /** Publications × members, not sent. */
  readonly droppedPerSecond: Readonly<Record<DropReason, number>>;
}

/** At most `limits.topChannelsMax` channels in each list, the largest first. */
export interface BusiestChannels {
  readonly loaded: readonly ChannelTraffic[];
  readonly dropping: readonly ChannelTraffic[];
}

/** Seconds over which a channel's traffic is measured. */
export const busiestWindowSeconds = 5;

const most = `At most ${limits.topChannelsMax} channels, over the last ${busiestWindowSeconds} s; the series of a channel that cooled are gone. Channels of one user (\`user:…\`) are never named.`;

/** Registers the busiest channels: the only metrics with the label `channel`. */
export function exportBusiest(registry: Registry, busiest: () => BusiestChannels): void {
  const gauge = (name: string, help: string, read: (traffic: ChannelTraffic) => number): void =>
    readGauges(registry, { name: `barrage_gateway_top_channel_${name}`, help: `${help} ${most}`, labelNames: ['channel'] }, () =>
      busiest().loaded.map((traffic): Series<'channel'> => [{ channel: traffic.channel }, read(traffic)]),
    );
  gauge(
    'load_ratio',
    'Share of the event loop that encoding and fan-out take, of the channels with the most load.',
    ({ loadRatio }) => loadRatio,
  );
  gauge('members', 'Members here of the channels with the most load.', ({ members }) => members);
  gauge(
    'publications_per_second',
    'Publications a second of the channels with the most load.',
    ({ publicationsPerSecond }) => publicationsPerSecond,
  );
  gauge(
    'delivered_per_second',
    'Publications × members a second that were handed to sockets, of the channels with the most load.',
    ({ deliveredPerSecond }) => deliveredPerSecond,
  );
  readGauges(
    registry,
    {
      name: 'barrage_gateway_top_channel_dropped_per_second',
      help: `Publications × members a second that were not sent, of the channels with the most of them, by the reasons of \`barrage_gateway_publications_dropped_total\`. ${most}`,
      labelNames: ['channel', 'reason'],
    },
    () =>
      busiest().dropping.flatMap(({ channel, droppedPerSecond }) =>
        dropReasons.map((reason): Series<'channel' | 'reason'> => [{ channel, reason }, droppedPerSecond[reason]]),
      ),
  );
}
