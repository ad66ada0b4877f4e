import { alertGroups, runbookFolder } from './rules.ts';
import { latencyObjective } from './delivery-alerts.ts';

const titles: Readonly<Record<string, string>> = {
  'barrage-targets': 'Targets',
  'barrage-gateways': 'Gateways',
  'barrage-delivery': 'Delivery',
  'barrage-bus': 'Bus and publishers',
  'barrage-pools': 'Pools',
  'barrage-operator': 'Operator',
};

const introduction = `# Alerts

<!-- Generated from monitoring/alerts/ by \`node monitoring/alerts/generate.ts\`. -->

The rules are in [charts/barrage/rules/barrage.yaml](../charts/barrage/rules/barrage.yaml). On Kubernetes the chart installs them as a PrometheusRule: the values \`monitoring.rules\` in [its README](../charts/barrage/README.md#values). Any other Prometheus reads the file by \`rule_files\`.

- \`critical\`: wake somebody. \`warning\`: look at it in working hours. \`info\`: nobody is told by itself.
- Each alert has a runbook: what it means, how to see it, what to do, when to wake whom.
- The rules need the labels \`namespace\`, \`pod\` and \`pool\`, which the chart's PodMonitor and ServiceMonitor add. Without them (a Prometheus outside of Kubernetes) all gateways and publishers count as one pool, and descriptions name addresses.
- \`BarrageTargetDown\` takes jobs whose names begin with \`barrage\`, as the chart's do.
- The rules need a scrape interval of at most 30 s. The shortest window is five minutes.
- Without an operator the groups \`barrage-pools\` and \`barrage-operator\` have no series, and stay silent, but for \`BarrageDrainStuck\`.
- The latency objective: ${latencyObjective.percent} % of the publications are written to all members of a gateway within ${latencyObjective.seconds} s of their acceptance, over a month. Two burn rates are alerts. Merge windows of a second use all of it up: leave such a pool out, or set the alerts to \`none\`.
`;

const ending = `
## What is not watched

- **Certificates** of a proxy or Gateway at which TLS ends before the gateway: only it knows them. Signing keys and JWKS keys have no end that could be measured. The operator's token is renewed by Kubernetes.
- **A Prometheus that is away**: let your Alertmanager expect a heartbeat (\`Watchdog\`).
- **The load of nodes and of Redis itself**: the rules of node_exporter and redis_exporter do that.

## How the rules are tested

Each alert has time series in which it fires and others in which it stays silent (\`monitoring/alerts/\`); \`promtool test rules\` runs them. Five alerts are seen on a running system: \`BarrageAppendsLate\`, \`BarrageBusDown\`, \`BarrageGatewayNearLimit\` and \`BarrageConnectionsLost\` on processes (\`test/monitoring/alerts.test.ts\`), \`BarragePoolNotReady\` on a real API server (\`test/kubernetes/monitoring/pool-alerts.test.ts\`). A test causes the fault, sees the alert in a real Prometheus, does what the runbook says, and sees the alert end. There all windows are sixty times as short (\`timeScale\`). The same time series, sixty times as fast, prove those rules to be the same.
`;

/** The table of all alerts: `docs/alerts.md`. */
export function alertsDocument(): string {
  const groups = alertGroups.map(({ name, alerts }) => {
    const rows = alerts.map(
      (alert) =>
        `| [\`${alert.name}\`](${runbookFolder.replace('docs/', '')}/${alert.runbook}.md) | ${alert.severity} | ${alert.summary} | ${alert.forDuration === '0m' ? 'at once' : alert.forDuration} |`,
    );
    return ['', `## ${titles[name]}`, '', '| alert | severity | what | after |', '|---|---|---|---|', ...rows, ''].join('\n');
  });
  return `${introduction}${groups.join('')}${ending}`;
}
