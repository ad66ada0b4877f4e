import type { AlertGroup } from './alert.ts';
import { byPool, byProcess, counted, gatewayLabels, ofGateway, ofPool, poolLabels, process } from './names.ts';

const publications = 'barrage_publisher_publications_total';
const failures = 'barrage_bus_append_failures_total';
const daySeconds = 86_400;

/** What gateways and publishers tell of the bus. */
export const busAlerts: AlertGroup = {
  name: 'barrage-bus',
  recordings: [],
  alerts: [
    {
      name: 'BarrageBusDown',
      runbook: 'bus-down',
      severity: 'critical',
      expression: `count by (${byPool}) (barrage_bus_up == 0)`,
      forDuration: '1m',
      summary: 'Gateways or publishers cannot use the bus: publications are refused.',
      description: `${counted('process', 'es')}${ofPool} cannot use the bus. Clients stay connected. Publishers refuse publications, and gateways refuse new channels.`,
      fires: {
        series: {
          [ofGateway('barrage_bus_up')]: '1x5 0x15',
          [ofGateway('barrage_bus_up', { pod: 'web-2' })]: '1x5 0x15',
          [ofGateway('barrage_bus_up', { pod: 'web-3' })]: '1x20',
        },
        atMinutes: 10,
        alerts: [
          {
            labels: poolLabels,
            description:
              '2 processes of pool live/web cannot use the bus. Clients stay connected. Publishers refuse publications, and gateways refuse new channels.',
          },
        ],
      },
      // Redis has moved to another master.
      silent: { series: { [ofGateway('barrage_bus_up')]: '1x5 0 1x15' }, atMinutes: 6 },
    },
    {
      name: 'BarrageHolesNotFilled',
      runbook: 'holes-not-filled',
      severity: 'warning',
      expression: `sum by (${byProcess}) (increase(barrage_gateway_bus_gaps_total[10m])) > 0`,
      forDuration: '0m',
      summary: 'Viewers have missed publications, because the bus was interrupted.',
      description: `Gateway ${process}${ofPool} missed publications of about ${counted('room')} within ten minutes. Clients of barrage.v1 were told of the gap.`,
      fires: {
        series: { [ofGateway('barrage_gateway_bus_gaps_total')]: '0x5 30x10' },
        atMinutes: 12,
        alerts: [
          {
            labels: gatewayLabels,
            description:
              'Gateway web-1 of pool live/web missed publications of about 30 rooms within ten minutes. Clients of barrage.v1 were told of the gap.',
          },
        ],
      },
      silent: { series: { [ofGateway('barrage_gateway_bus_gaps_total')]: '30x20' }, atMinutes: 12 },
    },
    {
      name: 'BarrageSubscriptionsWaiting',
      runbook: 'subscriptions-waiting',
      severity: 'critical',
      expression: `barrage_bus_subscriptions{state="waiting"} > 0 and on (${byProcess}) barrage_bus_up == 1`,
      forDuration: '2m',
      summary: 'The bus is up, and yet channels of a process get no publications.',
      description: `${process}${ofPool} has no subscription to ${counted('bus channel')}: Redis refuses it, or no master has the slot. Viewers there get nothing.`,
      fires: {
        series: { [ofGateway('barrage_bus_subscriptions', { state: 'waiting' })]: '0x5 12x10', [ofGateway('barrage_bus_up')]: '1x15' },
        atMinutes: 10,
        alerts: [
          {
            labels: { ...gatewayLabels, state: 'waiting' },
            description:
              'web-1 of pool live/web has no subscription to 12 bus channels: Redis refuses it, or no master has the slot. Viewers there get nothing.',
          },
        ],
      },
      // Redis is away: BarrageBusDown says so.
      silent: {
        series: { [ofGateway('barrage_bus_subscriptions', { state: 'waiting' })]: '0x5 12x10', [ofGateway('barrage_bus_up')]: '1x5 0x10' },
        atMinutes: 10,
      },
    },
    {
      name: 'BarrageAppendsLate',
      runbook: 'appends-late',
      severity: 'warning',
      expression: `sum by (${byPool}) (increase(${failures}{reason="late"}[5m])) > 0`,
      forDuration: '0m',
      summary: 'Redis did not answer appends in time: publications may be lost, or there twice.',
      description: `For about ${counted('publication')}${ofPool} Redis gave no answer within two seconds. Each may have been appended all the same.`,
      fires: {
        series: { [ofGateway(failures, { reason: 'late' })]: '0x5 8x10' },
        atMinutes: 7,
        alerts: [
          {
            labels: poolLabels,
            description:
              'For about 8 publications of pool live/web Redis gave no answer within two seconds. Each may have been appended all the same.',
          },
        ],
      },
      silent: {
        series: { [ofGateway(failures, { reason: 'late' })]: '8x20', [ofGateway(failures, { reason: 'unavailable' })]: '0x5 8x10' },
        atMinutes: 7,
      },
    },
    {
      name: 'BarragePublisherErrors',
      runbook: 'publisher-errors',
      severity: 'critical',
      expression: `sum by (${byPool}) (increase(${publications}{result="unavailable"}[5m])) / sum by (${byPool}) (increase(${publications}[5m])) > 0.01`,
      forDuration: '2m',
      summary: 'Publishers refuse publications of backends, because the bus does not take them.',
      description: `Publishers${ofPool} answered {{ $value | humanizePercentage }} of the publications with "temporarily unavailable" within five minutes.`,
      fires: {
        series: {
          [ofGateway(publications, { result: 'accepted' })]: '0+90x20',
          [ofGateway(publications, { result: 'unavailable' })]: '0+10x20',
        },
        atMinutes: 10,
        alerts: [
          {
            labels: poolLabels,
            description: 'Publishers of pool live/web answered 10% of the publications with "temporarily unavailable" within five minutes.',
          },
        ],
      },
      // A backend with a wrong key is refused: that is its own fault.
      silent: {
        series: {
          [ofGateway(publications, { result: 'accepted' })]: '0+90x20',
          [ofGateway(publications, { result: 'unauthorized' })]: '0+90x20',
          [ofGateway(publications, { result: 'unavailable' })]: '10x20',
        },
        atMinutes: 10,
      },
    },
    {
      name: 'BarrageRedisCertificateExpires',
      runbook: 'redis-certificate',
      severity: 'warning',
      expression: `(min by (${byPool}) (barrage_bus_certificate_expiry_timestamp_seconds) - time()) / ${daySeconds} < 14`,
      forDuration: '1h',
      summary: 'The certificate of a Redis server expires within two weeks.',
      description: `The certificate that a Redis server showed the processes${ofPool} expires in ${counted('day')}. After that no new connection to it can be made.`,
      fires: {
        series: { [ofGateway('barrage_bus_certificate_expiry_timestamp_seconds')]: `${3 * daySeconds}x130` },
        atMinutes: 120,
        alerts: [
          {
            labels: poolLabels,
            description:
              'The certificate that a Redis server showed the processes of pool live/web expires in 3 days. After that no new connection to it can be made.',
          },
        ],
      },
      silent: { series: { [ofGateway('barrage_bus_certificate_expiry_timestamp_seconds')]: `${15 * daySeconds}x130` }, atMinutes: 120 },
    },
  ],
};
