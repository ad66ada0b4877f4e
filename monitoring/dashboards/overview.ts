import type { Dashboard } from './panel.ts';
import { onGateways, quantile, rate, sum, topTen } from './queries.ts';
import { ofPools } from './variables.ts';

const lost = `${ofPools},reason=~"slow|disconnected"`;

/** Is it well? Who is hot? What was left out, and why? */
export const overview: Dashboard = {
  name: 'overview',
  title: 'Barrage / Overview',
  description: 'Is it well? Who is hot? What was left out, and why?',
  variables: ['namespace', 'pool'],
  sections: [
    {
      title: 'Is it well?',
      panels: [
        {
          kind: 'figure',
          title: 'Delivered within 1 s',
          description: "Share of publications that were written to all members within 1 s of the publisher's acceptance.",
          unit: 'percentunit',
          queries: [
            {
              expression: `${sum(rate('barrage_delivery_latency_seconds_bucket', `${ofPools},le=~"1|1.0"`))}/${sum(rate('barrage_delivery_latency_seconds_count', ofPools))}`,
              legend: '',
            },
          ],
          thresholds: { warning: 0.995, critical: 0.99 },
          runbook: 'delivery-latency',
        },
        {
          kind: 'figure',
          title: 'Processes without the bus',
          description: 'Gateways and publishers that can not use the bus now. Clients stay connected, and get nothing.',
          unit: 'none',
          queries: [{ expression: sum(`1-barrage_bus_up{${ofPools}}`), legend: '' }],
          thresholds: { warning: 1, critical: 1 },
          runbook: 'bus-down',
        },
        {
          kind: 'figure',
          title: 'Lost of what was offered',
          description:
            'Share of publications × members that were lost: the client read too slowly, or was gone. What is left out on purpose is not in it.',
          unit: 'percentunit',
          queries: [
            {
              expression: `${sum(rate('barrage_gateway_publications_dropped_total', lost))}/${sum(rate('barrage_gateway_publications_offered_total', ofPools))}`,
              legend: '',
            },
          ],
          thresholds: { warning: 0.001, critical: 0.01 },
          runbook: 'drops-above-budget',
        },
        {
          kind: 'figure',
          title: 'Processes that do not answer',
          description: 'Gateways and publishers whose metrics Prometheus can not read.',
          unit: 'none',
          queries: [{ expression: sum(`1-up{${ofPools}}`), legend: '' }],
          thresholds: { warning: 1, critical: 1 },
        },
        {
          kind: 'figure',
          title: 'Connections',
          description: 'Open client connections.',
          unit: 'short',
          queries: [{ expression: sum(`barrage_gateway_connections{${ofPools}}`), legend: '' }],
        },
        {
          kind: 'figure',
          title: 'Fullest gateway',
          description: 'Connections of the fullest gateway, of those that it takes.',
          unit: 'percentunit',
          queries: [
            {
              expression: `max(${sum(`barrage_gateway_connections{${ofPools}}`, 'namespace', 'pod')}/${sum(`barrage_gateway_connections_max{${ofPools}}`, 'namespace', 'pod')})`,
              legend: '',
            },
          ],
          thresholds: { warning: 0.8, critical: 0.9 },
          runbook: 'gateway-near-limit',
        },
        {
          kind: 'figure',
          title: 'Gateways that are missing',
          description: 'Desired gateways that do not take clients, by what the operator says.',
          unit: 'none',
          queries: [
            {
              expression: `${sum(`barrage_operator_pool_gateways{${ofPools},state="desired"}`)}-${sum(`barrage_operator_pool_gateways{${ofPools},state="ready"}`)}`,
              legend: '',
            },
          ],
          thresholds: { warning: 1, critical: 2 },
          runbook: 'gateways-missing',
        },
        {
          kind: 'figure',
          title: 'Alerts that fire',
          description: 'Alerts of the chart that fire now.',
          unit: 'none',
          queries: [{ expression: 'count(ALERTS{alertname=~"Barrage.*",alertstate="firing"}) or vector(0)', legend: '' }],
          thresholds: { warning: 1, critical: 1 },
        },
        {
          kind: 'table',
          title: 'What fires',
          description: 'The alerts that fire now. Each has a runbook.',
          unit: 'none',
          queries: [{ expression: 'sum by(alertname,severity)(ALERTS{alertname=~"Barrage.*",alertstate="firing"})', legend: 'Series' }],
          width: 12,
        },
        {
          kind: 'table',
          title: 'What the operator complains about',
          description: 'Conditions of pools that do not hold, with their reason. docs/operator.md says what to do about each.',
          unit: 'none',
          queries: [
            {
              expression: `sum by(namespace,pool,type,reason)(barrage_operator_pool_condition{${ofPools},type=~"Ready|Available|MetricsAvailable|PlacementBalanced|PoliciesInForce|DrainTimely|BusSeparate|TemplateApplied|PodSecurity",status="False"})`,
              legend: 'Series',
            },
          ],
          width: 12,
        },
      ],
    },
    {
      title: 'How much goes through?',
      panels: [
        {
          kind: 'lines',
          title: 'Connections by pool',
          description: 'Open client connections of each pool.',
          unit: 'short',
          queries: [{ expression: sum(`barrage_gateway_connections{${ofPools}}`, 'pool'), legend: '{{pool}}' }],
          isStacked: true,
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Publications',
          description: 'Publications that publishers accepted, and those that gateways received: each gateway with a member receives one.',
          unit: 'pps',
          queries: [
            { expression: sum(rate('barrage_publisher_publications_total', `${ofPools},result="accepted"`)), legend: 'accepted' },
            { expression: sum(rate('barrage_gateway_publications_received_total', ofPools)), legend: 'received' },
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Bytes to clients',
          description: 'Bytes of publications handed to sockets, of each pool.',
          unit: 'Bps',
          queries: [{ expression: sum(rate('barrage_gateway_bytes_sent_total', ofPools), 'pool'), legend: '{{pool}}' }],
          isStacked: true,
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Delivery latency',
          description: "Time from the publisher's acceptance until all members here are written to. The merge window is in it.",
          unit: 's',
          queries: [0.5, 0.95, 0.99].map((share) => ({
            expression: quantile(share, 'barrage_delivery_latency_seconds', ofPools),
            legend: `p${share * 100}`,
          })),
          thresholds: { warning: 0.5, critical: 1 },
          runbook: 'delivery-latency',
        },
        {
          kind: 'lines',
          title: 'Delivered',
          description: 'Publications × members handed to sockets, of each pool.',
          unit: 'cps',
          queries: [{ expression: sum(rate('barrage_gateway_publications_delivered_total', ofPools), 'pool'), legend: '{{pool}}' }],
          isStacked: true,
        },
      ],
    },
    {
      title: 'Who is hot?',
      panels: [
        {
          kind: 'bars',
          title: 'Gateways by bytes to clients',
          description: 'The ten gateways that send most.',
          unit: 'Bps',
          queries: [{ expression: topTen(sum(rate('barrage_gateway_bytes_sent_total', ofPools), 'pod')), legend: '{{pod}}' }],
          leadsTo: 'gateways',
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Gateways by event loop in use',
          description: 'Share of time in which the event loop works, of the ten busiest gateways. Near 100 % all is late.',
          unit: 'percentunit',
          queries: [
            {
              expression: topTen(onGateways(sum(rate('barrage_loop_active_seconds_total', ofPools), 'namespace', 'pod'))),
              legend: '{{pod}}',
            },
          ],
          thresholds: { warning: 0.7, critical: 0.9 },
          leadsTo: 'gateways',
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Gateways by fan-out share',
          description:
            'Share of the event loop that fan-out would take at the windows of the policies. Above `BARRAGE_FAN_OUT_PERCENT` (60) windows stretch.',
          unit: 'percentunit',
          queries: [{ expression: topTen(sum(`barrage_gateway_fan_out_share{${ofPools}}`, 'pod')), legend: '{{pod}}' }],
          thresholds: { warning: 0.6, critical: 0.9 },
          leadsTo: 'gateways',
          width: 8,
        },
        {
          kind: 'bars',
          title: 'Channels by load',
          description: 'The ten channels that take most of the event loops. One channel alone can fill a gateway.',
          unit: 'percentunit',
          queries: [{ expression: topTen(sum(`barrage_gateway_top_channel_load_ratio{${ofPools}}`, 'channel')), legend: '{{channel}}' }],
          leadsTo: 'channel',
        },
        {
          kind: 'bars',
          title: 'Channels by deliveries',
          description: 'The ten channels with the most publications × members in a second.',
          unit: 'cps',
          queries: [
            { expression: topTen(sum(`barrage_gateway_top_channel_delivered_per_second{${ofPools}}`, 'channel')), legend: '{{channel}}' },
          ],
          leadsTo: 'channel',
        },
      ],
    },
    {
      title: 'What was left out, and why?',
      panels: [
        {
          kind: 'lines',
          title: 'Left out on purpose',
          description:
            "Publications × members that the channels' policies left out: over the budget, conflated with a newer one, expired, or recalled before they were sent.",
          unit: 'cps',
          queries: [
            {
              expression: `${sum(rate('barrage_gateway_publications_dropped_total', `${ofPools},reason=~"budget|conflated|expired|recalled"`), 'reason')}>0`,
              legend: '{{reason}}',
            },
          ],
          isStacked: true,
          runbook: 'drops-above-budget',
        },
        {
          kind: 'lines',
          title: 'Lost',
          description: 'Publications × members that were lost: the client read too slowly, or was gone before its turn.',
          unit: 'cps',
          queries: [{ expression: `${sum(rate('barrage_gateway_publications_dropped_total', lost), 'reason')}>0`, legend: '{{reason}}' }],
          isStacked: true,
          runbook: 'drops-above-budget',
        },
        {
          kind: 'bars',
          title: 'Channels by drops',
          description: 'The ten channels with the most publications × members that were not sent, left out and lost ones together.',
          unit: 'cps',
          queries: [
            { expression: topTen(sum(`barrage_gateway_top_channel_dropped_per_second{${ofPools}}`, 'channel')), legend: '{{channel}}' },
          ],
          leadsTo: 'channel',
        },
        {
          kind: 'lines',
          title: 'Left out and lost by policy',
          description: 'Publications × members that were not sent, of each policy: the ten with most.',
          unit: 'cps',
          queries: [
            { expression: `${topTen(sum(rate('barrage_gateway_publications_dropped_total', ofPools), 'policy'))}>0`, legend: '{{policy}}' },
          ],
          isStacked: true,
        },
        {
          kind: 'lines',
          title: 'Refused connections',
          description: 'Connections that gateways refused, by reason.',
          unit: 'cps',
          queries: [{ expression: `${sum(rate('barrage_gateway_connections_refused_total', ofPools), 'reason')}>0`, legend: '{{reason}}' }],
          isStacked: true,
          runbook: 'reconnect-storm',
        },
        {
          kind: 'lines',
          title: 'Refused publications',
          description: 'Publications that publishers did not accept, by reason.',
          unit: 'pps',
          queries: [
            {
              expression: `${sum(rate('barrage_publisher_publications_total', `${ofPools},result!~"accepted|replayed"`), 'result')}>0`,
              legend: '{{result}}',
            },
          ],
          isStacked: true,
          runbook: 'publisher-errors',
        },
      ],
    },
  ],
};
