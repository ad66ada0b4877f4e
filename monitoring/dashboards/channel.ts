import type { Dashboard } from './panel.ts';
import { max, mean, quantile, rate, sum } from './queries.ts';
import { ofPools } from './variables.ts';

const ofChannel = `${ofPools},channel="$channel"`;
const about = 'Gateways tell the 20 channels with the most load and the 20 with the most drops. A channel that cools down has no series.';

/** One channel among the busiest: its viewers, its load on each gateway, and what it lost. */
export const channel: Dashboard = {
  name: 'channel',
  title: 'Barrage / One channel',
  description: `One of the busiest channels: who watches, what it costs, where, and what was left out. ${about}`,
  variables: ['namespace', 'pool', 'channel'],
  sections: [
    {
      title: 'The channel',
      panels: [
        {
          kind: 'figure',
          title: 'Members',
          description: `Connections that are subscribed to the channel, on all gateways where it is busy. ${about}`,
          unit: 'short',
          queries: [{ expression: sum(`barrage_gateway_top_channel_members{${ofChannel}}`), legend: '' }],
        },
        {
          kind: 'figure',
          title: 'Publications a second',
          description: 'Publications to the channel, as the busiest gateway received them.',
          unit: 'pps',
          queries: [{ expression: max(`barrage_gateway_top_channel_publications_per_second{${ofChannel}}`), legend: '' }],
        },
        {
          kind: 'figure',
          title: 'Load on the busiest gateway',
          description: 'Share of the event loop that the channel takes on the gateway where it takes most.',
          unit: 'percentunit',
          queries: [{ expression: max(`barrage_gateway_top_channel_load_ratio{${ofChannel}}`), legend: '' }],
          thresholds: { warning: 0.3, critical: 0.6 },
        },
        {
          kind: 'figure',
          title: 'Share of all deliveries',
          description: "Deliveries of the channel, of all deliveries of the chosen pools' gateways.",
          unit: 'percentunit',
          queries: [
            {
              expression: `${sum(`barrage_gateway_top_channel_delivered_per_second{${ofChannel}}`)}/${sum(rate('barrage_gateway_publications_delivered_total', ofPools))}`,
              legend: '',
            },
          ],
          thresholds: { warning: 0.8, critical: 1.2 },
        },
        {
          kind: 'lines',
          title: 'Members of the channel',
          description: 'Connections that are subscribed, on each gateway.',
          unit: 'short',
          queries: [{ expression: sum(`barrage_gateway_top_channel_members{${ofChannel}}`, 'pod'), legend: '{{pod}}' }],
          isStacked: true,
        },
        {
          kind: 'lines',
          title: 'Publications received',
          description: 'Publications to the channel that each gateway received in a second.',
          unit: 'pps',
          queries: [{ expression: sum(`barrage_gateway_top_channel_publications_per_second{${ofChannel}}`, 'pod'), legend: '{{pod}}' }],
        },
        {
          kind: 'lines',
          title: 'Load by gateway',
          description: 'Share of the event loop of each gateway that the channel takes.',
          unit: 'percentunit',
          queries: [{ expression: sum(`barrage_gateway_top_channel_load_ratio{${ofChannel}}`, 'pod'), legend: '{{pod}}' }],
          thresholds: { warning: 0.3, critical: 0.6 },
        },
        {
          kind: 'lines',
          title: 'Delivered',
          description: 'Publications × members that were handed to sockets in a second, on each gateway.',
          unit: 'cps',
          queries: [{ expression: sum(`barrage_gateway_top_channel_delivered_per_second{${ofChannel}}`, 'pod'), legend: '{{pod}}' }],
          isStacked: true,
        },
        {
          kind: 'lines',
          title: 'Left out and lost',
          description: 'Publications × members of the channel that were not sent, by reason.',
          unit: 'cps',
          queries: [{ expression: sum(`barrage_gateway_top_channel_dropped_per_second{${ofChannel}}`, 'reason'), legend: '{{reason}}' }],
          isStacked: true,
          runbook: 'drops-above-budget',
        },
        {
          kind: 'lines',
          title: 'Left out and lost by gateway',
          description: 'The same by gateway: one alone is slow, all of them is the channel.',
          unit: 'cps',
          queries: [{ expression: sum(`barrage_gateway_top_channel_dropped_per_second{${ofChannel}}`, 'pod'), legend: '{{pod}}' }],
          isStacked: true,
          leadsTo: 'gateways',
        },
      ],
    },
    {
      title: 'Its gateways',
      panels: [
        {
          kind: 'lines',
          title: 'Delivery latency, p99',
          description: 'Of all channels of each gateway: a channel is as late as its gateway.',
          unit: 's',
          queries: [{ expression: quantile(0.99, 'barrage_delivery_latency_seconds', ofPools, 'pod'), legend: '{{pod}}' }],
          thresholds: { warning: 0.5, critical: 1 },
          runbook: 'delivery-latency',
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Merge window',
          description: 'Mean length of the merge window in force at a flush, of all channels of each gateway.',
          unit: 's',
          queries: [{ expression: mean('barrage_gateway_merge_window_seconds', ofPools, 'pod'), legend: '{{pod}}' }],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Event loop in use',
          description: 'Share of time in which the event loop of each gateway works.',
          unit: 'percentunit',
          queries: [{ expression: sum(rate('barrage_loop_active_seconds_total', ofPools), 'pod'), legend: '{{pod}}' }],
          thresholds: { warning: 0.7, critical: 0.9 },
          width: 8,
        },
      ],
    },
  ],
};
