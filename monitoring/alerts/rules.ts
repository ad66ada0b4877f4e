import { stringify } from 'yaml';
import type { Alert, AlertGroup } from './alert.ts';
import { busAlerts } from './bus-alerts.ts';
import { certificateAlerts } from './certificate-alerts.ts';
import { deliveryAlerts } from './delivery-alerts.ts';
import { gatewayAlerts } from './gateway-alerts.ts';
import { operatorAlerts } from './operator-alerts.ts';
import { poolAlerts } from './pool-alerts.ts';
import { targetAlerts } from './target-alerts.ts';
import { scaledDuration, scaledExpression } from './time-scale.ts';

export const alertGroups: readonly AlertGroup[] = [
  targetAlerts,
  gatewayAlerts,
  deliveryAlerts,
  busAlerts,
  certificateAlerts,
  poolAlerts,
  operatorAlerts,
];
export const alerts: readonly Alert[] = alertGroups.flatMap((group) => group.alerts);

/** Folder of the runbooks in the repository. The chart's value `monitoring.rules.runbookUrl` replaces it. */
export const runbookFolder = 'docs/runbooks';

export interface RuleFileOptions {
  /**
   * Divides all windows and waits: at 60 five minutes are five seconds. Tests use it to see alerts come and go on a
   * running system. Thresholds stay as they are.
   */
  readonly timeScale: number;
}

/** The rules as a file for Prometheus, and as the groups of a PrometheusRule. */
export function ruleFile({ timeScale }: RuleFileOptions): object {
  const groups = alertGroups.map(({ name, recordings, alerts: ofGroup }) => ({
    name,
    rules: [
      ...recordings.map((recording) => ({ record: recording.name, expr: scaledExpression(recording.expression, timeScale) })),
      ...ofGroup.map((alert) => ({
        alert: alert.name,
        expr: scaledExpression(alert.expression, timeScale),
        ...(alert.forDuration === '0m' ? {} : { for: scaledDuration(alert.forDuration, timeScale) }),
        labels: { severity: alert.severity },
        annotations: { summary: alert.summary, description: alert.description, runbook_url: runbookUrl(alert) },
      })),
    ],
  }));
  return { groups };
}

export function runbookUrl({ runbook }: Alert): string {
  return `${runbookFolder}/${runbook}.md`;
}

/** The text of the rule file in the chart. */
export function ruleFileText(options: RuleFileOptions): string {
  const note = '# Generated from monitoring/alerts/ by `node monitoring/alerts/generate.ts`. docs/alerts.md explains the rules.\n';
  return note + stringify(ruleFile(options), { lineWidth: 0 });
}
