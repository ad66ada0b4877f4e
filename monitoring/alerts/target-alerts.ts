import type { AlertGroup } from './alert.ts';
import { gatewayLabels, ofPool, process, seriesOf } from './names.ts';

const target = { ...gatewayLabels, job: 'barrage-gateway' };

/** What Prometheus itself tells of the processes that it scrapes. */
export const targetAlerts: AlertGroup = {
  name: 'barrage-targets',
  recordings: [],
  alerts: [
    {
      name: 'BarrageTargetDown',
      runbook: 'target-down',
      severity: 'warning',
      expression: 'up{job=~"barrage.*"} == 0',
      forDuration: '3m',
      summary: 'Prometheus gets no metrics of a process: it has ended, hangs, or cannot be reached.',
      description: `Prometheus gets no metrics of ${process}${ofPool} (job {{ $labels.job }}). The other alerts know nothing of this process.`,
      fires: {
        series: { [seriesOf('up', target)]: '1x5 0x15' },
        atMinutes: 10,
        alerts: [
          {
            labels: target,
            description:
              'Prometheus gets no metrics of web-1 of pool live/web (job barrage-gateway). The other alerts know nothing of this process.',
          },
        ],
      },
      // A pod that was deleted is no target any more; another job is none of ours.
      silent: { series: { [seriesOf('up', target)]: '1x5 0 stale', [seriesOf('up', { ...target, job: 'shop' })]: '0x20' }, atMinutes: 10 },
    },
  ],
};
