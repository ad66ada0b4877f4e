import type { AlertGroup, Recording } from './alert.ts';
import { byPool, ofGateway, ofPool, poolLabels } from './names.ts';

/**
 * The objective: of all publications of a month, 99 % are written to all members of a gateway within a second of their
 * acceptance. The error budget is the other 1 %.
 */
export const latencyObjective = { seconds: 1, percent: 99 } as const;

const windows = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;
type Window = (typeof windows)[number];

function lateRatio(window: Window): string {
  return `barrage:delivery_late:ratio_rate${window}`;
}

/** A newer Prometheus writes a whole bound with a decimal: `1.0`. */
const bound = `le=~"${latencyObjective.seconds}|${latencyObjective.seconds}.0"`;

const recordings = windows.map((window): Recording => {
  const inTime = `sum by (${byPool}) (rate(barrage_delivery_latency_seconds_bucket{${bound}}[${window}]))`;
  const all = `sum by (${byPool}) (rate(barrage_delivery_latency_seconds_count[${window}]))`;
  return { name: lateRatio(window), expression: `1 - ${inTime} / ${all}` };
});

/**
 * The error budget is used up `factor` times as fast as the objective allows, over a long window, and still is over a
 * short one.
 */
function burns(factor: number, long: Window, short: Window): string {
  const budget = Math.round(factor * (100 - latencyObjective.percent) * 10) / 1000;
  return `(${lateRatio(long)} > ${budget} and ${lateRatio(short)} > ${budget})`;
}

/** Below it a few late publications of a quiet pool would be a large part. */
function atLeast(publications: number, window: Window): string {
  return `and sum by (${byPool}) (increase(barrage_delivery_latency_seconds_count[${window}])) > ${publications}`;
}

function late(inTime: string, all: string): Readonly<Record<string, string>> {
  return {
    [ofGateway('barrage_delivery_latency_seconds_bucket', { le: '1' })]: inTime,
    [ofGateway('barrage_delivery_latency_seconds_count')]: all,
  };
}

/** The delivery latency's objective, by burn rates over several windows (Google's SRE workbook, chapter 5). */
export const deliveryAlerts: AlertGroup = {
  name: 'barrage-delivery',
  recordings,
  alerts: [
    {
      name: 'BarrageDeliveryLateFast',
      runbook: 'delivery-latency',
      severity: 'critical',
      expression: `(${burns(14.4, '1h', '5m')} or ${burns(6, '6h', '30m')}) ${atLeast(100, '1h')}`,
      forDuration: '2m',
      summary: 'Publications arrive late: the error budget of a month would be used up within days.',
      description: `{{ $value | humanizePercentage }} of the publications${ofPool} were written to their viewers more than a second after their acceptance. The objective allows 1%.`,
      fires: {
        series: late('0+80x90', '0+100x90'),
        atMinutes: 70,
        alerts: [
          {
            labels: poolLabels,
            description:
              '20% of the publications of pool live/web were written to their viewers more than a second after their acceptance. The objective allows 1%.',
          },
        ],
      },
      // A burst an hour ago: the short windows have forgotten it.
      silent: { series: late('0+20x10 400+100x80', '0+100x90'), atMinutes: 60 },
    },
    {
      name: 'BarrageDeliveryLateSlow',
      runbook: 'delivery-latency',
      severity: 'warning',
      expression: `(${burns(3, '1d', '2h')} or ${burns(1, '3d', '6h')}) ${atLeast(1000, '1d')}`,
      forDuration: '15m',
      summary: 'Publications arrive late: the error budget of a month would be used up before its end.',
      description: `{{ $value | humanizePercentage }} of the publications${ofPool} were written to their viewers more than a second after their acceptance. The objective allows 1%.`,
      fires: {
        series: late('0+950x150', '0+1000x150'),
        stepMinutes: 10,
        atMinutes: 1460,
        alerts: [
          {
            labels: poolLabels,
            description:
              '5% of the publications of pool live/web were written to their viewers more than a second after their acceptance. The objective allows 1%.',
          },
        ],
      },
      silent: { series: late('0+995x150', '0+1000x150'), stepMinutes: 10, atMinutes: 1460 },
    },
  ],
};
