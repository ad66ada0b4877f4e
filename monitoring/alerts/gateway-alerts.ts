import type { AlertGroup } from './alert.ts';
import { byPool, byProcess, counted, gatewayLabels, ofGateway, ofPool, poolLabels, process } from './names.ts';

const cut = `sum by (${byPool}) (increase(barrage_gateway_connections_ended_total{how="cut"}[5m]))`;
const opened = `sum by (${byPool}) (increase(barrage_gateway_connections_opened_total[5m]))`;
const refusedByRate = `sum by (${byPool}) (increase(barrage_gateway_connections_refused_total{reason="rate"}[5m]))`;
const offered = `sum by (${byPool}) (increase(barrage_gateway_publications_offered_total[5m]))`;

function dropped(reasons: string): string {
  return `sum by (${byPool}) (increase(barrage_gateway_publications_dropped_total{reason=~"${reasons}"}[5m]))`;
}

/** What gateways tell of their connections and of what they deliver. */
export const gatewayAlerts: AlertGroup = {
  name: 'barrage-gateways',
  recordings: [],
  alerts: [
    {
      name: 'BarrageGatewayNearLimit',
      runbook: 'gateway-near-limit',
      severity: 'warning',
      expression: `sum by (${byProcess}) (barrage_gateway_connections) / sum by (${byProcess}) (barrage_gateway_connections_max) > 0.9`,
      forDuration: '10m',
      summary: 'A gateway has nearly all the connections that it accepts.',
      description: `Gateway ${process}${ofPool} has {{ $value | humanizePercentage }} of the connections that it accepts. At 100% it refuses clients.`,
      fires: {
        series: { [ofGateway('barrage_gateway_connections')]: '1900x20', [ofGateway('barrage_gateway_connections_max')]: '2000x20' },
        atMinutes: 15,
        alerts: [
          {
            labels: gatewayLabels,
            description: 'Gateway web-1 of pool live/web has 95% of the connections that it accepts. At 100% it refuses clients.',
          },
        ],
      },
      silent: {
        series: { [ofGateway('barrage_gateway_connections')]: '1800x20', [ofGateway('barrage_gateway_connections_max')]: '2000x20' },
        atMinutes: 15,
      },
    },
    {
      name: 'BarrageGatewayFull',
      runbook: 'gateway-near-limit',
      severity: 'critical',
      expression: `sum by (${byProcess}) (increase(barrage_gateway_connections_refused_total{reason="full"}[5m])) > 0`,
      forDuration: '2m',
      summary: 'A gateway refuses clients because it is full.',
      description: `Gateway ${process}${ofPool} has refused ${counted('client')} within five minutes: it has all the connections that it accepts.`,
      fires: {
        series: { [ofGateway('barrage_gateway_connections_refused_total', { reason: 'full' })]: '0+60x20' },
        atMinutes: 10,
        alerts: [
          {
            labels: gatewayLabels,
            description:
              'Gateway web-1 of pool live/web has refused 300 clients within five minutes: it has all the connections that it accepts.',
          },
        ],
      },
      silent: {
        series: {
          [ofGateway('barrage_gateway_connections_refused_total', { reason: 'full' })]: '60x20',
          [ofGateway('barrage_gateway_connections_refused_total', { reason: 'origin' })]: '0+60x20',
        },
        atMinutes: 10,
      },
    },
    {
      name: 'BarrageConnectionsLost',
      runbook: 'connections-lost',
      severity: 'critical',
      expression: `${cut} > 0.2 * sum by (${byPool}) (max_over_time(barrage_gateway_connections[10m])) and ${cut} >= 20`,
      forDuration: '0m',
      summary: 'Many connections were cut at once by something in front of the gateways.',
      description: `${counted('connection')}${ofPool} ended within five minutes without a close frame from either side: a proxy, a load balancer or the network cut them.`,
      fires: {
        series: {
          [ofGateway('barrage_gateway_connections')]: '1000x6 600x10',
          [ofGateway('barrage_gateway_connections_ended_total', { how: 'cut' })]: '0x6 400x10',
        },
        atMinutes: 8,
        alerts: [
          {
            labels: poolLabels,
            description:
              '400 connections of pool live/web ended within five minutes without a close frame from either side: a proxy, a load balancer or the network cut them.',
          },
        ],
      },
      silent: {
        // The stream is over: the clients leave. A few phones lose their network.
        series: {
          [ofGateway('barrage_gateway_connections')]: '1000x6 100x10',
          [ofGateway('barrage_gateway_connections_ended_total', { how: 'left' })]: '0x6 850x10',
          [ofGateway('barrage_gateway_connections_ended_total', { how: 'cut' })]: '0x6 50x10',
        },
        atMinutes: 8,
      },
    },
    {
      name: 'BarrageReconnectStorm',
      runbook: 'reconnect-storm',
      severity: 'warning',
      expression: `(${opened} > 2 * sum by (${byPool}) (max_over_time(barrage_gateway_connections[5m])) and ${opened} > 100) or (${refusedByRate} > sum by (${byPool}) (max_over_time(barrage_gateway_connections[5m])) and ${refusedByRate} > 100)`,
      forDuration: '2m',
      summary: 'Clients connect again and again.',
      description: `Clients${ofPool} dialled at least ${counted('time')} within five minutes: several times as often as there are connections.`,
      fires: {
        series: {
          [ofGateway('barrage_gateway_connections')]: '1000x20',
          [ofGateway('barrage_gateway_connections_opened_total')]: '0+600x20',
        },
        atMinutes: 10,
        alerts: [
          {
            labels: poolLabels,
            description:
              'Clients of pool live/web dialled at least 3000 times within five minutes: several times as often as there are connections.',
          },
        ],
      },
      silent: {
        // A stream begins: everybody comes once.
        series: {
          [ofGateway('barrage_gateway_connections')]: '0+600x20',
          [ofGateway('barrage_gateway_connections_opened_total')]: '0+600x20',
        },
        atMinutes: 10,
      },
    },
    {
      name: 'BarrageGatewayRestarted',
      runbook: 'gateway-restarted',
      severity: 'warning',
      expression: `sum by (${byProcess}) (changes(process_start_time_seconds[15m])) > 0 and on (${byProcess}) barrage_gateway_connections_max`,
      forDuration: '0m',
      summary: 'A gateway has ended and was started again.',
      description: `Gateway ${process}${ofPool} was started again ${counted('time')} within a quarter of an hour. Its clients had to connect again.`,
      fires: {
        series: { [ofGateway('process_start_time_seconds')]: '100x5 400x10', [ofGateway('barrage_gateway_connections_max')]: '10x15' },
        atMinutes: 8,
        alerts: [
          {
            labels: gatewayLabels,
            description:
              'Gateway web-1 of pool live/web was started again 1 time within a quarter of an hour. Its clients had to connect again.',
          },
        ],
      },
      silent: {
        // Another gateway takes its place in a rollout; another program restarts.
        series: {
          [ofGateway('process_start_time_seconds')]: '100x5 stale',
          [ofGateway('process_start_time_seconds', { pod: 'web-2' })]: '_x5 400x10',
          [ofGateway('barrage_gateway_connections_max')]: '10x5 stale',
          [ofGateway('barrage_gateway_connections_max', { pod: 'web-2' })]: '_x5 10x10',
          [ofGateway('process_start_time_seconds', { pod: 'shop-1' })]: '100x5 400x10',
        },
        atMinutes: 8,
      },
    },
    {
      name: 'BarrageDropsAboveBudget',
      runbook: 'drops-above-budget',
      severity: 'warning',
      expression: `${dropped('slow')} / ${offered} > 0.01`,
      forDuration: '5m',
      summary: 'More publications are lost to slow clients than the budget of 1 % allows.',
      description: `{{ $value | humanizePercentage }} of the publications for clients${ofPool} were dropped within five minutes, because the clients read too slowly.`,
      fires: {
        series: {
          [ofGateway('barrage_gateway_publications_offered_total')]: '0+10000x20',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'slow', priority: 'normal' })]: '0+300x20',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'slow', priority: 'low' })]: '0+200x20',
        },
        atMinutes: 15,
        alerts: [
          {
            labels: poolLabels,
            description:
              '5% of the publications for clients of pool live/web were dropped within five minutes, because the clients read too slowly.',
          },
        ],
      },
      silent: {
        series: {
          [ofGateway('barrage_gateway_publications_offered_total')]: '0+10000x20',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'slow', priority: 'normal' })]: '0+50x20',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'disconnected', priority: 'normal' })]: '0+900x20',
        },
        atMinutes: 15,
      },
    },
    {
      name: 'BarrageMostLeftOut',
      runbook: 'drops-above-budget',
      severity: 'info',
      expression: `${dropped('budget|expired')} / ${offered} > 0.5`,
      forDuration: '15m',
      summary: 'Clients get fewer than half of the publications, because of budgets or short lives.',
      description: `{{ $value | humanizePercentage }} of the publications for clients${ofPool} were left out on purpose within five minutes: above the budget of their policy, or expired.`,
      fires: {
        series: {
          [ofGateway('barrage_gateway_publications_offered_total')]: '0+10000x30',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'budget', priority: 'low' })]: '0+7500x30',
        },
        atMinutes: 25,
        alerts: [
          {
            labels: poolLabels,
            description:
              '75% of the publications for clients of pool live/web were left out on purpose within five minutes: above the budget of their policy, or expired.',
          },
        ],
      },
      silent: {
        series: {
          [ofGateway('barrage_gateway_publications_offered_total')]: '0+10000x30',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'budget', priority: 'low' })]: '0+2500x30',
          [ofGateway('barrage_gateway_publications_dropped_total', { reason: 'conflated', priority: 'low' })]: '0+5000x30',
        },
        atMinutes: 25,
      },
    },
  ],
};
