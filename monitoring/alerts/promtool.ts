import type { Alert, Example, FiringExample } from './alert.ts';
import { runbookUrl, type RuleFileOptions } from './rules.ts';
import { scaledDuration } from './time-scale.ts';

/**
 * The examples of alerts as test files for `promtool test rules`, one for each step between samples. At any time scale
 * the series have the same values, so the tests prove that a scaled rule is the same rule.
 * @param ruleFile path of the rule file, from the test files
 */
export function promtoolTests(ruleFile: string, alerts: readonly Alert[], { timeScale }: RuleFileOptions): readonly object[] {
  const examples = alerts.flatMap((alert) => [
    { alert, example: alert.fires, firing: alert.fires.alerts },
    { alert, example: alert.silent, firing: [] },
  ]);
  return [...Map.groupBy(examples, ({ example }) => example.stepMinutes ?? 1)].map(([stepMinutes, ofStep]) => {
    const interval = scaledDuration(`${stepMinutes}m`, timeScale);
    const tests = ofStep.map(({ alert, example, firing }) => ({ interval, ...promtoolTest(alert, example, { firing, timeScale }) }));
    return { rule_files: [ruleFile], evaluation_interval: interval, tests };
  });
}

function promtoolTest(
  alert: Alert,
  { series, atMinutes }: Example,
  { firing, timeScale }: RuleFileOptions & { readonly firing: FiringExample['alerts'] },
): object {
  return {
    name: `${alert.name} ${firing.length > 0 ? 'fires' : 'stays silent'}`,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [
      {
        eval_time: scaledDuration(`${atMinutes}m`, timeScale),
        alertname: alert.name,
        exp_alerts: firing.map(({ labels, description }) => ({
          exp_labels: { severity: alert.severity, ...labels },
          exp_annotations: { summary: alert.summary, description, runbook_url: runbookUrl(alert) },
        })),
      },
    ],
  };
}
