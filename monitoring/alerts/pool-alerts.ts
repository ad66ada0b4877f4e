import type { AlertGroup } from './alert.ts';
import { byPool, byProcess, conditionOf, counted, gatewayLabels, gatewaysOf, ofGateway, ofPool, poolLabels, process } from './names.ts';

const condition = 'barrage_operator_pool_condition';
const gateways = 'barrage_operator_pool_gateways';
const moved = `sum by (${byProcess}) (increase(barrage_gateway_connections_moved_total[5m])) > 0`;
const left = (state: number): string =>
  `sum by (${byProcess}) (barrage_gateway_connections) and on (${byProcess}) barrage_gateway_drain_state == ${state}`;

/** What the leading operator tells of pools, and gateways of their drains. */
export const poolAlerts: AlertGroup = {
  name: 'barrage-pools',
  recordings: [],
  alerts: [
    {
      name: 'BarragePoolNotReady',
      runbook: 'pool-not-ready',
      severity: 'critical',
      expression: `max by (${byPool}, reason) (${condition}{type="Ready", status="False", reason!~"ScaledToZero|Paused"})`,
      forDuration: '5m',
      summary: 'A pool does not take clients, or does not take publications.',
      description: 'Pool {{ $labels.namespace }}/{{ $labels.pool }} is not ready: {{ $labels.reason }}.',
      fires: {
        series: { [conditionOf('Ready', 'False', 'PublishersNotReady')]: '1x15' },
        atMinutes: 10,
        alerts: [
          { labels: { ...poolLabels, reason: 'PublishersNotReady' }, description: 'Pool live/web is not ready: PublishersNotReady.' },
        ],
      },
      silent: {
        series: { [conditionOf('Ready', 'True', 'Ready')]: '1x15', [conditionOf('Available', 'False', 'TooFewGateways')]: '1x15' },
        atMinutes: 10,
      },
    },
    {
      name: 'BarrageGatewaysMissing',
      runbook: 'gateways-missing',
      severity: 'warning',
      expression: `max by (${byPool}) (${gateways}{state="desired"}) - max by (${byPool}) (${gateways}{state="ready"}) > 0`,
      forDuration: '15m',
      summary: 'A pool has fewer ready gateways than it should have.',
      description: `Pool {{ $labels.namespace }}/{{ $labels.pool }} lacks ${counted('ready gateway')}.`,
      fires: {
        series: { [gatewaysOf('desired')]: '5x20', [gatewaysOf('ready')]: '3x20' },
        atMinutes: 18,
        alerts: [{ labels: poolLabels, description: 'Pool live/web lacks 2 ready gateways.' }],
      },
      // A rollout replaces one at a time.
      silent: { series: { [gatewaysOf('desired')]: '5x20', [gatewaysOf('ready')]: '4x8 5 4x11' }, atMinutes: 18 },
    },
    {
      name: 'BarrageDrainStuck',
      runbook: 'drain-stuck',
      severity: 'warning',
      expression: `(${left(1)} unless on (${byProcess}) ${moved}) or (${left(2)})`,
      forDuration: '7m',
      summary: 'A gateway should leave and does not get on with it.',
      description: `Gateway ${process}${ofPool} drains, has ${counted('connection')} left, and has moved none for minutes.`,
      fires: {
        series: {
          [ofGateway('barrage_gateway_drain_state')]: '1x20',
          [ofGateway('barrage_gateway_connections')]: '420x20',
          [ofGateway('barrage_gateway_connections_moved_total', { how: 'hint' })]: '0 80x19',
        },
        atMinutes: 16,
        alerts: [
          {
            labels: gatewayLabels,
            description: 'Gateway web-1 of pool live/web drains, has 420 connections left, and has moved none for minutes.',
          },
        ],
      },
      silent: {
        series: {
          [ofGateway('barrage_gateway_drain_state')]: '1x20',
          [ofGateway('barrage_gateway_connections')]: '4000-200x20',
          [ofGateway('barrage_gateway_connections_moved_total', { how: 'hint' })]: '0+200x20',
        },
        atMinutes: 16,
      },
    },
    {
      name: 'BarrageRolloutStuck',
      runbook: 'rollout-stuck',
      severity: 'warning',
      expression: [
        `max by (${byPool}, reason) (${condition}{type="Progressing", status="False", reason!~"Complete|OnDelete|Paused"})`,
        `or (max by (${byPool}, reason) (${condition}{type="Progressing", status="True"})`,
        `unless on (${byPool}) max by (${byPool}) (changes(${gateways}{state=~"updated|ready|existing"}[30m])) > 0`,
        `unless on (${byPool}) max by (${byPool}) (${gateways}{state="draining"}) > 0`,
        `unless on (${byPool}) max by (${byPool}) (${condition}{type="Paused", status="True"}))`,
      ].join(' '),
      forDuration: '15m',
      summary: 'A rollout of a pool does not get on.',
      description: 'The rollout of pool {{ $labels.namespace }}/{{ $labels.pool }} does not get on: {{ $labels.reason }}.',
      fires: {
        series: { [conditionOf('Progressing', 'False', 'ImagePullFailed')]: '1x20', [gatewaysOf('updated')]: '1x20' },
        atMinutes: 18,
        alerts: [
          {
            labels: { ...poolLabels, reason: 'ImagePullFailed' },
            description: 'The rollout of pool live/web does not get on: ImagePullFailed.',
          },
        ],
      },
      silent: {
        series: { [conditionOf('Progressing', 'True', 'GatewaysChanging')]: '1x60', [gatewaysOf('updated')]: '1x25 2x25 3x10' },
        atMinutes: 50,
      },
    },
    {
      name: 'BarrageScalingLimited',
      runbook: 'scaling-limited',
      severity: 'warning',
      expression: `max by (${byPool}, reason) (${condition}{type="ScalingLimited", status="True", reason=~"TooManyConnections|GatewaysFull"})`,
      forDuration: '15m',
      summary: 'A pool needs more gateways than it may have.',
      description:
        'Pool {{ $labels.namespace }}/{{ $labels.pool }} needs more gateways than its spec allows: {{ $labels.reason }}.{{ with printf `max by (namespace, pool) (barrage_operator_pool_gateways{namespace="%s", pool="%s", state="desired"})` .Labels.namespace .Labels.pool | query }} It has {{ . | first | value | printf "%.0f" }}.{{ end }}',
      fires: {
        series: { [conditionOf('ScalingLimited', 'True', 'TooManyConnections')]: '1x20', [gatewaysOf('desired')]: '8x20' },
        atMinutes: 18,
        alerts: [
          {
            labels: { ...poolLabels, reason: 'TooManyConnections' },
            description: 'Pool live/web needs more gateways than its spec allows: TooManyConnections. It has 8.',
          },
        ],
      },
      silent: { series: { [conditionOf('ScalingLimited', 'True', 'TooFewConnections')]: '1x20' }, atMinutes: 18 },
    },
    {
      name: 'BarrageMetricsStale',
      runbook: 'metrics-stale',
      severity: 'warning',
      expression: `max by (${byPool}, reason) (${condition}{type="MetricsAvailable", status="False"})`,
      forDuration: '5m',
      summary: 'The operator does not know the load of a pool, so the pool is never scaled down.',
      description:
        'A gateway of pool {{ $labels.namespace }}/{{ $labels.pool }} does not tell the operator its load: {{ $labels.reason }}. The number of gateways can only rise.',
      fires: {
        series: { [conditionOf('MetricsAvailable', 'False', 'GatewaySilent')]: '1x15' },
        atMinutes: 10,
        alerts: [
          {
            labels: { ...poolLabels, reason: 'GatewaySilent' },
            description:
              'A gateway of pool live/web does not tell the operator its load: GatewaySilent. The number of gateways can only rise.',
          },
        ],
      },
      silent: { series: { [conditionOf('MetricsAvailable', 'Unknown', 'NotHeardYet')]: '1x15' }, atMinutes: 10 },
    },
    {
      name: 'BarragePlacementOutOfBound',
      runbook: 'placement-out-of-bound',
      severity: 'warning',
      expression: `max by (${byPool}, reason) (${condition}{type="PlacementBalanced", status="False"})`,
      forDuration: '30m',
      summary: 'One gateway of a pool has far more connections than the others.',
      description:
        'A gateway of pool {{ $labels.namespace }}/{{ $labels.pool }} has more of the connections than spec.placement.maxLoadPercent allows.{{ with printf `max by (namespace, pool) (sum by (namespace, pool, pod) (barrage_gateway_connections{namespace="%s", pool="%s"}))` .Labels.namespace .Labels.pool | query }} The fullest has {{ . | first | value | printf "%.0f" }}.{{ end }}',
      fires: {
        series: {
          [conditionOf('PlacementBalanced', 'False', 'Unbalanced')]: '1x40',
          [ofGateway('barrage_gateway_connections')]: '900x40',
          [ofGateway('barrage_gateway_connections', { pod: 'web-2' })]: '300x40',
        },
        atMinutes: 35,
        alerts: [
          {
            labels: { ...poolLabels, reason: 'Unbalanced' },
            description:
              'A gateway of pool live/web has more of the connections than spec.placement.maxLoadPercent allows. The fullest has 900.',
          },
        ],
      },
      // A new gateway fills up within half an hour.
      silent: { series: { [conditionOf('PlacementBalanced', 'False', 'Unbalanced')]: '1x20 stale' }, atMinutes: 35 },
    },
  ],
};
