import { readFileSync } from 'node:fs';
import { withVariables } from '../../../monitoring/promql.ts';
import type { Prometheus } from '../../support/prometheus.ts';

interface StoredTarget {
  readonly expr: string;
}

interface StoredPanel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly StoredTarget[];
}

interface StoredDashboard {
  readonly panels: readonly StoredPanel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query?: string | { readonly query: string } }[] };
}

/** A panel of the chart's JSON. */
export interface ChartPanel {
  /** `overview: Connections`. */
  readonly name: string;
  readonly expressions: readonly string[];
}

export interface ChartVariable {
  readonly name: string;
  readonly query: string;
}

/** Names of the chart's dashboards. */
export const dashboardNames = ['overview', 'gateways', 'publishers-and-bus', 'operator-and-scaling', 'channel'] as const;

function read(name: string): StoredDashboard {
  return JSON.parse(readFileSync(`charts/barrage/dashboards/${name}.json`, 'utf8')) as StoredDashboard;
}

/** The panels of the JSON that the chart installs. */
export function chartPanels(): readonly ChartPanel[] {
  return dashboardNames.flatMap((dashboard) =>
    read(dashboard).panels.flatMap(({ type, title, targets = [] }) =>
      type === 'row' ? [] : [{ name: `${dashboard}: ${title}`, expressions: targets.map(({ expr }) => expr) }],
    ),
  );
}

/** The variables of all dashboards with a query, each once. */
export function chartVariables(): readonly ChartVariable[] {
  const found = dashboardNames.flatMap((dashboard) =>
    read(dashboard).templating.list.flatMap(({ name, query }) => (typeof query === 'object' ? [{ name, query: query.query }] : [])),
  );
  return [...new Map(found.map((variable) => [variable.name, variable])).values()];
}

export type Values = Readonly<Record<string, string>>;

/** What a panel shows. */
export interface Shown {
  /** Whether one of its queries has no series, or none that is a number. */
  readonly isIncomplete: boolean;
  /** Whether a series is another number than 0. */
  readonly hasFigures: boolean;
}

/** Loads a panel as Grafana does: each of its queries must be understood. */
export async function shownBy(prometheus: Prometheus, { expressions }: ChartPanel, values: Values): Promise<Shown> {
  const answers = await Promise.all(expressions.map((expression) => prometheus.query(withVariables(expression, values))));
  const numbers = answers.map((series) => series.map(({ value }) => value).filter((value) => !Number.isNaN(value)));
  return { isIncomplete: numbers.some(({ length }) => length === 0), hasFigures: numbers.flat().some((value) => value !== 0) };
}

/** The values that a variable's query lists. */
export async function listedBy(prometheus: Prometheus, { query }: ChartVariable, values: Values): Promise<readonly string[]> {
  const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
  return prometheus.labelValues(label, withVariables(selector, values));
}
