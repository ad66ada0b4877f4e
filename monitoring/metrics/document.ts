import type { ListedMetric } from './list.ts';

const introduction = `# Metrics

Every process answers \`GET /metrics\` in Prometheus' text format, or in OpenMetrics with the exemplars of [traces](traces.md) where the reader prefers that (\`Accept\`): gateway and publisher on the main port or on \`BARRAGE_ADMIN_PORT\`, the operator on port 8080. Next to it are two probes:

- \`/livez\`: the event loop turns. It never looks at Redis.
- \`/readyz\`: 200, or 503 with the missing condition.

\`node monitoring/metrics/generate.ts\` writes this page, and \`monitoring/metrics.json\` for programs, from the code. No label is a user or a connection, and only the \`barrage_gateway_top_channel_*\` have the label \`channel\`. A histogram has the series \`NAME_bucket{le}\`, \`NAME_sum\` and \`NAME_count\`.
`;

interface Part {
  readonly title: string;
  readonly about: string;
  readonly has: (metric: ListedMetric) => boolean;
}

function isOf(...processes: readonly string[]): Part['has'] {
  return (metric) => metric.processes.join() === processes.join() && !isOfNode(metric);
}

function isOfNode({ name }: ListedMetric): boolean {
  return /^(?:process|nodejs|barrage_loop)_/.test(name);
}

const parts: readonly Part[] = [
  { title: 'Gateway', about: '', has: isOf('gateway') },
  { title: 'Publisher', about: '', has: isOf('publisher') },
  {
    title: 'Gateway and publisher',
    about:
      'A process without Redis has no `barrage_bus_*` but `barrage_bus_up`. Only a process with a policy file has `barrage_policy_file_valid`.',
    has: isOf('gateway', 'publisher'),
  },
  {
    title: 'Operator',
    about:
      'The names from `controller_runtime` to `rest_client`, and `leader_election`, are those of controller-runtime and client-go, with the same meaning. So dashboards for other operators show this one.',
    has: isOf('operator'),
  },
  { title: 'Every process', about: '', has: (metric) => isOfNode(metric) || isOf('gateway', 'publisher', 'operator')(metric) },
];

/** The text of `docs/metrics.md`: a table for each kind of process. */
export function metricsDocument(metrics: readonly ListedMetric[]): string {
  const homeless = metrics.filter((metric) => parts.every(({ has }) => !has(metric)));
  if (homeless.length > 0) throw new Error(`no table for ${homeless.map(({ name }) => name).join(', ')}`);
  return [introduction, ...parts.map((part) => sectionOf(part, metrics.filter(part.has)))].join('\n');
}

function sectionOf({ title, about }: Part, metrics: readonly ListedMetric[]): string {
  const rows = metrics.map(({ name, type, labels, unit, help }) => {
    const cells = [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), unit, help];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  const table = ['| metric | type | labels | unit | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
  return [`## ${title}`, ...(about === '' ? [] : [about]), table].join('\n\n') + '\n';
}
